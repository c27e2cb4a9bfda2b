"""The sequences of each task (gpt1, figure 1), and what is cut of texts that are too long."""

from __future__ import annotations

import pytest

from zoo.data import sequences as forms

SPECIALS = forms.Specials(100, 101, 102)


def test_figure_1():
    assert forms.ONE_TEXT.write([[1, 2]], SPECIALS) == [[100, 1, 2, 102]]
    assert forms.TWO_TEXTS.write([[1, 2], [3]], SPECIALS) == [[100, 1, 2, 101, 3, 102]]
    assert forms.BOTH_ORDERS.write([[1, 2], [3]], SPECIALS) == [
        [100, 1, 2, 101, 3, 102],
        [100, 3, 101, 1, 2, 102],
    ]
    assert forms.ANSWERS.write([[1, 2], [3], [4, 5]], SPECIALS) == [
        [100, 1, 2, 101, 3, 102],
        [100, 1, 2, 101, 4, 5, 102],
    ]


@pytest.mark.parametrize(
    ("lengths", "room", "expected"),
    [
        ((3, 4), 7, (3, 4)),
        ((3, 4), 6, (3, 3)),
        ((90, 4), 10, (6, 4)),
        ((4, 90), 10, (4, 6)),
        ((90, 90), 10, (5, 5)),
        ((90, 90), 11, (6, 5)),
        ((6, 90), 11, (6, 5)),
        ((90, 5), 11, (6, 5)),
        ((0, 90), 4, (0, 4)),
    ],
)
def test_the_longer_text_gives_way(lengths, room, expected):
    assert forms.shared_room(*lengths, room) == expected


def test_no_room_is_left_empty():
    for first in range(9):
        for second in range(9):
            for room in range(2, 12):
                found = forms.shared_room(first, second, room)
                assert sum(found) == min(first + second, room)
                assert found[0] <= first
                assert found[1] <= second
                # A text that is cut keeps no less than the other, but for an odd id.
                if found[0] < first:
                    assert found[0] >= found[1] - 1
                if found[1] < second:
                    assert found[1] >= found[0] - 1


@pytest.mark.parametrize(
    ("context", "answers", "room", "expected"),
    [
        (5, [2, 3], 8, (5, [2, 3])),
        (5, [2, 4], 8, (4, [2, 4])),
        (50, [2, 4], 8, (4, [2, 4])),
        (1, [20, 7], 8, (0, [8, 7])),
    ],
)
def test_the_context_gives_way_to_one_length(context, answers, room, expected):
    assert forms.context_room(context, answers, room) == expected
