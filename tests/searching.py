"""A search over lists of tuples that knows nothing of tensors, to compare decoding with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zoo.decoding import search

Sequence = tuple[int, ...]


def plain_search(
    following: Callable[[list[Sequence]], np.ndarray], beams: int, limit: int, end: int
) -> list[tuple[float, Sequence]]:
    """Return (score, sequence), the best first, each with its end.

    Args:
        following: gives the logits [sequences, vocabulary] of what comes after each sequence.
        limit: most ids of a sequence, the end included.
    """
    alive: list[tuple[float, Sequence]] = [(0.0, ())]
    finished: list[tuple[float, Sequence]] = []
    for length in range(1, limit + 1):
        each = log_probabilities(following([sequence for _, sequence in alive]))
        pieces = [end] if length == limit else range(each.shape[1])
        extended = [
            (total + each[row, piece], (*sequence, piece))
            for row, (total, sequence) in enumerate(alive)
            for piece in pieces
        ]
        best = sorted(extended, reverse=True)[: 1 if beams == 1 else 2 * beams]
        factor = ((5 + length) / 6) ** 0.6
        finished += [(total / factor, found) for total, found in best if found[-1] == end]
        alive = [one for one in best if one[1][-1] != end][:beams]
        if not alive:
            break
    return sorted(finished, reverse=True)[:beams]


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def check(
    found: search.Decoded, row: int, wanted: list[tuple[float, Sequence]], limit: int
) -> None:
    """Compare what was found for one row with what `plain_search` finds."""
    for best, (score, sequence) in enumerate(wanted):
        assert found.ids[row, best].tolist() == [*sequence, *[0] * (limit - len(sequence))]
        np.testing.assert_allclose(found.scores[row, best], score, rtol=1e-4)
