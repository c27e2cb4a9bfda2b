"""Words between white space: unchanged, the most frequent ones known, text that reads well."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from zoo.errors import BundleError, DataError, OptionError
from zoo.text import WhitespaceTokenizer, load_tokenizers, save_tokenizers


def made(*lines: str, vocabulary: int = 10_000) -> WhitespaceTokenizer:
    """A vocabulary of all words of some lines, or of `vocabulary`."""
    return WhitespaceTokenizer.train(lines, vocabulary=vocabulary)


def test_nothing_is_changed():
    text = "  The the don't  U.S. @-@ &amp; \u00e9t\u00e9,\tx\u00a0y\n"
    words = ["The", "the", "don't", "U.S.", "@-@", "&amp;", "\u00e9t\u00e9,", "x", "y"]
    tokenizer = made(text)
    assert tokenizer.split(text) == words
    assert tokenizer.pieces(tokenizer.encode(text)) == words
    assert tokenizer.encode(" \n") == []


def test_special_ids():
    tokenizer = made("b b a <unk> <unk> <unk>")
    assert tokenizer.end_id == tokenizer.start_id == tokenizer.pad_id == 0
    assert tokenizer.unk_id == 1
    assert tokenizer.pieces(range(tokenizer.size)) == ["<eos>", "<unk>", "b", "a"]
    assert tokenizer.encode("a c <unk> b") == [3, 1, 1, 2]
    assert tokenizer.decode([0, 3, 1, 2, 0, 0]) == "a <unk> b"


def test_a_text_cannot_end_itself():
    tokenizer = made("a <eos> a <eos>")
    assert tokenizer.words == ["<eos>", "<unk>", "a"]
    assert tokenizer.encode("a <eos> a") == [2, 1, 2]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ('He said , " It \'s not . "', 'He said, "It\'s not."'),
        ("a role @-@ playing game ( 1 @,@ 000 or 1 @.@ 5 )", "a role-playing game (1,000 or 1.5)"),
        ("three @-@ year @-@ old <unk> @-@ like", "three-year-old <unk>-like"),
        ("@-@ a @-@ @-@ b @-@", "-a--b-"),
        ("user@-@host", "user@-@host"),
        ("mr. <unk> is chairman of <unk> n.v.", "mr. <unk> is chairman of <unk> n.v."),
        ("a &amp; b", "a &amp; b"),
        ("", ""),
    ],
)
def test_text_reads_well(words, text):
    tokenizer = made(words + " x")
    assert tokenizer.decode(tokenizer.encode(words)) == text


def test_the_most_frequent_words_are_kept_and_ties_are_in_order():
    lines = ["b b b", "a a c", "d e", "e d c"]  # 3 b, 2 each of a, c, d, e
    assert made(*lines, vocabulary=5).words[2:] == ["b", "a", "c"]
    assert made(*lines[::-1], vocabulary=5).words == made(*lines, vocabulary=5).words
    # Fewer different words than asked for: all of them.
    assert made(*lines, vocabulary=1000).words[2:] == ["b", "a", "c", "d", "e"]


def test_no_words_or_no_room_for_them():
    for lines in ((), ("", " \n"), ("<eos> <unk>",)):
        with pytest.raises(DataError, match="the text has no words"):
            made(*lines)
    with pytest.raises(OptionError, match="a vocabulary of 2 has no room"):
        made("a", vocabulary=2)


def test_what_is_saved_is_plain_and_read_back(tmp_path):
    tokenizer = made("\u00e9t\u00e9 it 's <unk>")
    save_tokenizers(tmp_path, tokenizer, tokenizer)
    path = tmp_path / "tokenizer.whitespace.json"
    assert json.loads(path.read_text("utf-8")) == {"words": tokenizer.words}
    again, target = load_tokenizers(tmp_path)
    assert again is target
    assert isinstance(again, WhitespaceTokenizer)
    assert again.words == tokenizer.words
    assert again.encode("it 's red") == tokenizer.encode("it 's red")


@pytest.mark.parametrize("content", ["not JSON", "[]", "{}", '{"words": 3}', '{"words": [4]}'])
def test_what_is_no_vocabulary_is_refused(tmp_path, content):
    (tmp_path / "tokenizer.whitespace.json").write_text(content, "utf-8")
    with pytest.raises(BundleError, match="is no vocabulary"):
        WhitespaceTokenizer.load(tmp_path / "tokenizer.whitespace.json")


@pytest.mark.parametrize("words", [["a", "b"], ["<unk>", "<eos>"], ["<eos>", "<unk>", "a", "a"]])
def test_other_special_words_and_words_twice_are_refused(words):
    with pytest.raises(BundleError, match="begins with <eos>, <unk>"):
        WhitespaceTokenizer(words)


@pytest.mark.parametrize(("corpus", "size"), [("ptb", 10_000), ("wikitext-2", 33_278)])
def test_the_corpora_have_the_vocabulary_that_the_papers_state(corpus, size):
    path = Path(os.environ.get("ZOO_DATA", "")) / corpus / "train.txt.gz"
    if "ZOO_DATA" not in os.environ or not path.exists():
        pytest.skip(f"ZOO_DATA names no folder with {corpus}")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        tokenizer = made(*lines, vocabulary=100_000)
    assert tokenizer.size == size
    with gzip.open(path.with_name("test.txt.gz"), "rt", encoding="utf-8") as lines:
        text = lines.read()
    # Every other word was made <unk> by who prepared the corpus.
    unknown = tokenizer.encode(text).count(tokenizer.unk_id)
    assert unknown == text.split().count("<unk>")
