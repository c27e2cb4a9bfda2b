"""Batches of one long text, for language models that carry their state from piece to piece."""

from __future__ import annotations

import bisect
from functools import lru_cache

import numpy as np

from zoo.data.batches import Batch
from zoo.data.encoded import Ragged
from zoo.errors import DataError

# Random lengths are rounded to multiples of this, so that few shapes compile.
LENGTH_STEP = 10


class Stream:
    """Batches of a stream: `rows` equal parts of all texts, each read from left to right.

    A pass joins the texts and cuts the result into `rows` parts; the k-th batch holds the k-th
    piece of each part. The rest of a part, less than one piece, is not read in that pass. A batch
    is a pure function of (seed, step).

    Args:
        texts: texts from the start id to the end id.
        rows: parts that are read side by side.
        bptt: tokens of a piece.
        vary: sample the length of each piece (merity2017, section 4.1): about `bptt` with
            probability 0.95, else about half of it, normal with a standard deviation of 5, here
            rounded to a multiple of 10.
        shuffle: shuffle the texts in each pass.
        seed: seed of lengths and order.

    Raises:
        DataError: the texts are too short for one batch.
    """

    def __init__(
        self,
        texts: Ragged,
        *,
        rows: int,
        bptt: int,
        vary: bool = False,
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        self.texts = texts
        self.rows = rows
        self.bptt = bptt
        self.vary = vary
        self.shuffle = shuffle
        self.seed = seed
        # The label of a part's last token is the first token of the next part.
        self.width = (len(texts.ids) - 1) // rows
        if self.width < bptt:
            needed = rows * bptt + 1
            raise DataError(
                f"the texts have {len(texts.ids):,} tokens, one batch needs {needed:,}",
                "give more text, or lower train.batch_sentences or train.bptt",
            )
        self._begins = [0]  # the first step of each pass, computed on demand
        self._pieces = lru_cache(maxsize=4)(self._draw_pieces)
        self._parts = lru_cache(maxsize=2)(self._arrange)

    @property
    def per_pass(self) -> int:
        """Batches of the first pass; other passes have about as many."""
        return len(self._pieces(0))

    def length(self, step: int) -> int:
        """Return the length of the rows in the batch of a step."""
        number, index = self._place(step)
        return self._pieces(number)[index][1]

    def lengths(self, steps: int) -> np.ndarray:
        """Return `length` of the first steps, int32 [steps]."""
        return np.array([self.length(step) for step in range(steps)], dtype=np.int32)

    def tokens(self, step: int) -> int:
        """Return how many tokens are predicted in the batch of a step."""
        return self.rows * self.length(step)

    def batch(self, step: int) -> Batch:
        """Return ({"tokens", "carry"}, labels) of a step.

        Tokens and labels, the next tokens, are int32 [rows, length]; carry is float32 [rows, 1]: 0
        at the beginning of a pass, 1 where the previous step read the text before.
        """
        number, index = self._place(step)
        first, length = self._pieces(number)[index]
        part = self._parts(number)[:, first : first + length + 1]
        carry = np.full((self.rows, 1), float(index > 0), dtype=np.float32)
        return {"tokens": part[:, :-1], "carry": carry}, part[:, 1:]

    def _place(self, step: int) -> tuple[int, int]:
        """Return the pass of a step, and the step's number in it."""
        while self._begins[-1] <= step:
            self._begins.append(self._begins[-1] + len(self._pieces(len(self._begins) - 1)))
        number = bisect.bisect_right(self._begins, step) - 1
        return number, step - self._begins[number]

    def _draw_pieces(self, number: int) -> list[tuple[int, int]]:
        """Return the start and length of each piece of a pass."""
        generator = np.random.default_rng((self.seed, number, 0))
        step = min(LENGTH_STEP, self.bptt)
        pieces: list[tuple[int, int]] = []
        first = 0
        while True:
            length = self.bptt
            if self.vary:
                base = self.bptt if generator.random() < 0.95 else self.bptt / 2
                length = max(step, step * round(generator.normal(base, 5.0) / step))
                # The last piece is as long as the rest allows.
                length = min(length, (self.width - first) // step * step)
            if length <= 0 or first + length > self.width:
                return pieces
            pieces.append((first, length))
            first += length

    def _arrange(self, number: int) -> np.ndarray:
        """Return the parts of a pass, int32 [rows, width + 1]."""
        ids = self.texts.ids
        if self.shuffle:
            order = np.random.default_rng((self.seed, number, 1)).permutation(len(self.texts))
            ids = np.concatenate([self.texts[i] for i in order])
        index = np.arange(self.rows)[:, None] * self.width + np.arange(self.width + 1)
        return np.asarray(ids, dtype=np.int32)[index]
