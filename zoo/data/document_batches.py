"""Batches of labelled documents or sequences, in an order made from (seed, step) alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from zoo.data.arrays import Documents
from zoo.errors import DataError

DocumentBatch = tuple[np.ndarray, np.ndarray]

# Documents are sorted by length among so many batches' worth of a shuffled pass.
SORTED_BATCHES = 50


class DocumentBatches:
    """Batches of documents of similar length, padded on the left to the smallest bucket.

    A document has one sequence or several, which are padded to one length. Each pass puts the
    documents in another order, sorts them by length among 50 batches' worth at a time, and cuts
    them into batches, which come in random order. The last few that do not fill a batch wait for
    another pass: batch normalisation takes no padding for documents.

    Args:
        documents: labelled; one longer than the longest bucket is cut to its last words.
        rows: documents of a batch.
        buckets: rising padded lengths, in ids.
        seed: decides the order.
        pad_id: fills up.

    Raises:
        DataError: there are fewer documents than a batch holds.
    """

    def __init__(
        self, documents: Documents, *, rows: int, buckets: list[int], seed: int, pad_id: int
    ) -> None:
        if len(documents) < rows:
            raise DataError(
                f"there are {len(documents)} texts, fewer than a batch of {rows}",
                "give more texts, or lower train.batch_sentences",
            )
        self.documents = documents
        self.rows = rows
        self.buckets = buckets
        self.seed = seed
        self.pad_id = pad_id
        #: batches in one pass over the data
        self.per_pass = len(documents) // rows
        self._order = lru_cache(maxsize=2)(self._draw)

    def _draw(self, number: int) -> list[np.ndarray]:
        """Return the members of every batch of the pass of that number."""
        generator = np.random.default_rng((self.seed, number))
        lengths = self.documents.lengths
        order = generator.permutation(len(self.documents))[: self.per_pass * self.rows]
        size = SORTED_BATCHES * self.rows
        batches = []
        for first in range(0, len(order), size):
            part = order[first : first + size]
            part = part[np.argsort(lengths[part], kind="stable")]
            batches += [part[at : at + self.rows] for at in range(0, len(part), self.rows)]
        return [batches[i] for i in generator.permutation(len(batches))]

    def members_of(self, step: int) -> tuple[int, np.ndarray]:
        """Return the bucket of the batch of a step, and the indices of its documents."""
        members = self._order(step // self.per_pass)[step % self.per_pass]
        longest = int(self.documents.lengths[members].max())
        bucket = int(np.searchsorted(self.buckets, longest))
        return min(bucket, len(self.buckets) - 1), members

    def batch(self, step: int) -> DocumentBatch:
        """Return (tokens, labels) of a step.

        Tokens are int32 [rows, bucket], of several sequences [rows, sequences, bucket]; labels are
        [rows], int32 or float32.
        """
        bucket, members = self.members_of(step)
        tokens = padded_sequences(
            [self.documents[i] for i in members], self.buckets[bucket], self.pad_id
        )
        assert self.documents.labels is not None, "a classifier's documents have labels"
        return tokens, np.asarray(self.documents.labels[members])

    def tokens(self, step: int) -> int:
        """Return how many ids the documents of a step have, padding left out."""
        bucket, members = self.members_of(step)
        lengths = [len(ids) for i in members for ids in self.documents[i]]
        return int(np.minimum(lengths, self.buckets[bucket]).sum())


def padded_sequences(
    documents: Sequence[Sequence[np.ndarray]], length: int, pad_id: int
) -> np.ndarray:
    """Return documents of as many sequences each, padded on the left.

    Returns:
        int32 [documents, length] if they have one sequence, else [documents, sequences, length].
    """
    flat = left_padded([ids for sequences in documents for ids in sequences], length, pad_id)
    count = len(documents[0])
    return flat if count == 1 else flat.reshape(len(documents), count, length)


def left_padded(texts: list[np.ndarray], length: int, pad_id: int) -> np.ndarray:
    """Return the last `length` ids of each text, padded on the left: int32 [texts, length]."""
    made = np.full((len(texts), length), pad_id, dtype=np.int32)
    for row, ids in enumerate(texts):
        ids = ids[-length:]
        made[row, length - len(ids) :] = ids
    return made
