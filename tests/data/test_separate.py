"""Batches of separate texts: all of them once a pass, framed, padded, a function of the step."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.encoded import Ragged
from zoo.data.separate import SeparateTexts
from zoo.errors import DataError

TEXTS = Ragged.of([[*range(1, n + 1), 0] for n in (3, 1, 5, 2, 4)])


def made(texts: Ragged = TEXTS, **options) -> SeparateTexts:
    given = {"rows": 2, "bptt": 8, "start_id": 0, "end_id": 0, "seed": 3}
    return SeparateTexts(texts, **(given | options))


def rows(batches: SeparateTexts, steps: range) -> list[tuple[list[int], list[int]]]:
    """The tokens and labels of rows, without padding."""
    found = []
    for step in steps:
        inputs, labels = batches.batch(step)
        assert inputs["carry"].sum() == 0
        assert batches.tokens(step) == (labels >= 0).sum()
        for tokens, wanted in zip(inputs["tokens"], labels, strict=True):
            count = int((wanted >= 0).sum())
            assert (tokens[count:] == 0).all()
            assert (wanted[count:] == -1).all()
            found.append((tokens[:count].tolist(), wanted[:count].tolist()))
    return found


def test_a_text_is_read_from_its_start_to_its_end():
    batches = made(rows=5)
    assert batches.per_pass == 1
    assert sorted(rows(batches, range(1))) == sorted(
        ([0, *range(1, n + 1)], [*range(1, n + 1), 0]) for n in (3, 1, 5, 2, 4)
    )
    shape = batches.batch(0)[0]["tokens"].shape
    assert shape == batches.batch(0)[1].shape == (5, 6)


def test_a_start_of_its_own_stands_already_there():
    texts = Ragged.of([[2, 7, 8, 3], [2, 9, 3]])
    batches = made(texts, start_id=2, end_id=3)
    inputs, labels = batches.batch(0)
    assert sorted(inputs["tokens"].tolist()) == [[2, 7, 8], [2, 9, 3]]
    assert sorted(labels.tolist()) == [[7, 8, 3], [9, 3, -1]]


def test_passes_have_other_orders_and_the_same_seed_the_same():
    batches = made()
    assert batches.per_pass == 2
    passes = [rows(batches, range(2 * n, 2 * n + 2)) for n in range(6)]
    assert len({str(each) for each in passes}) > 1
    assert len({str(sorted(each)) for each in passes}) > 1  # another text is left out
    assert rows(made(), range(12)) == rows(batches, range(12))
    assert rows(made(seed=4), range(12)) != rows(batches, range(12))


def test_a_long_text_goes_on_in_another_row():
    batches = made(Ragged.of([[1, 2, 3, 4, 5, 0]]), rows=3, bptt=2)
    assert sorted(rows(batches, range(1))) == [([0, 1], [1, 2]), ([2, 3], [3, 4]), ([4, 5], [5, 0])]


def test_too_few_texts():
    with pytest.raises(DataError, match="there are 5 texts, fewer than a batch of 6"):
        made(rows=6)


def test_lengths_are_those_of_all_batches():
    shapes = {made().batch(step)[1].shape for step in range(6)}
    assert shapes == {(2, 6)}
    assert np.asarray(made().batch(0)[0]["tokens"]).dtype == np.int32
