"""Batches of several corpora: a pure function of (seed, step), shares that move over a run."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.batches import PairBatches
from zoo.data.encoded import Encoded, Ragged
from zoo.data.mixture import MixedBatches

UPDATES = 2000


def batches(number: int, count: int) -> PairBatches:
    """Batches of pairs of two ids, of which the first tells which corpus and pair it is."""
    rows = Ragged.of([[1000 * number + i, 3] for i in range(count)])
    options = {"buckets": [4], "batch_sentences": 5, "start_id": 2, "pad_id": 0}
    return PairBatches(Encoded.pairs(rows, rows), seed=7, **options)


def mixture(seed: int = 7, shares=((0.8, 0.2), (0.1, 0.1))) -> MixedBatches:
    return MixedBatches([batches(1, 60), batches(2, 40), batches(3, 10)], shares, UPDATES, seed)


def corpus(mixed: MixedBatches, step: int) -> int:
    return int(mixed.batch(step)[1][0, 0]) // 1000 - 1


def test_a_batch_depends_on_seed_and_step_alone():
    forward, backward = mixture(), mixture()
    kept = {step: forward.batch(step)[1] for step in range(300)}
    assert all(np.array_equal(kept[step], backward.batch(step)[1]) for step in reversed(kept))
    assert not np.array_equal(mixture().corpus, mixture(seed=8).corpus)


def test_shares_move_from_the_first_update_to_the_last():
    mixed = mixture()
    drawn = np.array([corpus(mixed, step) for step in range(UPDATES)])
    assert (drawn == mixed.corpus).all()
    for steps, wanted in (
        (slice(0, 200), [0.13, 0.77, 0.1]),
        (slice(-200, None), [0.67, 0.23, 0.1]),
    ):
        shares = np.bincount(drawn[steps], minlength=3) / 200
        assert shares == pytest.approx(wanted, abs=0.08)


def test_a_corpus_is_read_through_before_it_begins_again():
    mixed = mixture()
    for i, part in enumerate(mixed.parts):
        steps = np.flatnonzero(mixed.corpus == i)[: part.per_pass]
        pairs = [
            member
            for step in steps
            for member in mixed.parts[i].members_of(mixed.place(step)[1])[1]
        ]
        assert sorted(pairs) == list(range(len(part.data)))
        assert mixed.tokens(steps[0]) == 10
    assert mixed.per_pass == 12 + 8 + 2


def test_shares_may_be_all_or_nothing():
    assert (mixture(shares=((0.0, 0.0), (1.0, 1.0))).corpus == 2).all()
    assert (mixture(shares=((0.0, 0.0), (0.0, 0.0))).corpus == 0).all()
