"""Hidden tokens: how many, which, what stands there; batches as functions of seed and step."""

from __future__ import annotations

import dataclasses

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


# Whole words and n-grams

# Ids from 100 on: every third one begins a word.
STARTS = np.arange(1000) % 3 == 1  # 100 = 3 * 33 + 1
WORDS = dataclasses.replace(HIDING, starts=STARTS)
NGRAMS = dataclasses.replace(WORDS, ngrams=3)


def runs(places: np.ndarray) -> list[int]:
    """Return how many words of three tokens are hidden in a row, for each run of hidden places."""
    parts = np.split(places, np.flatnonzero(np.diff(places) != 1) + 1)
    return [len(part) // 3 for part in parts]


def test_all_pieces_of_a_word_are_hidden_together():
    random = np.random.default_rng(0)
    for _ in range(200):
        _, places, truth = WORDS.hide(text(122), random)
        assert len(places) == most_hidden(122) == 18  # six words of three pieces
        assert (places.reshape(-1, 3) == places[::3, None] + np.arange(3)).all()
        assert (truth[::3] % 3 == 1).all()
    hidden, places, _ = WORDS.hide(text(5), random)  # a word of three, and one may be hidden
    assert len(places) == 0
    assert (hidden == text(5)).all()


def test_a_piece_at_the_start_of_a_text_without_its_word_is_one():
    found = WORDS.words(np.array([START, 101, 102, 103, 104, END, 105, 106, END]))
    assert found == [[[1, 2], [3, 4]], [[6], [7]]]


def test_lengths_of_ngrams_are_as_often_as_in_the_paper():
    """P(1), P(2), P(3) are 6/11, 3/11, 2/11 (albert2019, section 4.1), of those begun."""
    random = np.random.default_rng(0)
    first = np.zeros(4)
    long = dataclasses.replace(NGRAMS, vocabulary=30000, starts=np.arange(30000) % 3 == 1)
    for _ in range(1500):
        # Of a long text the n-grams seldom touch or are cut short.
        _, places, _ = long.hide(text(1502), random)
        for length in runs(places):
            first[min(length, 3)] += 1
    share = first[1:] / first[1:].sum()
    # Runs that touch look longer, so single words are a little rarer than 6/11.
    np.testing.assert_allclose(share, [6 / 11, 3 / 11, 2 / 11], atol=0.12)
    assert share[0] > share[1] > share[2]


def test_ngrams_without_starts_are_of_tokens_and_end_with_their_text():
    tokens = dataclasses.replace(HIDING, ngrams=3)
    ids = np.concatenate([text(52), text(50, 500)[1:]])
    for seed in range(200):
        _, places, _ = tokens.hide(ids, np.random.default_rng(seed))
        assert len(places) == most_hidden(len(ids))
        assert not np.isin(ids[places], (START, END)).any()


def test_no_special_token_is_drawn():
    few = dataclasses.replace(HIDING, vocabulary=6)
    ids = np.full(400, 5, dtype=np.int32)
    for seed in range(20):
        hidden, _, _ = few.hide(ids, np.random.default_rng(seed))
        assert not np.isin(hidden, few.kept).any()


@pytest.mark.parametrize("hiding", [WORDS, NGRAMS])
def test_batches_of_whole_words_are_functions_of_seed_and_step(hiding):
    texts = [text(50), text(47), text(41)]
    made, other = (
        MaskedBatches(texts, rows=3, hiding=hiding, pad_id=PAD, seed=5) for _ in range(2)
    )
    for step in (4, 0, 4):
        for left, right in zip(flat(made.batch(step)), flat(other.batch(step)), strict=True):
            np.testing.assert_array_equal(left, right)
    _, places, labels = flat(made.batch(0))
    assert places.shape == labels.shape == (3, most_hidden(50))
    assert made.tokens(0) == (labels != IGNORED).sum() > 0
