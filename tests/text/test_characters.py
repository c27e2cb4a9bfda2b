"""Characters: exactly those of the texts, an end if there is one, errors for unseen ones."""

from __future__ import annotations

import json

import pytest

from zoo.errors import BundleError, DataError, InputError, OptionError
from zoo.tasks import unknown
from zoo.text import CharacterTokenizer

NAMES = ["emma", "olivia", "ava"]
VERSES = ["O, she doth teach\nthe torches!\n", "But soft!"]


def made(lines, vocabulary=100, **options) -> CharacterTokenizer:
    return CharacterTokenizer.train(lines, vocabulary=vocabulary, **options)


def test_names_have_their_letters_and_an_end():
    tokenizer = made(NAMES)
    assert tokenizer.words == ["<end>", *"aeilmov"]
    assert tokenizer.end_id == tokenizer.start_id == tokenizer.pad_id == 0
    assert tokenizer.unk_id == -1
    assert not tokenizer.open_ended
    assert tokenizer.encode("mia") == [5, 3, 1]
    assert tokenizer.decode([0, 5, 3, 1, 0, -1]) == "mia"
    assert tokenizer.line_breaks("m\na") == 0


def test_without_an_end_a_line_break_is_it():
    tokenizer = made(VERSES, end=False)
    assert tokenizer.words[0] == "\n"
    assert tokenizer.size == len(set("\n".join(VERSES)))
    assert tokenizer.open_ended
    assert tokenizer.start_id == tokenizer.end_id == 0
    assert tokenizer.pad_id == tokenizer.unk_id == -1
    assert [tokenizer.decode(tokenizer.encode(text)) for text in VERSES] == VERSES
    assert tokenizer.line_breaks(VERSES[0]) == 2
    assert made(["ab"], end=False).words == ["\n", "a", "b"]


def test_too_small_a_vocabulary_has_the_frequent_ones():
    tokenizer = made(NAMES, vocabulary=5)
    assert tokenizer.words == ["<end>", "<unk>", "a", "i", "m"]
    assert tokenizer.encode("emma") == [1, 4, 4, 2]
    assert tokenizer.decode([1, 4, 2]) == "<unk>ma"
    assert tokenizer.known([1, 4, 0, 2]) == [4, 2]
    assert tokenizer.unknown_parts("emo") == ["e", "o"]
    with pytest.raises(OptionError, match="has no room for words"):
        made(NAMES, vocabulary=1)
    with pytest.raises(OptionError, match="no room for the line break"):
        made(["ab" * 9], vocabulary=2, end=False)


def test_an_unseen_character_is_an_error_that_names_it():
    tokenizer = made(["abcdz'"])
    with pytest.raises(InputError, match=r"the text has 'é' at position 1, [^']*it knows ' a-d z"):
        tokenizer.encode("bé")
    with pytest.raises(InputError, match=r"text 2 has '\\t' at position 0"):
        unknown.encode(tokenizer, ["ab", "\tb"], "en")
    reading = unknown.Reading("row", 2, rows=True)
    with pytest.raises(InputError, match=r"the text of row 2 has 'q' at position 2"):
        reading.check_stream(tokenizer, ["ab", "abq"], "en", "the text")


def test_capitals_and_signs_are_read_as_what_the_vocabulary_has():
    tokenizer = made(["abcdz'"])
    assert tokenizer.encode("A\u2019B") == tokenizer.encode("a'b")
    cased = made(["abB'"])
    assert cased.decode(cased.encode("Bb")) == "Bb"


@pytest.mark.parametrize(
    "words", [["a", "b"], ["<end>", "ab"], ["<end>", "a", "a"], ["a", "<end>"], ["<unk>", "a"]]
)
def test_what_is_no_vocabulary_of_characters(words, tmp_path):
    path = tmp_path / "tokenizer.characters.json"
    path.write_text(json.dumps({"words": words}))
    with pytest.raises(BundleError, match="a vocabulary"):
        CharacterTokenizer.load(path)


def test_no_characters():
    with pytest.raises(DataError, match="the text has no words"):
        made([""])
