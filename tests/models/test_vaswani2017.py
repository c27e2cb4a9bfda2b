"""The Transformer: its size to the weight, its names on disk, how much it can read."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import zeroed

from zoo import bundle
from zoo.config import catalog
from zoo.models.vaswani2017 import Transformer


def tiny(**arguments) -> Transformer:
    settings = {
        "vocabulary": 40, "width": 16, "encoder_layers": 2, "decoder_layers": 2,
        "heads": 4, "feed_forward": 32, "max_length": 24,
    }  # fmt: skip
    model = Transformer(**(settings | arguments))
    model.build()
    return model


@pytest.mark.parametrize(
    ("size", "bias", "count"),
    [
        ("base", False, 63_045_632),
        ("base", True, 63_082_496),
        ("big", False, 214_171_648),
        ("big", True, 214_245_376),
    ],
)
def test_the_papers_sizes_to_the_weight(size, bias, count):
    entry = catalog.entry("vaswani2017")
    arguments = catalog.arguments(entry, size, {"attention_bias": bias})
    assert arguments["vocabulary"] == 37_000
    with zeroed():
        model = Transformer(**arguments)
        model.build()
    assert sum(int(np.prod(each.shape)) for each in model.trainable_variables) == count
    assert model.count_params() == count  # position tables are no weights
    if not bias:
        assert catalog.size(entry, size).params == count


def test_names_of_weights_are_a_format():
    """A bundle is keyed by these names: changing one breaks every bundle that is out there."""
    attention = [f"{part}.kernel" for part in ("key", "projection", "query", "value")]
    rest = [
        *[f"feed_forward.{part}" for part in
          ("inner.bias", "inner.kernel", "outer.bias", "outer.kernel")],
        "feed_forward_norm.beta", "feed_forward_norm.gamma",
        *[f"self_attention.{part}" for part in attention],
        "self_attention_norm.beta", "self_attention_norm.gamma",
    ]  # fmt: skip
    cross = [
        *[f"cross_attention.{part}" for part in attention],
        "cross_attention_norm.beta", "cross_attention_norm.gamma",
    ]  # fmt: skip
    expected = [
        *[f"decoder_layers.{i}.{name}" for i in range(2) for name in (*cross, *rest)],
        "embedding.table",
        *[f"encoder_layers.{i}.{name}" for i in range(2) for name in rest],
    ]
    assert list(bundle.variables(tiny(dropout=0.1))) == expected


def test_names_of_the_weights_that_checkpoints_add():
    names = set(bundle.variables(tiny(attention_bias=True, output_bias=True)))
    added = names - set(bundle.variables(tiny()))
    assert added == {"embedding.bias"} | {
        f"{side}_layers.{i}.{attention}.{part}.bias"
        for side, attention in (
            ("encoder", "self_attention"),
            ("decoder", "self_attention"),
            ("decoder", "cross_attention"),
        )
        for i in range(2)
        for part in ("query", "key", "value", "projection")
    }


def test_too_long_is_refused():
    with pytest.raises(ValueError, match="25 pieces, but max_length is 24"):
        tiny().encode(np.ones((1, 25), dtype="int32"))
