"""Probabilities of n-grams from their counts.

    none           c / C, and nothing for what was not seen
    add-k          (c + k) / (C + k V), whatever shorter n-grams say (Laplace; Lidstone)
    witten-bell    the share T / (C + T) goes to shorter histories (Witten and Bell, 1991, method C)
    kneser-ney     modified Kneser-Ney: each count loses a discount, by whether it is 1, 2 or more,
                   and shorter n-grams count the words that they follow (Kneser and Ney, 1995; Chen
                   and Goodman, 1998, section 3)

where c counts the n-gram, C its history, T the words seen after the history, V all words.

The last two are either interpolated, p = own share + weight * p of the shorter history, or back
off: the shorter history speaks for unseen words alone. Single words are always interpolated, with
an equal part for each word.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zoo.ngrams.counts import Counts
from zoo.ngrams.tables import ZERO, NGrams, Order

SMOOTHINGS = ("none", "add-k", "witten-bell", "kneser-ney")
# Discounts of counts of 1, 2 and more where the text is too small or too large to estimate them.
FALLBACK = (0.5, 1.0, 1.5)


def smooth(
    counts: Sequence[Counts],
    smoothing: str,
    *,
    interpolated: bool = True,
    k: float = 1.0,
    events: np.ndarray | None = None,
    started: bool = False,
) -> NGrams:
    """Return the model of n-grams that were counted.

    Args:
        counts: of orders 1 to n, as `zoo.ngrams.counts.count` returns them.
        smoothing: one of SMOOTHINGS.
        interpolated: whether shorter histories speak for all words, not for unseen ones alone.
        k: what add-k adds.
        events: bool [vocabulary], false for ids that never follow anything; None is all.
        started: as `count` had it.
    """
    possible = np.ones(len(counts[0]), dtype=bool) if events is None else events
    if smoothing in ("none", "add-k"):
        return _added(counts, k if smoothing == "add-k" else 0.0, possible, started)
    numbers: list[np.ndarray] = [each.count for each in counts]
    if smoothing == "kneser-ney":
        numbers = _followed(counts, started)
    # The part of single words that all words share evenly.
    own, weight = _shares(smoothing, counts[0], numbers[0] * possible, 1)
    even = np.where(possible, weight / possible.sum(), 0.0)
    orders = [Order(counts[0].parent, counts[0].word, _log(own + even), np.zeros(len(own)))]
    for each, number in zip(counts[1:], numbers[1:], strict=True):
        below = orders[-1]
        own, weight = _shares(smoothing, each, number, len(below))
        if not interpolated:
            own, weight = _backed_off(each, own, weight, 10.0 ** below.log_p[each.suffix])
        orders[-1] = replace(below, backoff=_log(weight))
        orders.append(Order(each.parent, each.word, _log(own), np.zeros(len(own))))
    return NGrams(orders, interpolated)


def discounts(numbers: np.ndarray) -> np.ndarray:
    """Return what counts of 0, 1, 2 and more lose in modified Kneser-Ney: float64 [4].

    D_i = i - (i + 1) Y n_i+1 / n_i, with Y = n_1 / (n_1 + 2 n_2) and n_i the number of n-grams with
    count i (Chen and Goodman, 1998, equation 26).
    """
    n = np.bincount(np.minimum(numbers, 5).astype(int), minlength=6).astype(float)
    if n[1:5].all():
        y = n[1] / (n[1] + 2 * n[2])
        found = [i - (i + 1) * y * n[i + 1] / n[i] for i in (1, 2, 3)]
        if all(0 <= lost < i for i, lost in enumerate(found, 1)):
            return np.array([0.0, *found])
    return np.array([0.0, *FALLBACK])


def _shares(
    smoothing: str, counts: Counts, numbers: np.ndarray, histories: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of each n-gram in its history, and what each history leaves to others."""

    def by_history(values: np.ndarray) -> np.ndarray:
        return np.bincount(counts.parent, weights=values, minlength=histories)

    total, seen = by_history(numbers), numbers > 0
    if smoothing == "witten-bell":
        lost, whole = np.zeros(len(numbers)), total + by_history(seen)
        left = by_history(seen)
    else:
        lost, whole = discounts(numbers)[np.minimum(numbers, 3)], total
        left = by_history(lost)
    known = whole > 0
    own = np.where(seen, (numbers - lost) / np.maximum(whole, 1)[counts.parent], 0.0)
    return own, np.where(known, left / np.maximum(whole, 1), 1.0)


def _backed_off(
    counts: Counts, own: np.ndarray, weight: np.ndarray, shorter: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and back-offs for which shorter histories speak for unseen words alone.

    Args:
        shorter: the probability of each n-gram without its first word.
    """
    total, taken = (
        np.bincount(counts.parent, weights=each, minlength=len(weight)) for each in (own, shorter)
    )
    unseen = 1.0 - taken
    none = (unseen < 1e-9) & (total > 0)  # every word was seen: nothing to leave
    own = np.where(none[counts.parent], own / np.maximum(total, 1e-9)[counts.parent], own)
    return own, np.where(none, 0.0, weight / np.where(none, 1.0, unseen))


def _followed(counts: Sequence[Counts], started: bool) -> list[np.ndarray]:
    """Return the counts of Kneser-Ney: below the highest order, how many words an n-gram follows.

    An n-gram with the start of a text follows none: its own count stays. Without a start, the
    beginning of a text counts as one more word.
    """
    found: list[np.ndarray] = []
    for order, (each, longer) in enumerate(itertools.pairwise(counts), 1):
        follows = np.bincount(longer.suffix, minlength=len(each))
        if not started:
            follows = follows + each.first
        elif order > 1:
            follows = np.where(each.first, each.count, follows)
        found.append(follows)
    return [*found, counts[-1].count]


def _added(counts: Sequence[Counts], k: float, possible: np.ndarray, started: bool) -> NGrams:
    """Return the model of counts to which k is added; all its shorter histories are even.

    In the first words of a text, a history from the start on is whole, however short.
    """
    number, even = int(possible.sum()), 1.0 / possible.sum()
    orders: list[Order] = []
    for order, each in enumerate(counts, 1):
        histories = len(orders[-1]) if orders else 1
        whole = np.full(len(each), order == len(counts)) | (each.first & (started and order > 1))
        numbers = np.where(whole, each.count, 0)
        total = np.bincount(each.parent, weights=numbers, minlength=histories) + k * number
        own = numbers / np.maximum(total, 1e-9)[each.parent]
        speaks = np.bincount(each.parent, weights=whole, minlength=histories) > 0
        weight = np.where(speaks, k * number / np.maximum(total, 1e-9), 1.0)
        if orders:
            orders[-1] = replace(orders[-1], backoff=_log(weight))
        else:
            own = np.where(possible, own + weight[0] * even, 0.0)
        orders.append(Order(each.parent, each.word, _log(own), np.zeros(len(each))))
    return NGrams(orders, interpolated=True)


def _log(values: np.ndarray) -> np.ndarray:
    """Return log10, at least ZERO."""
    return np.log10(np.maximum(values, 10.0**ZERO))
