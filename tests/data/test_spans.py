"""Windows of a context, the pieces of an answer, batches of windows."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.encoded import Encoded, Ragged
from zoo.data.spans import (
    LONGEST_QUESTION,
    NO_ANSWER,
    SPANS,
    SpanBatches,
    cut,
    pieces_of,
    question_room,
    windows,
)

START, END = 2, 3
QUESTION = [50, 51]


@pytest.mark.parametrize("count", [1, 2, 10, 11, 12, 13, 40, 41, 157])
@pytest.mark.parametrize("stride", [1, 4, 10, 99])
def test_every_piece_is_in_a_window_and_starts_in_one(count, stride):
    context = list(range(100, 100 + count))
    found = windows(QUESTION, context, 15, stride, START, END)
    owned = []
    for window in found:
        size = len(window.own)
        assert window.ids[:4].tolist() == [START, *QUESTION, END]
        assert window.offset == 4
        part = context[window.first : window.first + size]
        assert window.ids[4:].tolist() == [*part, END]
        assert len(window.ids) <= 15
        owned += [window.first + int(i) for i in np.flatnonzero(window.own)]
    assert sorted(owned) == list(range(count))
    firsts = [window.first for window in found]
    assert firsts == list(range(0, len(firsts) * min(stride, 10), min(stride, 10)))
    assert firsts[-1] == 0 or firsts[-1] - min(stride, 10) + 10 < count  # none too many


def test_a_start_is_where_it_has_the_most_context():
    """The rule of the paper's code: the lesser side, plus a hundredth of the length."""
    found = windows(QUESTION, list(range(23)), 15, 4, START, END)
    sizes = [(window.first, len(window.own)) for window in found]
    assert sizes == [(0, 10), (4, 10), (8, 10), (12, 10), (16, 7)]
    for piece in range(23):
        scores = [
            min(piece - first, first + size - 1 - piece) + 0.01 * size
            if first <= piece < first + size
            else -1
            for first, size in sizes
        ]
        owner = next(i for i, w in enumerate(found) if _owns(w, piece))
        assert scores[owner] == max(scores)


def _owns(window, piece):
    return 0 <= piece - window.first < len(window.own) and window.own[piece - window.first]


def test_a_long_question_leaves_room_for_the_context():
    found = windows(list(range(200)), [7, 8, 9], 384, 128, START, END)
    assert len(found[0].ids) == 1 + LONGEST_QUESTION + 1 + 3 + 1
    assert question_room(384) == LONGEST_QUESTION
    assert question_room(5) == 1
    assert [w.ids.tolist() for w in windows([50, 51], [7, 8], 5, 128, START, END)] == [
        [START, 50, END, 7, END], [START, 50, END, 8, END],
    ]  # fmt: skip


def test_the_span_of_an_answer_or_of_the_first_token():
    first, second = windows(QUESTION, list(range(16)), 15, 6, START, END)
    assert (first.span(2, 5), second.span(2, 5)) == ((6, 9), NO_ANSWER)
    assert (first.span(7, 9), second.span(7, 9)) == ((11, 13), (5, 7))
    assert (first.span(9, 10), second.span(9, 10)) == (NO_ANSWER, (7, 8))


def test_pieces_that_an_answer_touches():
    places = [(0, 3), (4, 7), (7, 9), (9, 10), (12, 15)]  # "Ada met##in g  Bob"
    assert pieces_of(places, 0, 3) == (0, 0)
    assert pieces_of(places, 4, 10) == (1, 3)
    assert pieces_of(places, 5, 8) == (1, 2)  # begins and ends within a piece
    assert pieces_of(places, 3, 5) == (1, 1)
    assert pieces_of(places, 10, 12) is None
    assert pieces_of([], 0, 1) is None


def test_no_accent_is_cut_off():
    text = "a cafe\u0301\u0327 b"
    assert text[slice(*cut(text, 2, 6))] == "cafe\u0301\u0327"
    assert cut(text, 0, 1) == (0, 1)


def test_batches():
    tokens = [np.arange(2, 2 + n) for n in (4, 6, 9, 3)]
    spans = [(1, 2), (0, 0), (7, 8), (2, 2)]
    data = Encoded({"tokens": Ragged.of(tokens), SPANS: Ragged.of(spans)})
    batches = SpanBatches(data, rows=2, buckets=[6, 12], seed=1, pad_id=0)
    assert batches.per_pass == 2
    seen = []
    for step in range(2):
        ids, places = batches.batch(step)
        assert ids.dtype == places.dtype == np.int32
        assert (ids.shape[0], places.shape) == (2, (2, 2))
        for row, place in zip(ids, places, strict=True):
            number = next(i for i, each in enumerate(tokens) if len(each) == (row > 0).sum())
            assert row[: len(tokens[number])].tolist() == tokens[number].tolist()  # on the left
            assert tuple(place) == spans[number]
            seen.append(number)
    assert sorted(seen) == [0, 1, 2, 3]
