"""What holds for the model of every paper in the catalog, whatever its task: arguments, weights.

What one task asks of its models is in test_every_translator.py and its neighbours. Sizes are those
of the smoke runs. Weights are random and large, so that each of them counts.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tiny

from zoo.bundle import weights
from zoo.data.batches import IGNORED
from zoo.models import contracts

VARIANTS = tiny.variants()


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def variant(request) -> tiny.Variant:
    return request.param


@pytest.fixture(scope="module")
def model(variant) -> keras.Model:
    """Shared by the tests of a paper: not to be changed."""
    return variant.make()


@pytest.fixture(scope="module")
def expected(variant, model) -> np.ndarray:
    return tiny.logits(model, variant.inputs)


# Its arguments


def test_config_holds_every_argument(variant):
    changed = {
        each.name: _other(variant.arguments.get(each.name, each.default), each.default)
        for each in variant.parameters
    }
    made = variant.builder(**changed, dtype="mixed_bfloat16", name="mine")
    config = made.get_config()
    assert {name: config[name] for name in changed} == changed
    again = variant.builder.from_config(config)
    assert again.get_config() == config
    assert (again.name, again.dtype_policy.name) == ("mine", "mixed_bfloat16")


def _other(value, default):
    """Return a value that is not the default."""
    if value != default or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value / 2 + 0.05


def test_a_keras_file_brings_it_back(variant, expected, tmp_path):
    model = variant.make()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again) is type(model)
    assert again.get_config() == model.get_config()
    np.testing.assert_allclose(tiny.logits(again, variant.inputs), expected, atol=1e-5)


def test_every_dropout_is_only_in_training(variant, model, expected):
    names = [each.name for each in variant.parameters if each.name.startswith("dropout")]
    if not names:
        pytest.skip("it has no dropout")
    none = dict.fromkeys(names, 0.0)
    whole = tiny.logits(variant.copy(model, **none), variant.inputs, training=True)
    for name in names:
        dropped = variant.copy(model, **(none | {name: 0.5}))
        np.testing.assert_allclose(tiny.logits(dropped, variant.inputs), expected, atol=1e-6)
        found = tiny.logits(dropped, variant.inputs, training=True)
        assert np.abs(found - whole).max() > 1e-3, name


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_logits_are_float32_in_any_precision(policy, variant, model, expected):
    found = tiny.logits(variant.copy(model, dtype=policy), variant.inputs)
    assert found.dtype == np.float32
    # A block that is read again and again makes its own rounding larger.
    share = 0.2 if variant.paper == "albert2019" else 0.1
    np.testing.assert_allclose(found, expected, atol=share * np.abs(expected).max())


# Its weights


def test_weights_have_names_and_come_back(variant, model, expected, tmp_path):
    named = weights.variables(model)
    assert sum(int(np.prod(each.shape)) for each in named.values()) == model.count_params()
    weights.save_weights(tmp_path / "model.safetensors", model, "float32")

    def build():
        made = variant.builder(**variant.arguments)
        made.build()
        return made

    other = weights.filled(build, tmp_path / "model.safetensors")
    assert list(weights.variables(other)) == list(named)
    for name, array in weights.arrays(other).items():
        np.testing.assert_array_equal(array, weights.arrays(model)[name])
    np.testing.assert_allclose(tiny.logits(other, variant.inputs), expected, atol=1e-6)


def test_every_weight_learns(variant):
    """One step of plain gradient descent moves every weight: each one gets a gradient."""
    # The head of a second task has an output of its own, see tests/training/test_masked.py.
    second = getattr(variant.builder, "second_task", None)
    model = variant.make(**({second: False} if second else {}))
    if not model.trainable_variables:
        pytest.skip("it is counted, without a gradient")
    before = weights.arrays(model)
    model.compile(
        optimizer=keras.optimizers.SGD(10.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORED),
        run_eagerly=keras.backend.backend() != "jax",
    )
    model.train_on_batch(variant.inputs, variant.labels)
    for name, after in weights.arrays(model).items():
        assert np.isfinite(after).all(), name
        moved = np.abs(after - before[name])
        if variant.task in ("choose", "answer") and name == "head.bias":
            continue  # the same for all answers, or all tokens, so that softmax cancels it
        assert moved.max() > 0, f"{name} does not learn"
        # Words and positions that the batch does not have learn nothing.
        if after.ndim == 2 and "embedding" not in name and "positions" not in name:
            assert (moved > 0).mean() > 0.4, f"{name} hardly learns"


def test_groups_of_layers_leave_no_weight_out(model):
    """What rates by layers and gradual unfreezing go by, from the input to the output."""
    if not isinstance(model, contracts.Grouped):
        pytest.skip("it has none")
    flat = [id(variable) for group in model.groups() for variable in group]
    assert sorted(flat) == sorted(map(id, model.trainable_variables))
    assert all(model.groups())
    assert not {id(each) for each in model.non_trainable_variables} & set(flat)


def test_logits_are_finite_and_one_for_each_label(variant, expected):
    sizes = variant.arguments
    keys = ("classes", "target_vocabulary", "vocabulary")
    width = next(sizes[key] for key in keys if key in sizes)
    if variant.task == "choose":
        width = variant.inputs.shape[1]  # answers
    elif variant.task == "answer":
        width = variant.inputs.shape[1]  # tokens
    elif variant.task == "embed":
        width = sizes["width"]  # a vector
    assert expected.shape == (*variant.labels.shape, width)
    assert np.isfinite(expected).all()
    assert (expected.max(axis=-1) - expected.min(axis=-1) > 1e-3).all()
