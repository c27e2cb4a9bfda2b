"""Batches as pure functions of (seed, step), so that a resumed run equals an uninterrupted one.

`Batches` is the interface; here are the batches of sentence pairs and of labelled texts, in
`zoo.data.stream` those of one long text.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from zoo.data.encoded import Encoded, padded_sequences
from zoo.errors import DataError

# The inputs of a model and the labels, each an array or several by name.
Batch = tuple[Any, Any]

# The label of a place without a token, which adds nothing to a language model's loss.
IGNORED = -1

# Texts are sorted by length within this many batches of a shuffled pass.
SORTED_BATCHES = 50


def check_rows(count: int, rows: int, noun: str = "texts") -> None:
    """Raise DataError if there are fewer rows than a batch holds; `noun` names them."""
    if count < rows:
        raise DataError(
            f"there are {count} {noun}, fewer than a batch of {rows}",
            "give more texts, or lower train.batch_sentences",
        )


class Batches(Protocol):
    """The interface of all batches; step 0 is the first update of a run."""

    @property
    def per_pass(self) -> int:
        """Batches in one pass over the data."""

    def batch(self, step: int) -> Batch:
        """Return inputs and labels of a step."""

    def tokens(self, step: int) -> int:
        """Return how many tokens the batch of a step trains on, without padding."""


class PairBatches:
    """Batches of sentence pairs in length buckets, of about equally many tokens or sentences.

    A pair belongs to the smallest bucket that fits both sides; a batch holds pairs of one bucket,
    padded to it: `batch_tokens // bucket` of them, or `batch_sentences`. Each bucket has one shape.
    Rows of padding, which add nothing to the loss, fill up a last batch.

    Args:
        data: sources and targets.
        batch_tokens: padded target positions of one batch.
        batch_sentences: rows of a batch of any bucket, in place of `batch_tokens`.
        buckets: rising padded lengths, in pieces.
        seed: decides the order; None keeps a fixed order, for validation.
        start_id, pad_id: special ids of the target's tokenizer.

    Raises:
        DataError: no pair fits the longest bucket.
    """

    def __init__(
        self,
        data: Encoded,
        *,
        buckets: list[int],
        batch_tokens: int | None = None,
        batch_sentences: int | None = None,
        seed: int | None,
        start_id: int,
        pad_id: int,
    ) -> None:
        self.data = data
        self.seed = seed
        self.start_id = start_id
        self.pad_id = pad_id
        self.buckets = buckets
        if batch_sentences is not None:
            self.rows = [batch_sentences] * len(buckets)
        else:
            assert batch_tokens is not None, "a recipe has one of the two"
            self.rows = [max(1, batch_tokens // bucket) for bucket in buckets]
        bucket = np.searchsorted(buckets, data.lengths)
        self.members = [np.flatnonzero(bucket == i) for i in range(len(buckets))]
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
        """Return (bucket, members) of every batch of a pass."""
        generator = None if self.seed is None else np.random.default_rng((self.seed, number))
        batches = []
        for i, (members, rows) in enumerate(zip(self.members, self.rows, strict=True)):
            if generator is not None:
                members = generator.permutation(members)
            batches += [(i, members[at : at + rows]) for at in range(0, len(members), rows)]
        if generator is not None:
            batches = [batches[i] for i in generator.permutation(len(batches))]
        return batches

    def members_of(self, step: int) -> tuple[int, np.ndarray]:
        """Return the bucket of a step's batch, and the indices of its pairs."""
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
            ids = self.data.source[member]
            source[row, : len(ids)] = ids
            ids = self.data.target[member]
            labels[row, : len(ids)] = ids
            target[row, 1 : len(ids)] = ids[:-1]
        return {"source": source, "target": target}, labels

    def tokens(self, step: int) -> int:
        return int(self.data.target.lengths[self.members_of(step)[1]].sum())


class LabelledBatches:
    """Batches of labelled texts of similar length, padded on the left to the smallest bucket.

    An example has one sequence or several, padded to one length. Each pass shuffles the examples,
    sorts them by length within 50 batches, cuts them into batches, and shuffles these. Examples
    that do not fill a batch are left out of a pass: batch normalisation would count padding.

    Args:
        data: labelled; a text longer than the longest bucket is cut to its last words.
        rows: examples of a batch.
        buckets: rising padded lengths, in ids.
        seed: decides the order.
        pad_id: id of padding.

    Raises:
        DataError: there are fewer examples than a batch holds.
    """

    def __init__(
        self, data: Encoded, *, rows: int, buckets: list[int], seed: int, pad_id: int
    ) -> None:
        check_rows(len(data), rows)
        self.data = data
        self.rows = rows
        self.buckets = buckets
        self.seed = seed
        self.pad_id = pad_id
        self.per_pass = len(data) // rows
        self._order = lru_cache(maxsize=2)(self._draw)

    def _draw(self, number: int) -> list[np.ndarray]:
        """Return the members of every batch of a pass."""
        generator = np.random.default_rng((self.seed, number))
        lengths = self.data.lengths
        order = generator.permutation(len(self.data))[: self.per_pass * self.rows]
        size = SORTED_BATCHES * self.rows
        batches = []
        for first in range(0, len(order), size):
            part = order[first : first + size]
            part = part[np.argsort(lengths[part], kind="stable")]
            batches += [part[at : at + self.rows] for at in range(0, len(part), self.rows)]
        return [batches[i] for i in generator.permutation(len(batches))]

    def members_of(self, step: int) -> tuple[int, np.ndarray]:
        """Return the bucket of a step's batch, and the indices of its examples."""
        members = self._order(step // self.per_pass)[step % self.per_pass]
        longest = int(self.data.lengths[members].max())
        bucket = int(np.searchsorted(self.buckets, longest))
        return min(bucket, len(self.buckets) - 1), members

    def batch(self, step: int) -> Batch:
        """Return (tokens, labels) of a step.

        Tokens are int32 [rows, bucket], or [rows, sequences, bucket] for several sequences; labels
        are int32 or float32 [rows].
        """
        bucket, members = self.members_of(step)
        tokens = padded_sequences(
            [self.data[i] for i in members], self.buckets[bucket], self.pad_id
        )
        assert self.data.labels is not None, "a classifier's examples have labels"
        return tokens, np.asarray(self.data.labels[members])

    def tokens(self, step: int) -> int:
        bucket, members = self.members_of(step)
        lengths = [len(ids) for i in members for ids in self.data[i]]
        return int(np.minimum(lengths, self.buckets[bucket]).sum())
