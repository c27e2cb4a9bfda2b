"""Sequences in flat arrays, on disk and in memory."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.encoded import Encoded, Ragged, text_ids, training_ids
from zoo.errors import DataError, ZooWarning
from zoo.text import WhitespaceTokenizer

SEQUENCES = [[5, 6, 3], [], [7], [8, 9, 10, 3]]


def test_sequences_come_back():
    ragged = Ragged.of(SEQUENCES)
    assert len(ragged) == 4
    assert [ragged[i].tolist() for i in range(4)] == SEQUENCES
    assert ragged.lengths.tolist() == [3, 0, 1, 4]
    assert ragged.ids.dtype == np.int32
    assert len(Ragged.of([])) == 0


def test_what_is_saved_is_read_as_a_map_of_the_disk(tmp_path):
    arrays = Encoded.pairs(Ragged.of(SEQUENCES), Ragged.of(SEQUENCES[::-1]))
    arrays.save(tmp_path, "train")
    read = Encoded.load(tmp_path, "train")
    assert len(read) == len(arrays) == 4
    for ours, theirs in ((arrays.source, read.source), (arrays.target, read.target)):
        assert isinstance(theirs.ids, np.memmap)
        assert not theirs.ids.flags.writeable
        np.testing.assert_array_equal(theirs.ids, ours.ids)
        np.testing.assert_array_equal(theirs.offsets, ours.offsets)


def test_a_missing_file_is_named(tmp_path):
    Encoded.pairs(Ragged.of(SEQUENCES), Ragged.of(SEQUENCES)).save(tmp_path, "valid")
    (tmp_path / "valid.target.offsets.npy").unlink()
    with pytest.raises(DataError, match=r"has no valid\.target\.offsets\.npy"):
        Encoded.load(tmp_path, "valid")


def test_texts_that_an_earlier_version_prepared_are_read(tmp_path):
    """Their files had no column's name."""
    tokens, labels = Ragged.of(SEQUENCES), np.arange(4, dtype=np.int32)
    np.save(tmp_path / "train.ids.npy", tokens.ids)
    np.save(tmp_path / "train.offsets.npy", tokens.offsets)
    np.save(tmp_path / "train.labels.npy", labels)
    read = Encoded.load(tmp_path, "train")
    assert [read.tokens[i].tolist() for i in range(4)] == SEQUENCES
    np.testing.assert_array_equal(read.labels, labels)
    np.save(tmp_path / "valid.ids.npy", tokens.ids)
    with pytest.raises(DataError, match=r"has no valid\.offsets\.npy"):
        Encoded.load(tmp_path, "valid")


def test_texts_cut_for_training_are_counted():
    tokenizer = WhitespaceTokenizer.train(["a b c d e f"], vocabulary=10)
    texts = ["a b c d e f", "a b", "a b c d e"]
    with pytest.warns(ZooWarning, match=r"^2 of 3 texts are longer than the 5 tokens .* and cut;"):
        cut = training_ids(tokenizer, texts, 5)
    assert [len(ids) for ids in cut] == [5, 3, 5]
    with pytest.warns(ZooWarning, match="^1 of 3 texts are longer than the 6 tokens"):
        whole = training_ids(tokenizer, texts, None, longest=6)
    assert [len(ids) for ids in whole] == [7, 3, 6]  # batches cut these
    assert [ids.tolist() for ids in training_ids(tokenizer, texts, None, reverse=True)] == [
        text_ids(tokenizer, text, None, reverse=True).tolist() for text in texts
    ]
