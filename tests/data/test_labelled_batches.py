"""Batches of labelled documents: of one sequence or several, with places or numbers as labels."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from zoo.data.batches import LabelledBatches
from zoo.data.encoded import Encoded, Ragged, padded_sequences
from zoo.errors import DataError

BUCKETS = [4, 8, 16]


def documents(count: int, sequences: int, numbers: bool = False) -> Encoded:
    """Each sequence is of one number, its own; the longest has 16 ids."""
    random = np.random.default_rng(0)
    lengths = random.integers(2, 17, size=count * sequences)
    rows = [np.full(length, i + 1) for i, length in enumerate(lengths)]
    labels = np.arange(count, dtype=np.float32 if numbers else np.int32)
    return Encoded.texts(Ragged.of(rows), labels / 2 if numbers else labels)


def made(held: Encoded, rows: int = 4) -> LabelledBatches:
    return LabelledBatches(held, rows=rows, buckets=BUCKETS, seed=3, pad_id=-1)


@pytest.mark.parametrize("sequences", [1, 2, 3])
def test_every_document_comes_once_with_its_label(sequences):
    held = documents(22, sequences)
    assert (len(held), held.sequences) == (22, sequences)
    batches, seen = made(held), collections.Counter()
    assert batches.per_pass == 5
    for step in range(batches.per_pass):
        tokens, labels = batches.batch(step)
        bucket = BUCKETS[batches.members_of(step)[0]]
        assert tokens.shape == ((4, bucket) if sequences == 1 else (4, sequences, bucket))
        assert (tokens.dtype, labels.dtype) == ("int32", "int32")
        for row, label in zip(tokens.reshape(4, sequences, bucket), labels, strict=True):
            for place, ids in enumerate(row):
                (wanted,) = {*held.tokens[int(label) * sequences + place].tolist()}
                assert {*ids[ids != -1].tolist()} == {wanted}
                assert ids[-1] == wanted  # padding is on the left
        # The bucket is the smallest for the longest sequence of all.
        longest = max(len(ids) for i in labels for ids in held[int(i)])
        assert bucket == min(each for each in BUCKETS if each >= longest)
        assert batches.tokens(step) == (tokens != -1).sum()
        seen.update(labels.tolist())
    assert set(seen.values()) == {1}
    assert len(seen) == 20


def test_numbers_stay_numbers():
    _, labels = made(documents(8, 2, numbers=True)).batch(0)
    assert labels.dtype == "float32"
    assert (labels * 2 == np.round(labels * 2)).all()
    assert labels.max() > 0.5


def test_the_order_is_made_from_seed_and_step():
    one, other = made(documents(22, 2)), made(documents(22, 2))
    for step in (7, 0, 12):
        for first, second in zip(one.batch(step), other.batch(step), strict=True):
            np.testing.assert_array_equal(first, second)
    assert one.members_of(0)[1].tolist() != one.members_of(5)[1].tolist()


def test_a_batch_needs_as_many_documents():
    with pytest.raises(DataError, match="there are 3 texts, fewer than a batch of 4"):
        made(documents(3, 2))


@pytest.mark.parametrize(("sequences", "numbers"), [(1, False), (2, True), (3, False)])
def test_documents_come_back_from_a_file(tmp_path, sequences, numbers):
    held = documents(5, sequences, numbers)
    held.save(tmp_path, "train")
    found = Encoded.load(tmp_path, "train")
    assert (len(found), found.sequences) == (5, sequences)
    assert found.labels.dtype == held.labels.dtype
    np.testing.assert_array_equal(found.labels, held.labels)
    np.testing.assert_array_equal(found.lengths, held.lengths)
    for i in range(5):
        for one, other in zip(found[i], held[i], strict=True):
            np.testing.assert_array_equal(one, other)
    assert held.lengths.tolist() == [max(map(len, held[i])) for i in range(5)]


def test_texts_without_labels_are_one_sequence_each():
    held = Encoded.texts(Ragged.of([[1, 2], [3]]))
    assert (len(held), held.sequences) == (2, 1)


def test_sequences_of_several_documents():
    found = padded_sequences(
        [[np.array([1, 2]), np.array([3])], [np.array([4]), np.array([5])]], 3, 0
    )
    assert found.tolist() == [[[0, 1, 2], [0, 0, 3]], [[0, 0, 4], [0, 0, 5]]]
