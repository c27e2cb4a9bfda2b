"""Count the n-grams of texts of every order up to n, all with one sort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.errors import DataError


@dataclass(frozen=True)
class Counts:
    """The n-grams of one order, sorted by their words from the first to the last.

    Attributes:
        parent: the n-gram without its last word, a row of the order below: int32 [ngrams].
        suffix: the n-gram without its first word, a row of the order below: int32 [ngrams].
        word: the last word: int32 [ngrams].
        count: how often the n-gram occurs: int64 [ngrams].
        first: whether it begins a text: bool [ngrams].
    """

    parent: np.ndarray
    suffix: np.ndarray
    word: np.ndarray
    count: np.ndarray
    first: np.ndarray

    def __len__(self) -> int:
        return len(self.word)


def count(
    ids: np.ndarray, offsets: np.ndarray, order: int, vocabulary: int, started: bool = False
) -> list[Counts]:
    """Return the n-grams of orders 1 to `order` that occur within texts.

    A single word is an n-gram whether it occurs or not, so that row i of order 1 is word i.

    Args:
        ids: all texts, int [words].
        offsets: text i is ids[offsets[i]:offsets[i + 1]].
        started: whether the first word of each text is a start, which follows nothing: it counts
            at the beginning of longer n-grams alone.

    Raises:
        DataError: there is no word, or no text has `order` of them.
    """
    words = np.asarray(ids, dtype=np.int64)
    longest = int(np.diff(offsets).max(initial=0))
    if not longest:
        raise DataError("there are no words to count", "give text to count the n-grams of")
    if longest < order:
        raise DataError(
            f"n-grams of {order} words cannot be counted: the longest text has {longest}",
            f"give longer texts, or set model.arguments.order to {longest} or less",
        )
    # Words from each place to the end of its text, and whether it is the text's first.
    left = np.repeat(offsets[1:], np.diff(offsets)) - np.arange(len(words))
    begins = np.zeros(len(words), dtype=bool)
    begins[offsets[:-1][np.diff(offsets) > 0]] = True
    sorted_places, fresh = _sorted(words, left, order, vocabulary)
    row = words  # of the n-gram that begins at each place, in the arrays of its order
    found = [_single(words, begins, vocabulary, started)]
    for length in range(2, order + 1):
        # Places whose text goes on for so many words; those with one n-gram lie side by side.
        chosen = left[sorted_places] >= length
        places = sorted_places[chosen]
        runs = fresh[length - 1][chosen]
        starts = np.flatnonzero(runs)
        one = places[starts]  # a place of each n-gram
        first = np.zeros(len(starts), dtype=bool)
        number = np.cumsum(runs) - 1
        first[number[begins[places]]] = True
        found.append(
            Counts(
                parent=row[one].astype(np.int32),
                suffix=row[one + 1].astype(np.int32),
                word=words[one + length - 1].astype(np.int32),
                count=np.diff(np.append(starts, len(places))),
                first=first,
            )
        )
        row = np.full(len(words), -1, dtype=np.int64)
        row[places] = number
    return found


def _single(words: np.ndarray, begins: np.ndarray, vocabulary: int, started: bool) -> Counts:
    nothing = np.zeros(vocabulary, dtype=np.int32)
    first = np.zeros(vocabulary, dtype=bool)
    first[words[begins]] = True
    count = np.bincount(words[~begins] if started else words, minlength=vocabulary)
    return Counts(nothing, nothing, np.arange(vocabulary, dtype=np.int32), count, first)


def _sorted(
    words: np.ndarray, left: np.ndarray, order: int, vocabulary: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return all places, sorted by the `order` words that follow each within its text.

    Also return, for each length, where in that order the first words differ from those before.
    """
    bits = max(1, int(vocabulary).bit_length())  # of a word + 1; 0 stands after the end of a text
    each = max(1, 63 // bits)
    padded = np.concatenate([words + 1, np.zeros(order, dtype=np.int64)])
    columns = [np.where(left > i, padded[i : i + len(words)], 0) for i in range(order)]
    keys = []
    for begin in range(0, order, each):
        key = np.zeros(len(words), dtype=np.int64)
        for column in columns[begin : begin + each]:
            key = (key << bits) | column
        keys.append(key)
    places = np.lexsort(keys[::-1]) if len(keys) > 1 else np.argsort(keys[0], kind="stable")
    fresh, differs = [], np.ones(len(words), dtype=bool)
    differs[1:] = False
    for column in columns:
        ordered = column[places]
        differs = differs.copy()
        differs[1:] |= ordered[1:] != ordered[:-1]
        fresh.append(differs)
    return places, fresh
