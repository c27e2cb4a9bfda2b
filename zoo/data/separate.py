"""Batches of separate texts, for language models of short texts such as names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from zoo.data.batches import IGNORED, Batch, check_rows
from zoo.data.encoded import Ragged, padded


class SeparateTexts:
    """Batches of texts that the model reads each from its first state, padded on the right.

    Each pass shuffles the texts; those that do not fill a batch are left out of it. A batch is a
    pure function of (seed, step).

    Args:
        texts: texts from the start id, if it is not the end id, to the end id.
        rows: texts of a batch.
        bptt: most tokens of a row; the rest of a longer text is a row of its own.
        start_id, end_id: ids before and after a text.
        seed: decides the order.

    Raises:
        DataError: there are fewer texts than a batch holds.
    """

    def __init__(
        self, texts: Ragged, *, rows: int, bptt: int, start_id: int, end_id: int, seed: int = 0
    ) -> None:
        self.first = [start_id] if start_id == end_id else []
        self.end_id = end_id
        self.rows = rows
        self.seed = seed
        self.pieces = [
            ids[begin : begin + bptt + 1]
            for ids in self.framed(texts)
            for begin in range(0, len(ids) - 1, bptt)
        ]
        check_rows(len(self.pieces), rows)
        self.length = max(len(ids) for ids in self.pieces) - 1
        self.per_pass = len(self.pieces) // rows
        self._order = lru_cache(maxsize=2)(self._draw)

    def framed(self, texts: Ragged) -> list[np.ndarray]:
        """Return each text from its start id to its end id: int32 [tokens]."""
        first = np.array(self.first, dtype=np.int32)
        return [np.concatenate([first, texts[i]]) for i in range(len(texts))]

    def _draw(self, number: int) -> np.ndarray:
        """Return the order of the texts in a pass."""
        return np.random.default_rng((self.seed, number)).permutation(len(self.pieces))

    def _members(self, step: int) -> Sequence[np.ndarray]:
        number, index = divmod(step, self.per_pass)
        order = self._order(number)[index * self.rows : (index + 1) * self.rows]
        return [self.pieces[i] for i in order]

    def tokens(self, step: int) -> int:
        """Return how many tokens are predicted in the batch of a step."""
        return sum(len(ids) - 1 for ids in self._members(step))

    def batch(self, step: int) -> Batch:
        """Return ({"tokens", "carry"}, labels) of a step.

        Tokens and labels are int32 [rows, the longest text]. A row is padded with the end id; its
        labels there are -1, which the loss leaves out. carry is float32 [rows, 1], all 0.
        """
        members = self._members(step)
        tokens = padded([ids[:-1] for ids in members], self.length, self.end_id)
        labels = padded([ids[1:] for ids in members], self.length, IGNORED)
        return {"tokens": tokens, "carry": np.zeros((self.rows, 1), np.float32)}, labels
