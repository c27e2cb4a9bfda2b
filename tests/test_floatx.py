"""Models compute in their own types, whatever `keras.config.floatx()` is for the user's others."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tiny
from given import PAIRS, TARGETS, TEXTS, good, quick

import zoo
from zoo import bundle
from zoo.errors import PredictionError

# float64 is what TensorFlow could not do, float16 what PyTorch could not.
CASES = [
    ("vaswani2017", "float64"), ("vaswani2017", "float16"), ("bahdanau2015", "float16"),
    ("merity2017", "float64"), ("gpt1-classify", "float16"),
]  # fmt: skip


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


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_floatx_changes_no_answer(name, kind, bundles, loaded, floatx):
    recipe = tiny.recipe_names()[name]
    wanted, text = answers(loaded(recipe)), loaded(recipe).predict(TEXTS)
    floatx(kind)
    again = zoo.load(bundles(recipe))
    assert again.predict(TEXTS) == text
    for one, other in zip(answers(again), wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert keras.config.floatx() == kind


def test_floatx_changes_no_training(tiny_pretrained, floatx):
    rows = []
    for kind in ("float32", "float16"):
        floatx(kind)
        tuned = tiny_pretrained.finetune(PAIRS, changes=quick(tiny_pretrained), validation=0.3)
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
