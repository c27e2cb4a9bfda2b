"""What holds for the model of every paper in the catalog: what it may see, its steps, its weights.

Sizes are those of the smoke runs. Weights are random and large, so that each of them counts.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tiny
from keras import ops, tree

from zoo import compiling, decoding, weights
from zoo.layers.initialisation import skipped

VARIANTS = tiny.variants()
START, END = 2, 3
SOURCE = np.array([[5, 6, 7, 8, END], [9, 10, END, 0, 0]], dtype="int32")
TARGET = np.array([[START, 11, 12, 13], [START, 14, 15, 5]], dtype="int32")
LABELS = np.array([[11, 12, 13, END], [14, 15, 5, END]], dtype="int32")


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def variant(request) -> tiny.Variant:
    return request.param


@pytest.fixture(scope="module")
def model(variant) -> keras.Model:
    """Shared by the tests of a paper: not to be changed."""
    return variant.make()


def logits(model, source=SOURCE, target=TARGET) -> np.ndarray:
    inputs = {"source": source, "target": target}
    if keras.backend.backend() == "jax":  # a loop outside of a jit is compiled at each call
        return ops.convert_to_numpy(compiling.run(_forward, model, None, inputs))
    return ops.convert_to_numpy(model(inputs))


def _forward(model, options, inputs):
    return model(inputs)


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


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


def test_a_keras_file_brings_it_back(variant, tmp_path):
    model = variant.make(dropout=0.1)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again) is type(model)
    assert again.get_config() == model.get_config()
    np.testing.assert_allclose(logits(again), logits(model), atol=1e-6)


def test_the_padding_id_is_an_argument(variant, model):
    other = variant.copy(model, padding_id=29)
    moved = np.where(SOURCE == 0, 29, SOURCE)
    np.testing.assert_allclose(logits(other, moved), logits(model), atol=1e-5)
    assert np.abs(logits(other) - logits(model))[1].max() > 1e-3


# What it may see


def test_the_future_changes_nothing_before_it(model):
    changed = TARGET.copy()
    changed[:, 2:] = 10
    before, after = logits(model), logits(model, target=changed)
    np.testing.assert_allclose(after[:, :2], before[:, :2], atol=1e-5)
    assert np.abs(after[:, 2:] - before[:, 2:]).max() > 1e-2


def test_every_source_piece_counts_in_its_own_row(model):
    before = logits(model)
    for position in range(4):
        changed = SOURCE.copy()
        changed[0, position] = 21
        after = logits(model, source=changed)
        assert np.abs(after[0] - before[0]).max(axis=-1).min() > 1e-3
        np.testing.assert_allclose(after[1], before[1], atol=1e-5)


def test_order_counts(model):
    turned = SOURCE[:1, [3, 2, 1, 0, 4]]
    assert np.abs(logits(model, turned, TARGET[:1]) - logits(model)[:1]).max() > 1e-2


def test_padding_changes_nothing(model):
    expected = logits(model)
    wider = logits(model, np.pad(SOURCE, ((0, 0), (0, 3))), np.pad(TARGET, ((0, 0), (0, 2))))
    np.testing.assert_allclose(wider[:, :4], expected, atol=1e-5)
    alone = logits(model, SOURCE[1:, :3], TARGET[1:])
    np.testing.assert_allclose(alone[0], expected[1], atol=1e-5)


def test_attention_is_a_distribution_over_real_pieces(model):
    if not hasattr(model, "attention"):
        pytest.skip("it has none")
    found = ops.convert_to_numpy(model.attention({"source": SOURCE, "target": TARGET}))
    assert found.shape == (2, found.shape[1], 4, 5)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    assert (found[0] > 0).all()
    assert not found[1, :, :, 3:].any()


def test_dropout_is_only_in_training(variant):
    model = variant.make(dropout=0.3)
    np.testing.assert_array_equal(logits(model), logits(model))
    inputs = {"source": SOURCE, "target": TARGET}
    first, second = (ops.convert_to_numpy(model(inputs, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-2


# One step at a time


def test_steps_are_the_full_pass(model):
    expected, grows = logits(model), hasattr(model, "grow")
    inputs = {"source": ops.convert_to_tensor(SOURCE)}
    memory, state = model.start(inputs, 3 if grows else 4)
    # Batch first, so that a search can repeat and reorder rows.
    assert {leaf.shape[0] for leaf in tree.flatten((memory, state))} == {2}
    for position in range(4):
        if grows and position == 3:
            state = model.grow(state, 6)
        token = ops.convert_to_tensor(TARGET[:, position])
        found, state = model.step(token, position, memory, state)
        assert found.shape == expected[:, position].shape
        np.testing.assert_allclose(ops.convert_to_numpy(found), expected[:, position], atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_logits_are_float32_in_any_precision(policy, variant, model):
    low = variant.copy(model, dtype=policy)
    found, expected = low({"source": SOURCE, "target": TARGET}), logits(model)
    scale = np.abs(expected).max()
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=0.1 * scale)
    memory, state = low.start({"source": ops.convert_to_tensor(SOURCE)}, 4)
    step, state = low.step(ops.convert_to_tensor(TARGET[:, 0]), 0, memory, state)
    assert keras.backend.standardize_dtype(step.dtype) == "float32"
    np.testing.assert_allclose(
        ops.convert_to_numpy(step), ops.convert_to_numpy(found)[:, 0], atol=0.03 * scale
    )


# Searching with it


def search(model, source, beams: int, limit: int) -> decoding.Decoded:
    return decoding.decode(
        model, {"source": source}, start_id=START, end_id=END, pad_id=0, max_length=limit,
        beam_size=beams, num_return=beams,
    )  # fmt: skip


def plain_search(model, source: np.ndarray, beams: int, limit: int) -> list[tuple[float, tuple]]:
    """Return (score, sequence) for one source, the best first, by full passes of lists of ids."""
    alive, finished = [(0.0, ())], []
    for length in range(1, limit + 1):
        target = np.zeros((beams, limit), dtype="int32")
        for row, (_, sequence) in enumerate(alive):
            target[row, :length] = [START, *sequence]
        full = logits(model, np.repeat(source[None], beams, axis=0), target)
        each = log_probabilities(full[:, length - 1])
        pieces = [END] if length == limit else range(each.shape[1])
        extended = [
            (total + each[row, piece], (*sequence, piece))
            for row, (total, sequence) in enumerate(alive)
            for piece in pieces
        ]
        best = sorted(extended, reverse=True)[: 1 if beams == 1 else 2 * beams]
        factor = ((5 + length) / 6) ** 0.6
        finished += [(total / factor, found) for total, found in best if found[-1] == END]
        alive = [one for one in best if one[1][-1] != END][:beams]
        if not alive:
            break
    return sorted(finished, reverse=True)[:beams]


@pytest.mark.parametrize("beams", [1, 3])
def test_a_search_finds_what_full_passes_find(model, beams, monkeypatch):
    monkeypatch.setattr(decoding, "FIRST_LENGTH", 2)  # 4 steps, then 8: what can grow must
    limit = 7
    found = search(model, SOURCE, beams, limit)
    for row, source in enumerate(SOURCE):
        wanted = plain_search(model, source, beams, limit)
        assert len(wanted) == beams
        for best, (score, sequence) in enumerate(wanted):
            assert found.ids[row, best].tolist() == [*sequence, *[0] * (limit - len(sequence))]
            np.testing.assert_allclose(found.scores[row, best], score, rtol=1e-4)


# Its weights


def test_weights_have_names_and_come_back(variant, model, tmp_path):
    named = weights.variables(model)
    assert sum(int(np.prod(each.shape)) for each in named.values()) == model.count_params()
    weights.save_weights(tmp_path / "model.safetensors", model, "float32")
    with skipped():
        other = variant.builder(**variant.arguments)
        other.build()
    assert list(weights.variables(other)) == list(named)
    assert not any(array.any() for array in weights.arrays(other).values())
    weights.load_weights(tmp_path / "model.safetensors", other)
    for name, array in weights.arrays(other).items():
        np.testing.assert_array_equal(array, weights.arrays(model)[name])
    np.testing.assert_allclose(logits(other), logits(model), atol=1e-6)


def test_every_weight_learns(variant):
    """One step of plain gradient descent moves every weight: each one gets a gradient."""
    model = variant.make()
    before = weights.arrays(model)
    model.compile(
        optimizer=keras.optimizers.SGD(10.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=keras.backend.backend() != "jax",
    )
    model.train_on_batch({"source": SOURCE, "target": TARGET}, LABELS)
    for name, after in weights.arrays(model).items():
        assert np.isfinite(after).all(), name
        moved = np.abs(after - before[name])
        assert moved.max() > 0, f"{name} does not learn"
        if after.ndim == 2 and "embedding" not in name:
            assert (moved > 0).mean() > 0.4, f"{name} hardly learns"
