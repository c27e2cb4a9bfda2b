"""bert2018 that reads from left to right: what each token sees."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from zoo.models.albert2019 import MaskedLanguageModel as Albert
from zoo.models.bert2018 import MaskedLanguageModel as Bert

SIZES = {
    "vocabulary": 30, "context": 12, "width": 16, "layers": 2, "heads": 2, "feed_forward": 24,
    "separator_id": 3,
}  # fmt: skip
TOKENS = np.array([[2, 5, 6, 7, 8, 9, 3]], dtype="int32")


def states(model, tokens) -> np.ndarray:
    return ops.convert_to_numpy(model.encode(tokens))


@pytest.fixture(params=[Bert, Albert], ids=["bert", "albert"])
def build(request):
    def built(**changes):
        model = request.param(**SIZES | changes)
        model.build()
        rng = np.random.default_rng(0)
        for weight in model.weights:  # large enough that each token counts
            weight.assign(rng.normal(scale=0.3, size=weight.shape))
        return model

    return built


def test_from_left_to_right_a_token_sees_what_came_before(build):
    model = build(left_to_right=True)
    whole = states(model, TOKENS)
    for place in range(1, TOKENS.shape[1]):
        changed = TOKENS.copy()
        changed[:, place:] = 11
        found = states(model, changed)
        np.testing.assert_allclose(found[:, :place], whole[:, :place], atol=1e-5)
        assert np.abs(found[:, place:] - whole[:, place:]).max() > 1e-3


def test_else_it_sees_both_sides(build):
    model = build()
    changed = TOKENS.copy()
    changed[:, -2] = 11
    assert np.abs(states(model, changed)[:, 0] - states(model, TOKENS)[:, 0]).max() > 1e-3


def test_padding_on_either_side_changes_nothing(build):
    model = build(left_to_right=True)
    none = np.zeros((1, 3), "int32")
    whole = states(model, TOKENS)
    right = states(model, np.concatenate([TOKENS, none], axis=1))
    left = states(model, np.concatenate([none, TOKENS], axis=1))
    np.testing.assert_allclose(right[:, :-3], whole, atol=1e-5)
    np.testing.assert_allclose(left[:, 3:], whole, atol=1e-5)
