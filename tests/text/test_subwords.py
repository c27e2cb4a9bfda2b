"""Pieces by merges: subword-nmt's rule by hand, Moses' words, special ids, one file."""

from __future__ import annotations

import json

import pytest

from zoo.errors import BundleError
from zoo.text import SubwordTokenizer, load_tokenizers, save_tokenizers

SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
# Learned in this order; the first version has the end of a word apart.
NEW = [
    ("l", "o"),
    ("lo", "w</w>"),
    ("e", "r</w>"),
    ("n", "e"),
    ("ne", "w"),
    ("lo", "w"),
    ("o", "o"),
]
OLD = [
    ("l", "o"),
    ("lo", "w"),
    ("low", "</w>"),
    ("r", "</w>"),
    ("e", "r</w>"),
    ("n", "e"),
    ("o", "o"),
]


def made(*words: str, merges=NEW, language: str = "en", special=SPECIAL) -> SubwordTokenizer:
    return SubwordTokenizer([*SPECIAL, *words], special, language, merges)


@pytest.mark.parametrize(
    ("merges", "word", "pieces"),
    [
        (NEW, "low", ["low"]),
        (NEW, "lower", ["low@@", "er"]),
        (NEW, "newer", ["new@@", "er"]),
        (NEW, "lowlow", ["low@@", "low"]),
        (NEW, "ooo", ["oo@@", "o"]),  # the first pair is joined, what overlaps it is not
        (NEW, "oooo", ["oo@@", "o@@", "o"]),  # the last letter is o</w>, which has no merge
        (NEW, "x", ["x"]),
        (OLD, "low", ["low"]),
        (OLD, "lower", ["low@@", "er"]),
        (OLD, "new", ["ne@@", "w"]),
        (OLD, "oooo", ["oo@@", "oo"]),
        ([], "lower", ["lower"]),
        # Of a pair that is there twice the first counts.
        ([("a", "b"), ("b", "c"), ("a", "b")], "abcd", ["ab@@", "c@@", "d"]),
    ],
)
def test_a_word_is_cut_as_subword_nmt_cuts_it(merges, word, pieces):
    tokenizer = made(merges=merges)
    assert tokenizer.split(word) == pieces


def test_text_and_back():
    # What Moses writes for a sign is a word like any other.
    quote = [("&", "q"), ("u", "o"), ("&q", "uo"), ("t", ";</w>"), ("&quo", "t;</w>")]
    words = ["low@@", "er", "new", "low", ".", "&quot;", "@-@"]
    tokenizer = made(*words, merges=[*NEW, *quote, ("ne", "w</w>")])
    text = 'A "low" lower-new.'
    pieces = ["A", "&quot;", "low", "&quot;", "low@@", "er", "@-@", "new", "."]
    assert tokenizer.split(text) == pieces
    ids = tokenizer.encode(text)
    assert tokenizer.pieces(ids) == ["<unk>", *pieces[1:]]
    assert tokenizer.decode([2, *ids, 3, 0]) == 'UNK "low" lower-new.'
    assert tokenizer.decode([4]) == "low"  # cut short


def test_what_the_vocabulary_lacks_is_not_written():
    plain = made("low", '"', "low-new")
    assert plain.split('"low-x"') == ['"', "low@@", "-@@", "x", '"']
    google = made("low", "new", "##AT##-##AT##")
    assert google.split("low-new") == ["low", "##AT##-##AT##", "ne@@", "w"]
    assert google.decode([4, 6, 5]) == "low-new"


def test_special_ids_may_be_one():
    tokenizer = made("low", special=["<pad>", "<unk>", "</s>", "</s>"])
    assert (tokenizer.pad_id, tokenizer.unk_id) == (0, 1)
    assert tokenizer.start_id == tokenizer.end_id == 3
    assert tokenizer.decode([3, 4, 3, 0]) == "low"
    assert set(tokenizer.encode("</s> <pad> <s> <unk>")) == {1}


def test_what_is_unknown_is_said():
    assert made().unknown == "characters"
    assert made(merges=[]).unknown == "words"


def test_it_is_one_file(tmp_path):
    source, target = made("low@@", "er"), made("new", merges=[], language="de")
    save_tokenizers(tmp_path, source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "source.subwords.json", "target.subwords.json",
    ]  # fmt: skip
    again, other = load_tokenizers(tmp_path)
    assert (again.words, again.merges, again.special) == (source.words, NEW, SPECIAL)
    assert again.encode("lower") == source.encode("lower") == [4, 5]
    assert (other.language, other.merges) == ("de", [])


@pytest.mark.parametrize(
    "change", [{"words": 1}, {"merges": ["a"]}, {"merges": [1]}, {"special": [1]}, {"language": 1}]
)
def test_a_file_of_something_else_is_refused(change, tmp_path):
    made("low").save(tmp_path / "tokenizer.subwords.json")
    path = tmp_path / "tokenizer.subwords.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match="is no vocabulary"):
        load_tokenizers(tmp_path)


@pytest.mark.parametrize(
    ("words", "special"),
    [(["a", "a"], SPECIAL), (["a"], ["a", "b", "c", "d"]), (["a"], SPECIAL[:3])],
)
def test_a_vocabulary_without_what_it_needs_is_refused(words, special):
    with pytest.raises(BundleError, match="has each piece once"):
        made(*words, special=special)
