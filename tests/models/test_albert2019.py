"""ALBERT: one block for all layers, narrow tables, the paper's counts."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tiny

import zoo
from zoo.bundle import weights
from zoo.config import catalog
from zoo.models import albert2019, bert2018


@pytest.mark.parametrize(
    ("size", "count"),
    [("base", 11_683_584), ("large", 17_683_968), ("xlarge", 58_724_864), ("xxlarge", 222_595_584)],
)
def test_encoder_and_pooler_have_the_papers_parameters(size, count):
    """12M, 18M, 60M and 235M in the paper's table 1; the heads of both tasks left out."""
    arguments = dict(catalog.entry("albert2019").sizes[size].arguments)
    with tiny.zeroed():
        model = albert2019.MaskedLanguageModel(**arguments)
        model.build()
    parts = (model.encoder, model.pooler)
    assert sum(np.prod(each.shape) for part in parts for each in part.weights) == count


def test_layers_add_no_weights():
    shallow, deep = (zoo.build("albert2019", "starter", layers=n) for n in (1, 9))
    assert shallow.parameter_count == deep.parameter_count == 1_351_424
    assert weights.arrays(shallow).keys() == weights.arrays(deep).keys()


def test_the_starter_is_berts_but_for_the_sharing():
    one, other = (dict(catalog.entry(name).sizes["starter"].arguments)
                  for name in ("albert2019", "bert2018"))  # fmt: skip
    for key in ("vocabulary", "context", "width", "layers", "heads", "feed_forward"):
        assert one[key] == other[key]
    assert zoo.build("bert2018", "starter").parameter_count > 3.9 * 1_351_424


def test_it_is_a_bert_whose_blocks_are_all_the_same():
    """With tables as wide as the states and a projection that does nothing."""
    sizes = {
        "vocabulary": 30, "context": 12, "width": 16, "layers": 3, "heads": 2, "feed_forward": 24,
        "dropout": 0.0, "attention_dropout": 0.0, "activation": "gelu", "separator_id": 3,
    }  # fmt: skip
    albert = albert2019.MaskedLanguageModel(**sizes, embedding=16, sentence_order=True)
    bert = bert2018.MaskedLanguageModel(**sizes, next_sentence=True)
    for model in (albert, bert):
        model.build()
    tiny.randomise(albert)
    albert.encoder.projection.kernel.assign(np.eye(16))
    albert.encoder.projection.bias.assign(np.zeros(16))
    own = weights.variables(albert)
    for name, variable in weights.variables(bert).items():
        for layer in range(3):
            name = name.replace(f"encoder.blocks.{layer}.", "encoder.block.")
        variable.assign(own[name])
    tokens = np.array([[2, 5, 6, 3, 7, 8, 3, 0], [2, 9, 4, 10, 11, 12, 13, 3]], dtype="int32")
    places = np.array([[1, 4], [2, 6]], dtype="int32")
    np.testing.assert_allclose(numpy(albert(tokens)), numpy(bert(tokens)), atol=1e-5)
    for found, wanted in zip(
        albert.fill_and_judge(tokens, places), bert.fill_and_judge(tokens, places), strict=True
    ):
        np.testing.assert_allclose(numpy(found), numpy(wanted), atol=1e-5)


def numpy(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def test_more_tokens_than_the_context_are_refused():
    model = zoo.build("albert2019", "starter")
    with pytest.raises(ValueError, match="129 tokens, but the context is 128"):
        model(np.full((1, 129), 5, dtype="int32"))
