"""Sequences in flat arrays, on disk and in memory."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.encoded import Encoded, Ragged
from zoo.errors import DataError

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
