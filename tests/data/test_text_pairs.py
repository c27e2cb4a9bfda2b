"""Pairs of texts: what stands in them, their labels, and batches as functions of seed and step."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.batches import IGNORED
from zoo.data.encoded import Ragged
from zoo.data.masking import Hiding, most_hidden
from zoo.data.text_pairs import Pairs, TextPairBatches, pieces_of

PAD, START, END, MASK = 0, 2, 3, 4
HIDING = Hiding(MASK, 5000, (PAD, START, END))


def document(number: int, *lengths: int) -> tuple[list[int], list[int]]:
    """Return ids and starts of sentences of some lengths; ids tell document and place."""
    ids, starts = [START], []
    for length in lengths:
        starts.append(len(ids))
        first = 1000 * number + len(ids)
        ids += range(first, first + length)
    return [*ids, END], starts


DOCUMENTS = [document(1, 4, 3, 5, 2), document(2, 6), document(3, 2, 2, 2), document(4, 20, 3)]
TEXTS, STARTS = (Ragged.of([each[i] for each in DOCUMENTS]) for i in range(2))


def pairs(kind, longest: int = 15) -> Pairs:
    return Pairs(pieces_of(TEXTS, STARTS, longest), kind, longest, START, END)


def parted(ids: np.ndarray) -> list[list[int]]:
    """Return the texts of a pair."""
    assert ids[0] == START
    assert ids[-1] == END
    ends = np.flatnonzero(ids == END)
    return [part.tolist() for part in np.split(ids[1:-1], ends[:-1] - 1)]


def texts_of(ids: np.ndarray) -> list[list[int]]:
    return [[i for i in part if i != END] for part in parted(ids)]


def test_pieces_are_of_whole_sentences_that_fit():
    """Of 15 ids three are special: 12 are left."""
    found = pieces_of(TEXTS, STARTS, 15)
    assert [(each.document, [len(part) for part in each.sentences]) for each in found] == [
        (0, [4, 3, 5]), (0, [2]), (1, [6]), (2, [2, 2, 2]), (3, [12]), (3, [8, 3]),
    ]  # fmt: skip
    first = np.concatenate(found[0].sentences).tolist()
    assert first == list(range(1001, 1013))


def test_half_of_the_pairs_are_swapped():
    made, random = pairs("order"), np.random.default_rng(0)
    swapped, cuts = [], set()
    for _ in range(400):
        ids, label = made.pair(0, random)
        first, second = texts_of(ids)
        whole = first + second if label == 0 else second + first
        assert whole == list(range(1001, 1013))
        swapped.append(label)
        cuts.add(len(first) if label == 0 else len(second))
    assert 0.42 < np.mean(swapped) < 0.58
    assert cuts == {4, 7}  # only between sentences


def test_a_single_sentence_has_no_order():
    ids, label = pairs("order").pair(2, np.random.default_rng(0))
    assert (label, ids.tolist()) == (IGNORED, [START, *range(2001, 2007), END])


def test_half_of_the_second_texts_are_of_another_document():
    made, random = pairs("next"), np.random.default_rng(0)
    labels, documents = [], set()
    for _ in range(600):
        ids, label = made.pair(0, random)
        first, second = texts_of(ids)
        assert len(ids) <= 15
        assert first == list(range(1001, 1001 + len(first)))
        if label == 0:
            assert first + second == list(range(1001, 1013))
        else:
            assert second[0] // 1000 != 1
            documents.add(second[0] // 1000)
        labels.append(label)
    assert 0.42 < np.mean(labels) < 0.58
    assert documents == {2, 3, 4}


def test_a_single_sentence_gets_a_foreign_second_text_while_there_is_room():
    random = np.random.default_rng(0)
    for _ in range(20):
        ids, label = pairs("next").pair(2, random)
        assert label == 1
        first, second = texts_of(ids)
        assert first == list(range(2001, 2007))
        assert 0 < len(second) <= 6
        ids, label = pairs("next").pair(4, random)  # fills a pair alone
        assert (label, len(ids)) == (IGNORED, 14)
    alone = Pairs(pairs("next").pieces[:2], "next", 15, START, END)
    assert alone.pair(1, random)[1] == IGNORED  # there is no other document


def batches(kind: str, seed: int = 1) -> TextPairBatches:
    return TextPairBatches(pairs(kind), rows=3, hiding=HIDING, pad_id=PAD, seed=seed)


@pytest.mark.parametrize("kind", ["next", "order"])
def test_a_batch_is_a_function_of_seed_and_step(kind):
    one, other = batches(kind), batches(kind)
    assert one.per_pass == 2
    for step in (5, 0, 3, 5):
        for left, right in zip(flat(one.batch(step)), flat(other.batch(step)), strict=True):
            np.testing.assert_array_equal(left, right)
    found = [flat(each.batch(0)) for each in (one, batches(kind, seed=2))]
    assert not np.array_equal(found[0][0], found[1][0])
    assert not np.array_equal(flat(one.batch(0))[0], flat(one.batch(2))[0])  # the next pass


def flat(batch) -> tuple[np.ndarray, ...]:
    inputs, labels = batch
    return inputs["tokens"], inputs["places"], labels["words"], labels["pairs"]


@pytest.mark.parametrize("kind", ["next", "order"])
def test_hidden_words_and_labels_of_a_batch(kind):
    made = batches(kind)
    for step in range(4):
        tokens, places, words, labels = flat(made.batch(step))
        assert tokens.shape == (3, 15)
        assert places.shape == words.shape == (3, most_hidden(15))
        assert {array.dtype for array in (tokens, places, words, labels)} == {np.dtype("int32")}
        assert set(labels.tolist()) <= {0, 1, IGNORED}
        assert made.tokens(step) == (words != IGNORED).sum()
        for row, where, truth, (ids, label), shown in zip(
            tokens, places, words, made._pair(step), labels, strict=True
        ):
            assert shown == label
            real = truth != IGNORED
            assert (ids[where[real]] == truth[real]).all()
            rest = np.setdiff1d(np.arange(len(ids)), where[real])
            assert (row[rest] == ids[rest]).all()
            assert (row[len(ids) :] == PAD).all()
