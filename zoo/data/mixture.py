"""Batches of several corpora whose shares change over a run; a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.batches import Batch, Batches
from zoo.data.encoded import Encoded

Shares = Sequence[float]  # of the first update and of the last


@dataclass(frozen=True)
class Mixture:
    """The encoded examples of several corpora, those of the recipe's own corpus first."""

    parts: Sequence[Encoded]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def save(self, folder: Path, split: str) -> None:
        """Write each part as `Encoded.save` does: "train", "train-1", "train-2" and so on."""
        for name, part in zip(_names(split, len(self.parts)), self.parts, strict=True):
            part.save(folder, name)

    @classmethod
    def load(cls, folder: Path, split: str, count: int) -> Mixture:
        """Memory-map the `count` parts that `save` wrote; raises as `Encoded.load`."""
        return cls([Encoded.load(folder, name) for name in _names(split, count)])


def _names(split: str, count: int) -> Iterable[str]:
    return [split, *(f"{split}-{i}" for i in range(1, count))]


class MixedBatches:
    """Each step reads a whole batch of one corpus; the seed draws the corpora of all steps at once.

    Within a corpus the batches keep their own order, so a pass reads each pair once.

    Args:
        parts: batches of each corpus, the recipe's own first.
        shares: of the updates that read each further corpus, at the first update and the last, with
            a straight line between; the first corpus has the rest.
        updates: updates of the run.
        seed: decides which step reads which corpus.

    Attributes:
        corpus: int [updates], the corpus that each step reads.
        count: int [updates], how many steps before it read the same corpus.
        per_pass: batches in one pass over all corpora.
    """

    def __init__(
        self, parts: Sequence[Batches], shares: Sequence[Shares], updates: int, seed: int
    ) -> None:
        self.parts = parts
        progress = np.linspace(0.0, 1.0, updates)[:, None]
        first, last = np.array(shares, dtype=float).T
        limits = np.cumsum(first + (last - first) * progress, axis=1)
        # The third number tells this draw from those of the batches' orders.
        drawn = np.random.default_rng((seed, 0, 1)).random(updates)[:, None]
        below = (limits <= drawn).sum(axis=1)
        self.corpus = np.where(below == len(shares), 0, below + 1)
        self.count = np.zeros(updates, dtype=np.int64)
        for i in range(len(parts)):
            steps = np.flatnonzero(self.corpus == i)
            self.count[steps] = np.arange(len(steps))
        self.per_pass = sum(part.per_pass for part in parts)

    def place(self, step: int) -> tuple[Batches, int]:
        """Return the batches of a step's corpus, and the step within that corpus."""
        return self.parts[self.corpus[step]], int(self.count[step])

    def batch(self, step: int) -> Batch:
        batches, count = self.place(step)
        return batches.batch(count)

    def tokens(self, step: int) -> int:
        batches, count = self.place(step)
        return batches.tokens(count)
