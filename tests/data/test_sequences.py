"""From texts to sequences: one for each way to fine-tune, warnings of what is cut."""

from __future__ import annotations

import warnings

import pytest

from zoo.config.tasks import task_class
from zoo.data.sequences import Sequences, Specials
from zoo.errors import OptionError, ZooWarning
from zoo.text import WhitespaceTokenizer

TOKENIZER = WhitespaceTokenizer.train(["a b c d e f g h i j"], vocabulary=20)
START, DELIMITER, EXTRACT = SPECIALS = Specials(20, 21, 22)


def made(task: str, longest: int = 30, reverse: bool = False) -> Sequences:
    owner = task_class(task)
    return Sequences(owner.form, task, owner.names, TOKENIZER, SPECIALS, longest, reverse)


def words(text: str) -> list[int]:
    return TOKENIZER.encode(text)


def told(sequences: list) -> list[list[str]]:
    """Return sequences as words, with marks for special ids."""
    marks = {START: "<", DELIMITER: "|", EXTRACT: ">"}
    return [
        [" ".join(marks.get(int(i)) or TOKENIZER.pieces([i])[0] for i in ids) for ids in each]
        for each in sequences
    ]


@pytest.mark.parametrize(
    ("task", "example", "expected", "reversed_"),
    [
        ("classify", "a b", ["< a b >"], ["< b a >"]),
        ("entail", ("a b", "c d"), ["< a b | c d >"], ["< b a | d c >"]),
        ("similarity", ("a b", "c"), ["< a b | c >", "< c | a b >"],
         ["< b a | c >", "< c | b a >"]),
        ("choose", ("a b", ("c", "d e")), ["< a b | c >", "< a b | d e >"],
         ["< b a | c >", "< b a | e d >"]),
    ],
)  # fmt: skip
def test_sequences_of_each_task(task, example, expected, reversed_):
    assert told(made(task).encode([example] * 2)) == [expected] * 2
    assert told(made(task, reverse=True).encode([example])) == [reversed_]
    # As a bundle's JSON gives it back.
    given = list(example) if isinstance(example, tuple) else example
    assert told(made(task).encode([given])) == [expected]


@pytest.mark.parametrize(
    ("task", "example", "expected", "message"),
    [
        ("classify", "a b c d e f g", ["< a b c d e f >"],
         "the text was cut after '...a b c d e f'"),
        ("entail", ("a b c d e f", "g"), ["< a b c d | g >"], "the premise was cut after '...a b"),
        ("entail", ("g", "a b c d e f"), ["< g | a b c d >"], "the hypothesis was cut after"),
        ("entail", ("a b c d", "e f g h"), ["< a b c | e f >"], "b c', the hypothesis was cut"),
        ("similarity", ("a b c d e f", "g"), ["< a b c d | g >", "< g | a b c d >"],
         "the first was cut after '...a b c d'"),
        ("choose", ("a b c d e f", ("g", "h i")), ["< a b c | g >", "< a b c | h i >"],
         "the context was cut after '...a b c'"),
        ("choose", ("a", ("b c d e f g", "h")), ["< | b c d e f >", "< | h >"],
         "the context was left out, the answer 0 was cut after '...b c d e f'"),
    ],
)  # fmt: skip
def test_what_is_too_long_is_cut_and_told(task, example, expected, message):
    with pytest.warns(ZooWarning) as caught:
        assert told(made(task, 8).encode([example], "text")) == [expected]
    text = str(caught[0].message)
    assert text.startswith("text 1 is longer than the 8 tokens that are read: the ")
    assert message in text
    assert len(caught) == 1


def test_one_warning_for_all_of_many():
    with pytest.warns(ZooWarning, match=r"^text 2 is longer .*; 1 more of 4 are cut$") as caught:
        made("classify", 4).encode(["a b", "a b c", "a", "a b c d"], "text")
    assert len(caught) == 1
    with pytest.warns(ZooWarning, match=r"^what begins 'a b c d e f g h i a b c d e f \.\.\.' is "):
        made("entail", 12).encode([("a b c d e f g h i a b c d e f g h i", "a")])


def test_what_just_fits_is_not_told():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert told(made("entail", 8).encode([("a b c", "d e")])) == [["< a b c | d e >"]]
        assert told(made("choose", 8).encode([("a", ("b c", "d e f g"))]))


@pytest.mark.parametrize(("task", "least"), [("classify", 3), ("entail", 5), ("choose", 5)])
def test_texts_need_room(task, least):
    made(task, least)
    with pytest.raises(OptionError, match=f"of {least - 1} tokens have no room.*\n.*{least} or"):
        made(task, least - 1)
