"""BERT's pieces: learned, kept, found again in the text, and those of transformers' tokenizer."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from zoo.data.readers import find, read_lines
from zoo.errors import BundleError, DataError, OptionError
from zoo.text import WordPieceTokenizer, load_tokenizers, save_tokenizers
from zoo.text.wordpiece import SPECIAL

TEXT = [
    "The low lower lowest.", "New newer newest, low!", "A wide window widens.", "Low and new...",
]  # fmt: skip
# What a vocabulary may hold, in the order of none.
WORDS = [
    "[PAD]", "a", "[UNK]", "##b", "[CLS]", "the", "[SEP]", "cat", "##s", "[MASK]", "na", "##ive",
    "'", "s", "##á", "-", "…", "中", "C", "##at",
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> WordPieceTokenizer:
    return WordPieceTokenizer.train(TEXT, vocabulary=50)


def test_pieces_are_learned_until_the_vocabulary_is_full(tokenizer):
    assert tokenizer.size == 50
    assert tuple(tokenizer.words[:5]) == SPECIAL
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.start_id, tokenizer.end_id) == (
        0,
        1,
        2,
        3,
    )
    assert tokenizer.mask_id == 4
    assert "low" in tokenizer.words
    assert tokenizer.pieces(tokenizer.encode("LOW")) == ["low"]
    assert len(tokenizer.pieces(tokenizer.encode("windowest"))) > 1
    assert tokenizer.pieces(tokenizer.encode("windowest"))[1].startswith("##")


def test_the_same_text_gives_the_same_pieces(tokenizer):
    assert WordPieceTokenizer.train(TEXT, vocabulary=50).words == tokenizer.words


def test_capitals_are_kept_if_wanted():
    kept = WordPieceTokenizer.train(TEXT, vocabulary=60, lowercase=False)
    assert {"L", "N"} <= set(kept.words)
    assert kept.encode("Low") != kept.encode("low")
    assert kept.decode(kept.encode("Low")) == "Low"


def test_a_word_is_cut_into_its_longest_known_pieces():
    made = WordPieceTokenizer(WORDS)
    assert made.pieces(made.encode("The cats' naïve")) == [
        "the", "cat", "##s", "'", "na", "##ive",
    ]  # fmt: skip
    assert made.pieces(made.encode("cab")) == ["[UNK]"]  # "c" alone is no piece
    assert made.pieces(made.encode("a中a")) == ["a", "中", "a"]
    assert made.pieces(made.encode("a" * 101)) == ["[UNK]"]
    cased = WordPieceTokenizer(WORDS, lowercase=False)
    assert cased.pieces(cased.encode("Cat cat")) == ["C", "##at", "cat"]


def test_the_mask_alone_has_a_meaning_in_a_text():
    made = WordPieceTokenizer(WORDS)
    assert made.encode("the [MASK]s") == [5, 9, 13]
    ids = made.encode("[SEP][CLS] [PAD]")
    assert not {made.start_id, made.end_id, made.pad_id, made.mask_id} & set(ids)
    assert made.known([4, 9, 5, 2, 6]) == [9, 5]


def test_pieces_stand_where_the_text_has_them():
    """Of the text as it was given: accents, width, and signs that are read in plain form."""
    made = WordPieceTokenizer(WORDS)
    text = "The  naïve\u200b CATS\u2019s\u00a0a\u2010a\u2026"
    spans = made.spans(text)
    ids = made.encode(text)
    assert made.pieces(ids) == [
        "the", "na", "##ive", "cat", "##s", "'", "s", "a", "-", "a", "…",
    ]  # fmt: skip
    assert [text[first:last] for first, last in spans] == [
        "The", "na", "ïve", "CAT", "S", "\u2019", "s", "a", "\u2010", "a", "…",
    ]  # fmt: skip


def test_text_comes_back_with_a_space_between_words(tokenizer):
    ids = tokenizer.encode("The  newest\twindow.")
    assert tokenizer.decode([2, *ids, 3, 0]) == "the newest window."
    assert tokenizer.decode([]) == ""


def test_what_is_unknown_is_named():
    made = WordPieceTokenizer(WORDS)
    assert made.unknown_parts("the cab ж a") == ["cab", "ж"]
    assert made.unknown == "characters"


@pytest.mark.parametrize("lowercase", [True, False])
def test_it_is_kept_in_one_file(lowercase, tmp_path):
    made = WordPieceTokenizer(WORDS, lowercase)
    save_tokenizers(tmp_path, made, made)
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.wordpiece.json"]
    again, other = load_tokenizers(tmp_path)
    assert again is other
    assert (again.words, again.lowercase) == (WORDS, lowercase)


def test_a_vocab_txt_is_a_piece_a_line():
    assert WordPieceTokenizer.of_lines("\n".join(WORDS) + "\n").words == WORDS


@pytest.mark.parametrize(
    ("lines", "vocabulary", "error"),
    [([], 50, DataError), (["  "], 50, DataError), (["abcdef ghijkl"], 9, OptionError)],
)
def test_what_no_vocabulary_can_be_made_of(lines, vocabulary, error):
    with pytest.raises(error):
        WordPieceTokenizer.train(lines, vocabulary=vocabulary)


@pytest.mark.parametrize("words", [["a"], [*SPECIAL, "a", "a"], SPECIAL[1:]])
def test_a_vocabulary_lacks_no_special_word_and_repeats_none(words):
    with pytest.raises(BundleError, match="a vocabulary of WordPiece has"):
        WordPieceTokenizer(words)


# transformers


ODD = [
    "It's 3.50$ -- don't!", "naïve café ÅNGSTRÖM", "中文 and English", "a\u200bb\u00a0c\tz",
    "«quoted» “text” … – —", "", "   ", "e-mail@host.org/path_x", "...?!", "x" * 120, "İstanbul",
    "1,000,000", "\u0085a\ufffdb\x07c",
]  # fmt: skip


def assert_equal(tokenizer: WordPieceTokenizer, lines: list[str]) -> None:
    transformers = pytest.importorskip("transformers")
    words = {word: i for i, word in enumerate(tokenizer.words)}
    theirs = transformers.BertTokenizer(vocab=words, do_lower_case=tokenizer.lowercase)
    for line in lines:
        # For them a typographic sign that the vocabulary lacks is unknown.
        plain = tokenizer.plain(line)
        assert tokenizer.encode(line) == theirs.encode(plain, add_special_tokens=False), line


@pytest.mark.parametrize("lowercase", [True, False])
def test_it_is_transformers_tokenizer(lowercase):
    assert_equal(WordPieceTokenizer.train(TEXT, vocabulary=60, lowercase=lowercase), [*TEXT, *ODD])
    assert_equal(WordPieceTokenizer(WORDS, lowercase), [*TEXT, *ODD])


@pytest.mark.parametrize("lowercase", [True, False])
def test_ten_thousand_lines_are_cut_as_transformers_cuts_them(lowercase):
    """Of IMDb and WikiText-2, by pieces that are learned from some of them."""
    if "ZOO_DATA" not in os.environ:
        pytest.skip("needs corpora")
    data = Path(os.environ["ZOO_DATA"])
    wikitext = find(data / "wikitext-2", "train.txt")
    reviews = find(data / "imdb", "train.jsonl")
    lines = [line for _, line in zip(range(5000), read_lines(wikitext), strict=False)]
    lines += [json.loads(x)["text"] for _, x in zip(range(5000), read_lines(reviews), strict=False)]
    tokenizer = WordPieceTokenizer.train(lines[::20], vocabulary=8000, lowercase=lowercase)
    assert tokenizer.size == 8000
    assert_equal(tokenizer, lines)
