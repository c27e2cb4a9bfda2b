"""Splitting texts into words, with their places."""

from __future__ import annotations

import itertools
import random

import pytest

from zoo.text.words import spans


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada met Bob.", "Ada|met|Bob|."),
        ("I don't think it's U.S. policy...", "I|do|n't|think|it|'s|U.S.|policy|..."),
        ("Mr. O'Brien of AT&T", "Mr.|O'Brien|of|AT&T"),
        ("at 10:30 for $1,000.50 -- well-known", "at|10:30|for|$|1,000.50|--|well-known"),
        ("they’re (here)", "they|’re|(|here|)"),
        ("see https://x.org/a?b=c. or a@b.co.uk!", "see|https://x.org/a?b=c|.|or|a@b.co.uk|!"),
        ("北京 is big", "北|京|is|big"),
        ("'quoted'", "'|quoted|'"),
        ("", ""),
        (" \n\t ", ""),
    ],
)
def test_words(text, expected):
    assert words(text) == [each for each in expected.split("|") if each]


def test_marks_and_invisible_characters_stay_with_their_letters():
    assert words("cafe\u0301s na\u200bme 👍🏽\ufe0f!") == [
        "cafe\u0301s", "na\u200bme", "👍", "🏽\ufe0f", "!",
    ]  # fmt: skip
    assert words("a\x07b\u00a0c") == ["a\x07b", "c"]


def test_nothing_but_spaces_is_left_out_and_words_are_in_order():
    draw = random.Random(2)
    signs = "abcXYZ019.,:;'’-–&@/_()[]{}!?…\"\u0301\u200d\u200b\x00\x1f 👍🇫北\u00a0\n\té"
    for _ in range(2000):
        text = "".join(draw.choices(signs, k=draw.randint(0, 30)))
        found = spans(text)
        assert all(start < end for start, end in found)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(found))
        covered = {place for start, end in found for place in range(start, end)}
        assert all(text[i].isspace() for i in range(len(text)) if i not in covered)


def test_a_long_text_without_spaces_takes_no_longer_than_it_should():
    assert len(words("a." * 50_000)) >= 1
    assert words("x" * 100_000) == ["x" * 100_000]
