"""Questions on contexts as a model reads them: windows of a context, and batches of these.

A window is [CLS] question [SEP] part of the context [SEP] (bert2018, section 4.2). A long context
is read in several that begin `stride` pieces apart. Each piece counts as a start in the window
where it has the most context on both sides, as in the paper's code.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zoo.data.batches import Batch, LabelledBatches
from zoo.data.encoded import padded

SPANS = "spans"  # the column of `Encoded` beside "tokens": the places of start and end
# The most pieces of a question, as in the paper's code.
LONGEST_QUESTION = 64
NO_ANSWER = (0, 0)  # the span of a window without the answer: [CLS]


class Window(NamedTuple):
    """A question with a part of its context.

    Attributes:
        ids: int32 [time], from the start id to the end id.
        first: number of the first piece of the context.
        offset: its place in `ids`.
        own: bool [pieces], the pieces that count as starts here.
    """

    ids: np.ndarray
    first: int
    offset: int
    own: np.ndarray

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the places in `ids` of two pieces of the context, of [CLS] if one is elsewhere."""
        begin, end = first - self.first, last - self.first
        if begin < 0 or end >= len(self.own):
            return NO_ANSWER
        return self.offset + begin, self.offset + end


def question_room(longest: int) -> int:
    """Return how many pieces of a question a window of `longest` tokens has room for."""
    return min(LONGEST_QUESTION, max(1, (longest - 3) // 2))


def windows(
    question: Sequence[int],
    context: Sequence[int],
    longest: int,
    stride: int,
    start_id: int,
    end_id: int,
) -> list[Window]:
    """Return the windows of a question and its context.

    Args:
        question: its pieces; those beyond `question_room` are left out.
        context: its pieces, at least one.
        longest: the most tokens of a window, at least 5.
        stride: pieces from the start of a window to that of the next; less where it would leave out
            a piece.
    """
    question = question[: question_room(longest)]
    room = longest - len(question) - 3
    step = min(stride, room)
    starts = range(0, max(len(context) - room, 0) + step, step)
    bounds = [(first, min(first + room, len(context))) for first in starts]
    best = np.full(len(context), -1.0)
    owner = np.zeros(len(context), dtype=int)
    for number, (first, last) in enumerate(bounds):
        places = np.arange(last - first)
        score = np.minimum(places, places[::-1]) + 0.01 * (last - first)
        better = score > best[first:last]
        owner[first:last][better] = number
        best[first:last][better] = score[better]
    head = [start_id, *question, end_id]
    return [
        Window(
            np.array([*head, *context[first:last], end_id], dtype=np.int32),
            first, len(head), owner[first:last] == number,
        )
        for number, (first, last) in enumerate(bounds)
    ]  # fmt: skip


def pieces_of(places: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    """Return the first and the last piece of the characters from start to end, None without any.

    A piece of which only a part is asked for counts: some answers begin or end within a word.

    Args:
        places: where each piece stands.
    """
    array = np.asarray(places).reshape(-1, 2)
    first = int(np.searchsorted(array[:, 1], start, side="right"))
    last = int(np.searchsorted(array[:, 0], end, side="left")) - 1
    return (first, last) if first <= last else None


def cut(text: str, start: int, end: int) -> tuple[int, int]:
    """Return start and end of a part of a text with the accents that follow its last letter."""
    while end < len(text) and unicodedata.category(text[end]).startswith("M"):
        end += 1
    return start, end


class SpanBatches(LabelledBatches):
    """Batches of windows of similar length, with the places of start and end.

    Args: see `LabelledBatches`; the data have "tokens" and "spans", two places each.
    """

    def batch(self, step: int) -> Batch:
        """Return (tokens, spans) of a step: int32 [rows, bucket], padded right; int32 [rows, 2]."""
        bucket, members = self.members_of(step)
        tokens = [self.data.tokens[i] for i in members]
        spans = self.data.columns[SPANS]
        return (
            padded(tokens, self.buckets[bucket], self.pad_id),
            np.array([spans[i] for i in members], dtype=np.int32),
        )
