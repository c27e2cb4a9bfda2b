"""What the readers want, counted at the sizes of the published checkpoints."""

from __future__ import annotations

import math

import pytest

from zoo.convert import fastai, nematus, openai_gpt, transformer_names


def count(wanted) -> int:
    return sum(math.prod(shape) for _, shape in wanted.values())


@pytest.mark.parametrize(
    ("vocabulary", "width", "published"),
    [(58_101, 512, 73_886_208), (44_512, 1024, 221_937_664), (32_768, 1024, 209_911_808)],
    ids=["opus-mt-en-de", "fairseq en-fr", "fairseq en-de"],
)
def test_transformers(vocabulary, width, published):
    arguments = {
        "vocabulary": vocabulary, "width": width, "feed_forward": 4 * width,
        "encoder_layers": 6, "decoder_layers": 6,
    }  # fmt: skip
    assert count(transformer_names.wanted(arguments, "table")) == published


def test_nematus():
    sizes = {"s": 85_000, "t": 85_000, "m": 500, "n": 1024, "2n": 2048, "1": 1}
    shapes = [[sizes[side] for side in shape.split()] for shape in nematus.SHAPES.values()]
    assert sum(map(math.prod, shapes)) == 161_260_885


@pytest.mark.parametrize(
    ("vocabulary", "width", "bias", "published"),
    [(60_000, 1152, True, 44_333_280), (238_462, 1150, False, 115_596_400)],
)
def test_fastai(vocabulary, width, bias, published):
    arguments = {"vocabulary": vocabulary, "embedding": 400, "width": width, "layers": 3}
    assert count(fastai.wanted(arguments, bias)) == published


def test_openai_gpt():
    arguments = {
        "vocabulary": 40_478, "context": 512, "width": 768, "layers": 12, "feed_forward": 3072,
    }  # fmt: skip
    assert count(openai_gpt.wanted(arguments)) == 116_534_784
