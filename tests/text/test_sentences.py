"""Sentences of English, German and French, and of text that is hard to cut."""

from __future__ import annotations

import pytest

from zoo.text import sentences

WHOLE = {
    "en": [
        "Mr. Smith went to Washington.", "He paid 3.5 dollars, e.g. for a book.",
        "The U.S. Army arrived.", "She came at 5 p.m. and left.", "Version 2.0.1 is out.",
        "Dr. J. R. Smith of St. Mary's wrote it.", 'He asked, "Are you sure?"', "What?!",
        "See www.example.com, foo.bar and j.smith@mail.com.", "No way", "Wait... what?",
        "1. First of all, sit down.",
    ],
    "de": [
        "Am 3. Oktober feiern wir.", "Das war im 19. Jahrhundert so.", "Sie wohnt im 2. Stock.",
        "Das ist z. B. ein Haus.", "Das geht z.B. so, d.h. einfach.", "Dr. Müller kommt.",
        "„Komm her!“, rief er.",
    ],
    "fr": [
        "M. Dupont habite à Paris.", "Mme. Durand aussi.", "« Bonjour. » dit-il.",
        "Cela coûte 3,5 €.", "Il dit : « Je viens ! »",
    ],
}  # fmt: skip


@pytest.mark.parametrize("language", WHOLE)
def test_a_sentence_stays_whole_and_two_are_cut(language):
    for sentence in WHOLE[language]:
        assert sentences.split(sentence, language) == [sentence]
    ended = [sentence for sentence in WHOLE[language] if sentence[-1] in ".!?"]
    for first, second in zip(ended, ended[1:] + ended[:1], strict=True):
        assert sentences.split(f"  {first}  {second} ", language) == [first, second]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('She said "Hello." Then she left.', ['She said "Hello."', "Then she left."]),
        ("“It works!” he cried. “Great.”", ["“It works!” he cried.", "“Great.”"]),
        ("It ends.And no space follows.", ["It ends.", "And no space follows."]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("i am here. you are there.", ["i am here.", "you are there."]),
        ("Yes. !", ["Yes. !"]),
        ("你好。再见。", ["你好。", "再见。"]),
        ("", []),
        (" \t ", []),
    ],
)
def test_cut(text, expected):
    assert sentences.split(text, "en") == expected
    assert sentences.split(text, "en_GB") == expected


def test_nothing_of_a_text_is_lost():
    text = "One. Two! (Three) “Four?” – 5.5 six…  Seven"
    found = sentences.split(text, "")
    assert "".join("".join(found).split()) == "".join(text.split())


def test_lines_and_their_breaks():
    assert sentences.lines("a\nb\r\n\nc") == (["a", "b", "", "c"], ["\n", "\r\n", "\n"])
    assert sentences.lines("a") == (["a"], [])


def test_what_stands_between_sentences():
    assert [sentences.separator(code) for code in ("fr", "zh", "ja_JP", "")] == [" ", "", "", " "]
