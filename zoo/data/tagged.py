"""Sentences as a tagger reads them: windows of pieces, and batches of these.

The first piece of a word speaks for it (bert2018, section 5.3). A sentence that is longer than the
model's window is read in several that overlap by half: each word counts in the one where it has
more context on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from zoo.data.batches import IGNORED, Batch, LabelledBatches
from zoo.data.encoded import Encoded, left_padded

TAGS = "tags"  # the column of `Encoded` beside "tokens"


class Window(NamedTuple):
    """A part of a sentence: its tokens, and the words that it decides.

    Attributes:
        ids: int32 [time], from the start id to the end id.
        first: number of the first of these words.
        places: int [words], the place of each one's first piece in `ids`.
    """

    ids: np.ndarray
    first: int
    places: np.ndarray


def windows(
    words: Sequence[Sequence[int]], longest: int, start_id: int, end_id: int
) -> list[Window]:
    """Return the windows of a sentence, which decide each word once, in order.

    Args:
        words: the ids of each word's pieces, at least one each.
        longest: the most tokens of a window, its start and its end included, at least 3.
    """
    room = longest - 2
    pieces = [list(word[:room]) for word in words]
    ends = np.cumsum([len(word) for word in pieces])
    starts = ends - [len(word) for word in pieces]
    found = []
    for (first, last), (kept, until) in _cut(starts, ends, room):
        ids = [i for word in pieces[first:last] for i in word]
        places = starts[kept:until] - starts[first] + 1
        found.append(Window(np.array([start_id, *ids, end_id], np.int32), kept, places))
    return found


def _cut(
    starts: np.ndarray, ends: np.ndarray, room: int
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield the words of each window, and those that it decides: the first, and the one after."""
    count, first, kept = len(ends), 0, 0
    while True:
        last = int(np.searchsorted(ends, starts[first] + room, side="right"))
        if last == count:
            yield (first, last), (kept, count)
            return
        # The next window has the last half of this one, and decides from the middle of that half.
        following = max(int(np.searchsorted(starts, ends[last - 1] - room // 2)), first + 1)
        until = max(int(np.searchsorted(starts, ends[last - 1] - room // 4)), following)
        yield (first, last), (kept, until)
        first, kept = following, until


class TaggedBatches(LabelledBatches):
    """Batches of windows of similar length, with the tag of each word at its first piece.

    Args: see `LabelledBatches`; the data have "tokens" and "tags" of equal lengths.
    """

    def batch(self, step: int) -> Batch:
        """Return (tokens, tags) of a step, int32 [rows, bucket], padded on the left.

        All places but the first pieces of words have the tag IGNORED.
        """
        bucket, members = self.members_of(step)
        length, tags = self.buckets[bucket], self.data.columns[TAGS]
        tokens = left_padded([self.data.tokens[i] for i in members], length, self.pad_id)
        return tokens, left_padded([tags[i] for i in members], length, IGNORED)

    def words(self, step: int) -> int:
        """Return how many words the batch of a step trains on."""
        tags = self.data.columns[TAGS]
        return sum(int((tags[i] != IGNORED).sum()) for i in self.members_of(step)[1])


def tags_of(window: Window, tags: Sequence[int]) -> np.ndarray:
    """Return the tag of each word that a window decides at its first piece, else IGNORED."""
    row = np.full(len(window.ids), IGNORED, dtype=np.int32)
    row[window.places] = tags[window.first : window.first + len(window.places)]
    return row


def examples(data: Encoded) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return tokens and tags of each window, int32 [time] each."""
    tags = data.columns[TAGS]
    return [(data.tokens[i], tags[i]) for i in range(len(data))]
