"""The Transformer: its size to the weight, its names on disk, what it may see, cached steps."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from zoo import bundle, catalog
from zoo.layers.initialisation import skipped
from zoo.models.vaswani2017 import Transformer

VOCABULARY = 40
SOURCE = np.array([[5, 6, 7, 8, 3], [9, 10, 3, 0, 0]], dtype="int32")
TARGET = np.array([[2, 11, 12, 13], [2, 14, 15, 16]], dtype="int32")


def tiny(seed: int = 0, **arguments) -> Transformer:
    keras.utils.set_random_seed(seed)
    settings = {
        "vocabulary": VOCABULARY, "width": 16, "encoder_layers": 2, "decoder_layers": 2,
        "heads": 4, "feed_forward": 32, "max_length": 24,
    }  # fmt: skip
    model = Transformer(**(settings | arguments))
    model.build()
    return model


@pytest.fixture(scope="module")
def model() -> Transformer:
    return tiny()


def logits(model: Transformer, source=SOURCE, target=TARGET, **options) -> np.ndarray:
    return ops.convert_to_numpy(model({"source": source, "target": target}, **options))


# What it is made of


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
    with skipped():
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


def test_config_holds_every_argument(model):
    arguments = {
        "vocabulary": 30, "width": 8, "encoder_layers": 1, "decoder_layers": 3, "heads": 2,
        "feed_forward": 12, "dropout": 0.2, "attention_dropout": 0.05, "activation": "swish",
        "attention_bias": True, "positions": "halves", "epsilon": 1e-5, "output_bias": True,
        "padding_id": 7, "max_length": 11,
    }  # fmt: skip
    made = Transformer(**arguments, dtype="mixed_bfloat16", name="mine")
    config = made.get_config()
    assert {key: config[key] for key in arguments} == arguments
    again = Transformer.from_config(config)
    assert again.get_config() == config
    assert (again.name, again.dtype_policy.name) == ("mine", "mixed_bfloat16")


def test_a_keras_file_brings_it_back(tmp_path):
    model = tiny(dropout=0.1, attention_dropout=0.1, positions="halves", output_bias=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again, Transformer)
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(logits(again), logits(model))


# What it computes


def test_the_future_changes_nothing_before_it(model):
    changed = TARGET.copy()
    changed[:, 2:] = 20
    before, after = logits(model), logits(model, target=changed)
    np.testing.assert_allclose(after[:, :2], before[:, :2], atol=1e-6)
    assert np.abs(after[:, 2:] - before[:, 2:]).max() > 1e-2


def test_every_source_piece_counts(model):
    before = logits(model)
    for position in range(4):
        changed = SOURCE.copy()
        changed[0, position] = 21
        after = logits(model, source=changed)
        assert np.abs(after[0] - before[0]).max(axis=-1).min() > 1e-3
        np.testing.assert_allclose(after[1], before[1], atol=1e-6)


def test_order_counts(model):
    turned = SOURCE[:, ::-1][:1]
    assert np.abs(logits(model, turned, TARGET[:1]) - logits(model)[:1]).max() > 1e-2


def test_padding_changes_nothing(model):
    expected = logits(model)
    wider = logits(model, np.pad(SOURCE, ((0, 0), (0, 3))), np.pad(TARGET, ((0, 0), (0, 2))))
    np.testing.assert_allclose(wider[:, :4], expected, atol=1e-5)
    alone = logits(model, SOURCE[1:, :3], TARGET[1:])
    np.testing.assert_allclose(alone[0], expected[1], atol=1e-5)


def test_the_padding_id_is_an_argument(model):
    other = tiny(padding_id=30)
    other.set_weights(model.get_weights())
    moved = np.where(SOURCE == 0, 30, SOURCE)
    np.testing.assert_allclose(logits(other, moved), logits(model), atol=1e-6)
    assert np.abs(logits(other) - logits(model))[1].max() > 1e-3


def test_attention_is_a_distribution_over_real_pieces(model):
    found = ops.convert_to_numpy(model.attention({"source": SOURCE, "target": TARGET}))
    assert found.shape == (2, 4, 4, 5)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    assert not found[1, :, :, 3:].any()


def test_dropout_is_only_in_training():
    model = tiny(dropout=0.3)
    np.testing.assert_array_equal(logits(model), logits(model))
    first, second = (logits(model, training=True) for _ in range(2))
    assert np.abs(first - second).max() > 1e-2


def test_too_long_is_refused(model):
    with pytest.raises(ValueError, match="25 pieces, but max_length is 24"):
        model.encode(np.ones((1, 25), dtype="int32"))


@pytest.mark.parametrize(
    "options",
    [{}, {"attention_bias": True, "positions": "halves", "output_bias": True}],
    ids=["paper", "marian"],
)
def test_cached_steps_are_the_full_pass(options):
    model = tiny(**options)
    expected = logits(model)
    memory, state = model.start({"source": ops.convert_to_tensor(SOURCE)}, 3)
    for position in range(4):
        if position == 3:
            state = model.grow(state, 6)
        token = ops.convert_to_tensor(TARGET[:, position])
        found, state = model.step(token, position, memory, state)
        assert tuple(found.shape) == (2, VOCABULARY)
        np.testing.assert_allclose(ops.convert_to_numpy(found), expected[:, position], atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_logits_are_float32_in_any_precision(policy, model):
    low = tiny(dtype=policy)
    low.set_weights(model.get_weights())
    found = low({"source": SOURCE, "target": TARGET})
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(found), logits(model), atol=0.15)
    memory, state = low.start({"source": ops.convert_to_tensor(SOURCE)}, 4)
    step, state = low.step(ops.convert_to_tensor(TARGET[:, 0]), 0, memory, state)
    assert keras.backend.standardize_dtype(step.dtype) == "float32"
    np.testing.assert_allclose(
        ops.convert_to_numpy(step), ops.convert_to_numpy(found)[:, 0], atol=0.05
    )


def test_every_weight_learns():
    """One step of plain gradient descent moves every weight: each one gets a gradient."""
    model = tiny(output_bias=True)
    before = bundle.arrays(model)
    model.compile(
        optimizer=keras.optimizers.SGD(10.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.train_on_batch({"source": SOURCE, "target": TARGET}, TARGET)
    for name, after in bundle.arrays(model).items():
        assert np.isfinite(after).all(), name
        moved = np.abs(after - before[name])
        assert moved.max() > 0, f"{name} does not learn"
        if name.endswith("kernel"):
            assert (moved > 0).mean() > 0.4, f"{name} hardly learns"
