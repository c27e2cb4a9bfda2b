"""Batches of about equally many tokens or sentences, in an order made from (seed, step) alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from zoo.data.arrays import Arrays
from zoo.errors import DataError

Batch = tuple[dict[str, np.ndarray], np.ndarray]


class Batches:
    """Batches in length buckets.

    A pair falls into the smallest bucket that both of its sides fit; a batch holds pairs of one
    bucket, padded to it: `batch_tokens // bucket` of them, or `batch_sentences`, of which one is
    given. So there are only as many shapes as
    buckets. A last batch that is not full is filled with rows of padding, which add nothing to
    the loss.

    Args:
        arrays: sources and targets.
        batch_tokens: padded target positions of one batch.
        batch_sentences: rows of one batch, whatever its bucket.
        buckets: rising padded lengths, in pieces.
        seed: decides the order; None keeps one fixed order, for validation.
        start_id, pad_id: of the target's tokenizer.
    """

    def __init__(
        self,
        arrays: Arrays,
        *,
        buckets: list[int],
        batch_tokens: int | None = None,
        batch_sentences: int | None = None,
        seed: int | None,
        start_id: int,
        pad_id: int,
    ) -> None:
        self.arrays = arrays
        self.seed = seed
        self.start_id = start_id
        self.pad_id = pad_id
        self.buckets = buckets
        if batch_sentences is not None:
            self.rows = [batch_sentences] * len(buckets)
        else:
            assert batch_tokens is not None, "a recipe has one of the two"
            self.rows = [max(1, batch_tokens // bucket) for bucket in buckets]
        longest = np.maximum(arrays.source.lengths, arrays.target.lengths)
        bucket = np.searchsorted(buckets, longest)
        self.members = [np.flatnonzero(bucket == i) for i in range(len(buckets))]
        #: batches in one pass over the data
        self.per_pass = sum(
            -(-len(members) // rows) for members, rows in zip(self.members, self.rows, strict=True)
        )
        if not self.per_pass:
            raise DataError(
                f"no rows: no pair fits the longest bucket ({buckets[-1]} pieces)",
                "add a longer one to train.buckets",
            )
        self._order = lru_cache(maxsize=2)(self._draw)

    def _draw(self, number: int) -> list[tuple[int, np.ndarray]]:
        """Return (bucket, members) of every batch of the pass of that number."""
        generator = None if self.seed is None else np.random.default_rng((self.seed, number))
        batches = []
        for i, members in enumerate(self.members):
            if generator is not None:
                members = generator.permutation(members)
            batches += [
                (i, members[at : at + self.rows[i]]) for at in range(0, len(members), self.rows[i])
            ]
        if generator is not None:
            batches = [batches[i] for i in generator.permutation(len(batches))]
        return batches

    def members_of(self, step: int) -> tuple[int, np.ndarray]:
        """Return the bucket of the batch of a step, and the indices of its pairs."""
        return self._order(step // self.per_pass)[step % self.per_pass]

    def batch(self, step: int) -> Batch:
        """Return ({"source", "target"}, labels) of a step, int32 [rows, bucket].

        The target is the decoder's input: the start id, then the labels without their last id.
        """
        bucket, members = self.members_of(step)
        shape = (self.rows[bucket], self.buckets[bucket])
        source, target, labels = (np.full(shape, self.pad_id, dtype=np.int32) for _ in range(3))
        target[:, 0] = self.start_id
        for row, member in enumerate(members):
            ids = self.arrays.source[member]
            source[row, : len(ids)] = ids
            ids = self.arrays.target[member]
            labels[row, : len(ids)] = ids
            target[row, 1 : len(ids)] = ids[:-1]
        return {"source": source, "target": target}, labels

    def tokens(self, step: int) -> int:
        """Return how many target tokens the batch of a step has, padding left out."""
        return int(self.arrays.target.lengths[self.members_of(step)[1]].sum())
