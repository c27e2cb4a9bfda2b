"""Models compute in their own types, whatever `keras.config.floatx()` is for the user's others."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tiny
from given import PAIRS, TARGETS, TEXTS, examples, good, quick

import zoo
from zoo import bundle
from zoo.errors import PredictionError

NAMES = ["vaswani2017", "bahdanau2015", "merity2017", "gpt1-classify"]


@pytest.fixture
def floatx():
    """Set the type, and set it back after the test."""
    yield keras.config.set_floatx
    keras.config.set_floatx("float32")


def answers(pretrained: zoo.Pretrained) -> list[np.ndarray]:
    """Return numbers of each verb."""
    measured = pretrained.evaluate(good(pretrained))
    numbers = [np.array([v for v in measured.values() if isinstance(v, float)])]
    if pretrained.recipe.task == "classify":
        return [*numbers, pretrained.probabilities(TEXTS)]
    targets = [TARGETS] if pretrained.recipe.task == "translate" else []
    return [*numbers, pretrained.score(TEXTS, *targets)]


@pytest.mark.parametrize("name", NAMES)
def test_floatx_changes_no_answer(name, bundles, floatx):
    folder = bundles(tiny.recipe_names()[name])
    loaded = zoo.load(folder)
    wanted, text = answers(loaded), loaded.predict(TEXTS)
    for kind in ("float16", "float64"):
        floatx(kind)
        again = zoo.load(folder)
        assert again.predict(TEXTS) == text
        for one, other in zip(answers(again), wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        assert keras.config.floatx() == kind


@pytest.mark.parametrize("name", ["vaswani2017", "merity2017"])
def test_floatx_changes_no_training(name, bundles, floatx):
    pretrained = zoo.load(bundles(tiny.recipe_names()[name]))
    rows = []
    for kind in ("float32", "float16"):
        floatx(kind)
        tuned = pretrained.finetune(
            examples(pretrained.recipe, PAIRS), changes=quick(pretrained), validation=0.3
        )
        rows.append([(row["loss"], row["val_loss"]) for row in tuned.history])
    np.testing.assert_allclose(rows[1], rows[0], rtol=1e-4)


def test_an_overflow_of_float16_is_told(tiny_bundle):
    loaded = zoo.load(tiny_bundle, dtype="float16")
    for weight in bundle.variables(loaded.model).values():
        weight.assign(keras.ops.convert_to_numpy(weight) * 500)
    with pytest.raises(PredictionError, match=r"(?s)float16 ends at 65,504.*mixed_bfloat16"):
        loaded.predict(TEXTS)


def test_no_constant_takes_its_type_from_floatx():
    """`ops.arange` without a type is int16 beside float16; see zoo/typed.py."""
    for path in Path(zoo.__file__).parent.rglob("*.py"):
        if path.name != "typed.py":
            assert "ops.arange(" not in path.read_text("utf-8"), path
