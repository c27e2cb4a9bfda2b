"""The table of a back-off model: log-probabilities and back-offs of n-grams, as ARPA files say it.

    log p(w | h) = log p of the n-gram h w, if the table has it,
                   back-off of h + log p(w | h without its first word), if not

where the back-off of a history that the table lacks is 0. Logarithms are to base 10.

An interpolated model has another form, too, in which few numbers are different:

    p(w | h) = own share of h w + weight of h * p(w | h without its first word)

Both forms have the same weights: in an interpolated model the weight of h is its back-off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

# log10 of a probability of zero; SRILM writes it for the start of a sentence.
ZERO = -99.0


@dataclass(frozen=True)
class Order:
    """The n-grams of one order, sorted by their words from the first to the last.

    Attributes:
        parent: the n-gram without its last word, a row of the order below: int32 [ngrams].
        word: the last word: int32 [ngrams]; of order 1 all words in the order of their ids.
        log_p: log10 of the probability, or of the own share, float64 [ngrams].
        backoff: log10 of the back-off, float64 [ngrams]; zeros in the highest order.
    """

    parent: np.ndarray
    word: np.ndarray
    log_p: np.ndarray
    backoff: np.ndarray

    def __len__(self) -> int:
        return len(self.word)


@dataclass(frozen=True)
class NGrams:
    """A model of n-grams: its orders from 1 to n.

    The n-gram without its first word, and that without its last, are in the order below.

    Attributes:
        interpolated: whether `log_p` are own shares, not probabilities.
    """

    orders: Sequence[Order]
    interpolated: bool = False

    @property
    def vocabulary(self) -> int:
        return len(self.orders[0])

    def begins(self, order: int) -> np.ndarray:
        """Return where the n-grams of `order` + 1 that continue each of `order` begin: int64.

        The n-grams that continue row i are rows begins[i] to begins[i + 1].
        """
        continued = self.orders[order].parent if order < len(self.orders) else np.zeros(0, int)
        return np.searchsorted(continued, np.arange(len(self.orders[order - 1]) + 1))

    def find(self, order: int, parent: np.ndarray, word: np.ndarray) -> np.ndarray:
        """Return the rows of n-grams of an order, -1 for those that are not there.

        Args:
            parent: rows of the order below, -1 for none.
        """
        if order == 1:
            return np.asarray(word, dtype=np.int64)
        table = self.orders[order - 1]
        keys = table.parent.astype(np.int64) * self.vocabulary + table.word
        wanted = np.asarray(parent, dtype=np.int64) * self.vocabulary + word
        rows = np.searchsorted(keys, wanted)
        there = (rows < len(keys)) & (np.asarray(parent) >= 0)
        there[there] = keys[rows[there]] == wanted[there]
        return np.where(there, rows, -1)

    def suffixes(self) -> list[np.ndarray]:
        """Return, for each order, the rows of its n-grams without their first word."""
        found = [np.full(len(self.orders[0]), -1)]
        for order, table in enumerate(self.orders[1:], 2):
            shorter = found[-1][table.parent]
            found.append(
                table.word.astype(np.int64)
                if order == 2
                else self.find(order - 1, shorter, table.word)
            )
        return found

    def probabilities(self) -> NGrams:
        """Return the model with probabilities in place of own shares."""
        if not self.interpolated:
            return self
        suffixes, orders = self.suffixes(), [self.orders[0]]
        for table, suffix in zip(self.orders[1:], suffixes[1:], strict=True):
            below = orders[-1]
            rest = below.backoff[table.parent] + below.log_p[suffix]
            total = np.logaddexp(table.log_p * np.log(10), rest * np.log(10)) / np.log(10)
            orders.append(replace(table, log_p=np.maximum(total, ZERO)))
        return NGrams(orders)

    def sums(self) -> list[np.ndarray]:
        """Return the sum of the probabilities after each history: float64, an array per length.

        The first array is the sum after no history; those of length m have a number for each row of
        order m.
        """
        model = self.probabilities()
        suffixes = model.suffixes()
        found = [np.array([np.sum(10.0 ** model.orders[0].log_p)])]
        for length in range(1, len(model.orders)):
            histories, longer = model.orders[length - 1], model.orders[length]
            own = 10.0**longer.log_p
            # What the shorter history gives to the words that follow.
            less = 10.0 ** model.orders[length - 1].log_p[suffixes[length]]
            seen, rest = (
                np.bincount(longer.parent, weights=each, minlength=len(histories))
                for each in (own, less)
            )
            below = found[-1][suffixes[length - 1]] if length > 1 else found[0][0]
            found.append(seen + 10.0**histories.backoff * (below - rest))
        return found

    def log_probabilities(self, ids: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Return log10 of the probability of each word after those before it in its text: float64.

        Args:
            ids: all texts, int [words].
            offsets: text i is ids[offsets[i]:offsets[i + 1]].
        """
        model, words = self.probabilities(), np.asarray(ids, dtype=np.int64)
        place = np.arange(len(words)) - np.repeat(offsets[:-1], np.diff(offsets))
        log_p, row = model.orders[0].log_p[words], words
        for order in range(2, len(model.orders) + 1):
            # The history that ends before each word; -1 if it is not there.
            history = np.where(place >= order - 1, np.concatenate([[-1], row[:-1]]), -1)
            row = model.find(order, history, words)
            below = model.orders[order - 2].backoff[np.maximum(history, 0)]
            log_p = log_p + np.where(history >= 0, below, 0.0)
            log_p = np.where(row >= 0, model.orders[order - 1].log_p[np.maximum(row, 0)], log_p)
        return log_p


def table(
    words: Sequence[np.ndarray], log_p: Sequence[np.ndarray], backoff: Sequence[np.ndarray]
) -> NGrams:
    """Return a model of n-grams in any order, without repetition.

    An n-gram whose first or last words are missing in the order below, as pruning leaves it, gets
    them there, with the probability that the model gives them anyway.

    Args:
        words: int32 [ngrams, k] for each order k from 1 on; of order 1 all words, sorted.
        log_p, backoff: log10, float64 [ngrams] for each order.
    """
    rows = _closed(words)
    single = rows[0][:, 0]
    orders = [Order(np.zeros(len(single), dtype=np.int32), single, log_p[0], backoff[0])]
    for each, p, b in zip(rows[1:], log_p[1:], backoff[1:], strict=True):
        model = NGrams(orders)
        parent = _row(model, each[:, :-1])
        rest = orders[-1].backoff[parent] + orders[-1].log_p[_row(model, each[:, 1:])]
        b = np.concatenate([b, np.zeros(len(each) - len(p))])
        p = np.concatenate([p, rest[len(p) :]])
        places = np.lexsort((each[:, -1], parent))
        parent = parent[places].astype(np.int32)
        orders.append(Order(parent, each[places, -1], p[places], b[places]))
    return NGrams(orders)


def _row(model: NGrams, words: np.ndarray) -> np.ndarray:
    """Return the rows of n-grams, int [ngrams, k], in the model's order k."""
    row = words[:, 0].astype(np.int64)
    for k in range(1, words.shape[1]):
        row = model.find(k + 1, row, words[:, k])
    return row


def _closed(words: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the n-grams of each order, then those that longer ones need and that are missing."""
    longest, vocabulary = words[-1], len(words[0])
    if not len(longest):  # a table has no empty order: any n-gram will do
        longest = np.zeros((1, len(words)), dtype=np.int32)
    found = [longest]
    for own in words[-2::-1]:
        longer = found[0]
        needed = np.concatenate([longer[:, :-1], longer[:, 1:]])
        _, first = np.unique(_keys(needed, vocabulary), return_index=True)
        needed = needed[np.sort(first)]
        missing = needed[~np.isin(_keys(needed, vocabulary), _keys(own, vocabulary))]
        found.insert(0, np.concatenate([own, missing]))
    return found


def _keys(rows: np.ndarray, vocabulary: int) -> np.ndarray:
    """Return one value for each row of words, equal where the rows are."""
    bits = int(vocabulary).bit_length()
    if bits * rows.shape[1] < 64:
        keys = np.zeros(len(rows), dtype=np.int64)
        for column in rows.T:
            keys = (keys << bits) | column
        return keys
    packed = np.ascontiguousarray(rows, dtype=np.int32)
    return packed.view([("words", f"V{4 * rows.shape[1]}")]).reshape(-1)["words"]
