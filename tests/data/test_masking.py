"""Hidden tokens: how many, which, what stands there; batches as functions of seed and step."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.batches import IGNORED
from zoo.data.encoded import Ragged
from zoo.data.masking import Hiding, MaskedBatches, most_hidden, pieces
from zoo.errors import DataError

PAD, START, END, MASK = 0, 2, 3, 4
HIDING = Hiding(MASK, 1000, (PAD, START, END))


def text(length: int, first: int = 100) -> np.ndarray:
    return np.array([START, *range(first, first + length - 2), END], dtype=np.int32)


def test_fifteen_percent_of_all_tokens_are_hidden_and_one_at_least():
    """As in the code: of 128 tokens with start and end 19, of 512 77."""
    assert [most_hidden(length) for length in (3, 9, 10, 128, 512)] == [1, 1, 2, 19, 77]
    for length in (3, 10, 128):
        hidden, places, truth = HIDING.hide(text(length), np.random.default_rng(1))
        assert len(places) == len(truth) == most_hidden(length)
        assert len(set(places.tolist())) == len(places)
        assert (text(length)[places] == truth).all()
        rest = np.setdiff1d(np.arange(length), places)
        assert (hidden[rest] == text(length)[rest]).all()
        assert (hidden[0], hidden[-1]) == (START, END)


def test_most_become_the_mask_some_another_token_some_stay():
    random = np.random.default_rng(0)
    masked = stayed = other = 0
    for _ in range(400):
        hidden, places, truth = HIDING.hide(text(200), random)
        masked += (hidden[places] == MASK).sum()
        stayed += (hidden[places] == truth).sum()
        other += ((hidden[places] != MASK) & (hidden[places] != truth)).sum()
    total = masked + stayed + other
    assert total == 400 * 30
    np.testing.assert_allclose([masked / total, other / total, stayed / total], [0.8, 0.1, 0.1],
                               atol=0.01)  # fmt: skip


def test_every_place_is_hidden_equally_often():
    random = np.random.default_rng(0)
    counts = np.zeros(20)
    for _ in range(6000):
        counts[HIDING.hide(text(20), random)[1]] += 1
    assert counts[0] == counts[-1] == 0
    np.testing.assert_allclose(counts[1:-1] / 6000, 3 / 18, rtol=0.1)


def test_long_texts_are_read_in_pieces_with_start_and_end():
    found = pieces(Ragged.of([text(12), text(4, 500), text(2)]), 7)
    assert [each.tolist() for each in found] == [
        [START, 100, 101, 102, 103, 104, END], [START, 105, 106, 107, 108, 109, END],
        [START, 500, 501, END],
    ]  # fmt: skip


def batches(seed: int = 1, rows: int = 3) -> MaskedBatches:
    texts = [
        text(length, 100 * number) for number, length in enumerate((30, 12, 20, 3, 30, 8, 9), 1)
    ]
    return MaskedBatches(texts, rows=rows, hiding=HIDING, pad_id=PAD, seed=seed)


def test_a_batch_is_a_function_of_seed_and_step():
    one, other = batches(), batches()
    assert one.per_pass == 2
    for step in (5, 0, 3, 5):
        for left, right in zip(flat(one.batch(step)), flat(other.batch(step)), strict=True):
            np.testing.assert_array_equal(left, right)
    assert not np.array_equal(flat(one.batch(0))[0], flat(batches(seed=2).batch(0))[0])


def flat(batch) -> tuple[np.ndarray, ...]:
    inputs, labels = batch
    return inputs["tokens"], inputs["places"], labels


def test_rows_are_padded_and_their_labels_ignored_there():
    made = batches()
    for step in range(4):
        tokens, places, labels = flat(made.batch(step))
        assert tokens.shape == (3, 30)
        assert places.shape == labels.shape == (3, most_hidden(30))
        assert {array.dtype for array in (tokens, places, labels)} == {np.dtype("int32")}
        assert made.tokens(step) == (labels != IGNORED).sum()
        for row, where, truth in zip(tokens, places, labels, strict=True):
            length = (row != PAD).sum()
            assert (row[length:] == PAD).all()
            assert (truth != IGNORED).sum() == most_hidden(length)
            first = truth[0] // 100 * 100
            assert truth[0] == first + where[0] - 1  # what stood there before


def test_other_tokens_are_hidden_in_the_next_pass():
    made = batches(rows=7)
    (first, places, _), (second, others, _) = flat(made.batch(0)), flat(made.batch(1))
    assert made.per_pass == 1
    assert sorted((first != PAD).sum(1)) == sorted((second != PAD).sum(1))
    assert sorted(map(tuple, places)) != sorted(map(tuple, others))


def test_too_few_texts_for_a_batch():
    with pytest.raises(DataError, match="7 pieces of text, fewer than a batch of 8"):
        batches(rows=8)
