"""PairBatches: a pure function of (seed, step), each pair once a pass, few shapes, bounded size."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from zoo.data.batches import PairBatches
from zoo.data.encoded import Encoded, Ragged
from zoo.errors import DataError

BUCKETS = [4, 8, 16]
START, END, PAD = 2, 3, 0


def example(count: int = 203) -> Encoded:
    """Pairs of 1 to 16 ids; the first id of source i tells which pair it is."""
    random = np.random.default_rng(0)

    def side(first: int) -> Ragged:
        lengths = random.integers(2, 17, size=count)
        middle = [random.integers(4, 50, size=length - 2).tolist() for length in lengths]
        return Ragged.of([[first + i, *ids, END] for i, ids in enumerate(middle)])

    return Encoded.pairs(side(1000), side(5000))


ARRAYS = example()


def made(seed: int | None = 7, arrays: Encoded = ARRAYS, **size: int) -> PairBatches:
    size = size or {"batch_tokens": 32}
    return PairBatches(arrays, buckets=BUCKETS, seed=seed, start_id=START, pad_id=PAD, **size)


def same(first, second) -> bool:
    (inputs, labels), (other, other_labels) = first, second
    return all(np.array_equal(inputs[side], other[side]) for side in ("source", "target")) and (
        np.array_equal(labels, other_labels)
    )


def members(batch) -> list[int]:
    first = batch[0]["source"][:, 0]
    return (first[first != PAD] - 1000).tolist()


def test_a_batch_depends_on_seed_and_step_alone():
    forward, backward, other = made(), made(), made(seed=8)
    steps = range(3 * forward.per_pass)
    kept = {step: forward.batch(step) for step in steps}
    assert all(same(kept[step], backward.batch(step)) for step in reversed(steps))
    assert not all(same(kept[step], other.batch(step)) for step in steps)


@pytest.mark.parametrize("seed", [None, 7])
def test_each_pair_comes_once_in_every_pass(seed):
    batches = made(seed)
    orders = []
    for number in range(3):
        steps = range(number * batches.per_pass, (number + 1) * batches.per_pass)
        seen = [member for step in steps for member in members(batches.batch(step))]
        assert sorted(seen) == list(range(len(ARRAYS)))
        orders.append(seen)
    assert (orders[0] == orders[1]) == (seed is None)


def test_passes_mix_the_buckets():
    shapes = [made().batch(step)[1].shape[1] for step in range(made().per_pass)]
    assert shapes != sorted(shapes)


def test_there_is_one_shape_for_each_bucket_within_the_budget():
    batches = made()
    shapes = collections.Counter()
    for step in range(batches.per_pass):
        inputs, labels = batches.batch(step)
        assert inputs["source"].shape == inputs["target"].shape == labels.shape
        assert {inputs["source"].dtype, inputs["target"].dtype, labels.dtype} == {np.dtype("int32")}
        shapes[labels.shape] += 1
    assert set(shapes) == {(8, 4), (4, 8), (2, 16)}  # 32 padded positions each
    # One batch of a bucket at most is not full.
    assert sum(rows * count for (rows, _), count in shapes.items()) < len(ARRAYS) + 8 + 4 + 2


def test_a_pair_is_in_the_smallest_bucket_that_holds_both_sides():
    batches = made()
    for step in range(batches.per_pass):
        bucket, chosen = batches.members_of(step)
        for member in chosen:
            longest = max(len(ARRAYS.source[member]), len(ARRAYS.target[member]))
            smaller = BUCKETS[bucket - 1] if bucket else 0
            assert smaller < longest <= BUCKETS[bucket]


def test_the_target_is_the_labels_moved_by_one():
    batches = made()
    for step in range(batches.per_pass):
        inputs, labels = batches.batch(step)
        _, chosen = batches.members_of(step)
        for row, member in enumerate(chosen):
            source, target = ARRAYS.source[member].tolist(), ARRAYS.target[member].tolist()
            fill = labels.shape[1]
            assert inputs["source"][row].tolist() == source + [PAD] * (fill - len(source))
            assert labels[row].tolist() == target + [PAD] * (fill - len(target))
            moved = [START, *target[:-1]]
            assert inputs["target"][row].tolist() == moved + [PAD] * (fill - len(target))
        for row in range(len(chosen), len(labels)):
            assert not labels[row].any()
            assert not inputs["source"][row].any()
        assert batches.tokens(step) == (labels != PAD).sum()


def test_pairs_beyond_the_longest_bucket_are_left_out():
    longer = [list(range(4, 30)), [5, END]]
    batches = made(arrays=Encoded.pairs(Ragged.of(longer), Ragged.of([[5, END], [6, END]])))
    assert batches.per_pass == 1
    assert batches.members_of(0)[1].tolist() == [1]
    with pytest.raises(DataError, match=r"no rows: no pair fits the longest bucket \(16 pieces\)"):
        made(arrays=Encoded.pairs(Ragged.of(longer[:1]), Ragged.of([[5, END]])))


def test_a_budget_below_a_bucket_is_one_row():
    batches = made(batch_tokens=8)
    assert batches.rows == [2, 1, 1]


def test_sentences_are_as_many_in_every_bucket():
    batches = made(batch_sentences=12)
    assert batches.rows == [12, 12, 12]
    counts = collections.Counter()
    for step in range(batches.per_pass):
        labels = batches.batch(step)[1]
        assert labels.shape[0] == 12
        counts[len(batches.members_of(step)[1])] += 1
    assert counts[12] >= batches.per_pass - len(BUCKETS)  # one of a bucket at most is not full
    assert sum(size * count for size, count in counts.items()) == len(ARRAYS)
