"""What holds for the translator of every paper: what it may see, its steps, searching with it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import searching
import tiny
from keras import ops, tree
from tiny import END, SOURCE, START, TARGET

from zoo.decoding import search
from zoo.models import contracts

VARIANTS = tiny.variants("translate")


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def variant(request) -> tiny.Variant:
    return request.param


@pytest.fixture(scope="module")
def model(variant) -> keras.Model:
    """Shared by the tests of a paper: not to be changed."""
    return variant.make()


def logits(model, source=SOURCE, target=TARGET) -> np.ndarray:
    return tiny.logits(model, {"source": source, "target": target})


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
    if not isinstance(model, contracts.Aligner):
        pytest.skip("it has none")
    found = ops.convert_to_numpy(model.attention({"source": SOURCE, "target": TARGET}))
    assert found.shape == (2, found.shape[1], 4, 5)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    assert (found[0] > 0).all()
    assert not found[1, :, :, 3:].any()


# One step at a time


def test_steps_are_the_full_pass(model):
    expected, grows = logits(model), isinstance(model, contracts.Growable)
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
def test_steps_are_the_full_pass_in_low_precision(policy, variant, model):
    low = variant.copy(model, dtype=policy)
    expected = logits(low)[:, 0]
    memory, state = low.start({"source": ops.convert_to_tensor(SOURCE)}, 4)
    step, state = low.step(ops.convert_to_tensor(TARGET[:, 0]), 0, memory, state)
    assert keras.backend.standardize_dtype(step.dtype) == "float32"
    scale = np.abs(logits(model)).max()
    np.testing.assert_allclose(ops.convert_to_numpy(step), expected, atol=0.03 * scale)


# Searching with it


@pytest.mark.parametrize("beams", [1, 3])
def test_a_search_finds_what_full_passes_find(model, beams, monkeypatch):
    monkeypatch.setattr(search, "FIRST_LENGTH", 2)  # 4 steps, then 8: what can grow must
    limit = 7
    found = search.decode(
        model, {"source": SOURCE}, start_id=START, end_id=END, pad_id=0, max_length=limit,
        beam_size=beams, num_return=beams,
    )  # fmt: skip
    for row, source in enumerate(SOURCE):

        def following(sequences, source=source):
            target = np.zeros((beams, limit), dtype="int32")  # one shape for all passes
            for place, sequence in enumerate(sequences):
                target[place, : len(sequence) + 1] = [START, *sequence]
            full = logits(model, np.repeat(source[None], beams, axis=0), target)
            return full[: len(sequences), len(sequences[0])]

        wanted = searching.plain_search(following, beams, limit, END)
        assert len(wanted) == beams
        searching.check(found, row, wanted, limit)
