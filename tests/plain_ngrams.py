"""Counts and smoothing of n-grams with dictionaries, one probability at a time, from the papers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

# What stands before a text that begins anywhere.
NOTHING = -1
Words = tuple[int, ...]


class Plain:
    """p(w | h) of texts, each a list of ids.

    Args:
        started: whether each text begins with a start, which follows nothing.
        events: the ids that can follow others.
    """

    def __init__(
        self,
        texts: Sequence[Sequence[int]],
        order: int,
        smoothing: str,
        *,
        interpolated: bool,
        started: bool,
        events: Sequence[int],
        k: float = 1.0,
    ) -> None:
        self.order, self.smoothing, self.interpolated = order, smoothing, interpolated
        self.started, self.events, self.k = started, list(events), k
        self.starts = {text[0] for text in texts} if started else set()
        seen = [Counter(ngrams(texts, n)) for n in range(order + 1)]
        # What an n-gram follows: a word, or the beginning of a text.
        before: list[set[Words]] = [set() for _ in range(order + 1)]
        for text in texts:
            line = text if started else [NOTHING, *text]
            for n in range(1, order + 1):
                before[n] |= {tuple(line[i : i + n]) for i in range(len(line) - n + 1)}
        self.counts: list[dict[Words, int]] = [{}]
        for n in range(1, order + 1):
            own = dict(seen[n])
            if smoothing == "kneser-ney" and n < order:
                own = Counter(longer[1:] for longer in before[n + 1])
                if started and n > 1:
                    own |= {each: seen[n][each] for each in seen[n] if each[0] in self.starts}
            elif started and n == 1:
                own = Counter(own)
                own.subtract((text[0],) for text in texts)
            self.counts.append({each: c for each, c in own.items() if c > 0})
        self.lost = [self.discounts(own) for own in self.counts]

    @staticmethod
    def discounts(counts: dict[Words, int]) -> list[float]:
        """Return D_1, D_2 and D_3+ of Chen and Goodman (1998), or kenlm's where they fail."""
        n = Counter(counts.values())
        if not all(n[i] for i in (1, 2, 3, 4)):
            return [0.5, 1.0, 1.5]
        y = n[1] / (n[1] + 2 * n[2])
        found = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
        return found if 0 <= found[0] < 1 and 0 <= found[1] < 2 and 0 <= found[2] < 3 else [
            0.5, 1.0, 1.5,
        ]  # fmt: skip

    def p(self, word: int, history: Words) -> float:
        """Return p(word | history), the history's last order - 1 words."""
        history = history[len(history) - min(len(history), self.order - 1) :]
        if self.smoothing in ("none", "add-k"):
            return self.added(word, history)
        if word not in self.events:
            return 0.0
        return self.smoothed(word, history)

    def added(self, word: int, history: Words) -> float:
        k = self.k if self.smoothing == "add-k" else 0.0
        if word not in self.events:
            return 0.0
        for place, each in enumerate(history):
            if each in self.starts and each not in history[place + 1 :]:
                history = history[place:]  # a text is not longer than from its start
        whole = len(history) == self.order - 1 or (history and history[0] in self.starts)
        counts = self.counts[len(history) + 1]
        total = sum(counts.get((*history, each), 0) for each in self.events) if whole else 0
        if not total:
            return 1 / len(self.events)
        return (counts.get((*history, word), 0) + k) / (total + k * len(self.events))

    def smoothed(self, word: int, history: Words) -> float:
        counts = self.counts[len(history) + 1]
        following = {each: counts.get((*history, each), 0) for each in self.events}
        following = {each: c for each, c in following.items() if c}

        def shorter(each: int) -> float:
            return self.smoothed(each, history[1:]) if history else 1 / len(self.events)

        if not following:
            return shorter(word)
        total = sum(following.values())
        if self.smoothing == "witten-bell":
            total += len(following)
            share = {each: c / total for each, c in following.items()}
        else:
            lost = self.lost[len(history) + 1]
            share = {each: (c - lost[min(c, 3) - 1]) / total for each, c in following.items()}
        rest = 1 - sum(share.values())
        if self.interpolated or not history:
            return share.get(word, 0.0) + rest * shorter(word)
        unseen = sum(shorter(each) for each in self.events if each not in following)
        if unseen < 1e-9:  # every word was seen
            return share.get(word, 0.0) / sum(share.values())
        return share[word] if word in share else rest * shorter(word) / unseen


def ngrams(texts: Sequence[Sequence[int]], n: int) -> list[Words]:
    """Return all n-grams within texts."""
    return [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]


def joined(texts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of all texts one after another, and where each begins."""
    flat = np.array([word for text in texts for word in text], dtype=np.int32)
    return flat, np.cumsum([0, *map(len, texts)])


def drawn(words: int, texts: int, mark: int | None = 0) -> list[list[int]]:
    """Return random texts in which some words are frequent; the last word never occurs.

    Args:
        mark: id at the start and end of each text; None joins all into one text.
    """
    random = np.random.default_rng(3)
    found = []
    for _ in range(texts):
        length = int(random.integers(0, 9))
        own = np.minimum(random.geometric(0.4, length), words - 2).tolist()
        found.append(own if mark is None else [mark, *own, mark])
    return [[word for text in found for word in text]] if mark is None else found
