"""Corpora by name: the rule that splits Tatoeba, folders as they lie, the hub."""

from __future__ import annotations

import gzip
import os
import sys
import types
from pathlib import Path

import pytest

from zoo.config import recipe
from zoo.data import corpora
from zoo.data.corpora.tatoeba import split_tatoeba, tatoeba_split
from zoo.data.examples import with_references
from zoo.errors import DataError, UnknownName

ROWS = [("Go.", "Va !"), ("Hi.", "Salut !"), ("I am cold.", "J'ai froid.")]


def data(corpus: str, source: str, target: str, **more) -> recipe.Data:
    return recipe.Data(corpus=corpus, source=source, target=target, max_length=64, **more)


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    return tmp_path


def write(path: Path, lines: list[str]) -> None:
    """Write UTF-8 lines, gzipped if the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


# The rule


@pytest.mark.parametrize(
    ("number", "remainder", "split"),
    [
        (307, 0, "valid"), (60, 9, "valid"), (151, 10, "test"), (29, 24, "test"),
        (657, 25, "aside"), (50, 39, "aside"), (5074, 40, "train"), (3600, 999, "train"),
    ],
)  # fmt: skip
def test_the_remainder_decides(number, remainder, split):
    """sha256 of "i have N cats", as `sha256sum` prints it, modulo 1000 is the remainder."""
    assert tatoeba_split(f"I have {number} cats.") == split, remainder


@pytest.mark.parametrize(
    "written",
    ["I have 307 cats.", "i HAVE 307 cats", "  I have... 307 - cats?!", "I\thave 307 cats"],
)
def test_case_and_punctuation_do_not_count(written):
    assert tatoeba_split(written) == "valid"


def test_letters_do_count():
    splits = {tatoeba_split(f"I have 307 cat{end}") for end in ("s", "s x", "sé", "s_", "")}
    assert splits == {"valid", "train"}


def test_splitting_the_public_file():
    rows = [
        ("I have 307 cats.", "J'ai 307 chats."),
        ("I have 307 cats.", "J'ai 307 chats."),
        ("I have 307 cats!", "J'ai\u202f307\u00a0chats\u202f!"),
        ("I have 151 cats.", "J'ai 151 chats."),
        ("I have 657 cats.", "J'ai 657 chats."),
        ("I have 5074 cats.", "J'ai 5074 chats."),
    ]
    found = {split: split_tatoeba(rows, split) for split in ("train", "valid", "test")}
    assert found == {
        "train": [rows[5]],
        "valid": [rows[0], ("I have 307 cats!", "J'ai 307 chats !")],
        "test": [rows[3]],
    }


@pytest.mark.skipif("ZOO_DATA" not in os.environ, reason="needs the corpus in ZOO_DATA")
@pytest.mark.parametrize("split", ["valid", "test"])
def test_the_rule_gives_the_corpus_own_splits(split):
    pairs = corpora.load(data("tatoeba-en-fr", "en", "fr"), split)
    assert len(pairs) > 1000
    assert {tatoeba_split(english) for english, _ in pairs} == {split}
    assert split_tatoeba(pairs, split) == pairs  # no duplicates, no no-break spaces


# Folders


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_file_for_each_language(root, end):
    for split, name in {"train": "train", "valid": "val", "test": "test_2016_flickr"}.items():
        write(root / "multi30k" / f"{name}.de{end}", [f"Hund {split}", "Katze"])
        write(root / "multi30k" / f"{name}.en{end}", [f"dog {split}", "cat"])
    for split in ("train", "valid", "test"):
        loaded = corpora.load(data("multi30k", "de", "en"), split)
        assert loaded == [(f"Hund {split}", f"dog {split}"), ("Katze", "cat")]
    assert corpora.load(data("multi30k", "en", "de"), "test")[1] == ("cat", "Katze")


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_table(root, end):
    lines = ["\t".join(row) for row in ROWS]
    lines[1] += "\tCC-BY 2.0 (France) Attribution: tatoeba.org #1"
    write(root / "tatoeba-en-fr" / f"test.tsv{end}", lines)
    assert corpora.load(data("tatoeba-en-fr", "en", "fr"), "test") == ROWS
    turned = corpora.load(data("tatoeba-en-fr", "fr", "en"), "test")
    assert turned == [(french, english) for english, french in ROWS]
    with pytest.raises(DataError, match="has en and fr, not en and de"):
        corpora.load(data("tatoeba-en-fr", "en", "de"), "test")


@pytest.mark.parametrize("end", ["", ".gz"])
def test_the_public_file_is_split_by_the_rule(root, end):
    numbers = {"valid": 60, "test": 29, "train": 3600}
    lines = [f"I have {number} cats.\tJ'ai {number} chats.\tby" for number in numbers.values()]
    write(root / "tatoeba-en-fr" / f"fra.txt{end}", lines)
    for split, number in numbers.items():
        found = corpora.load(data("tatoeba-en-fr", "fr", "en"), split)
        assert found == [(f"J'ai {number} chats.", f"I have {number} cats.")]


def test_a_folder_may_be_named(tmp_path):
    write(tmp_path / "test.tsv", ["\t".join(row) for row in ROWS])
    assert corpora.load(data("tatoeba-en-fr", "en", "fr"), "test", folder=tmp_path) == ROWS


def test_limit_is_for_training(root):
    for split in ("train", "test"):
        write(root / "tatoeba-en-fr" / f"{split}.tsv", ["\t".join(row) for row in ROWS])
    wanted = data("tatoeba-en-fr", "en", "fr", limit=2)
    assert corpora.load(wanted, "train") == ROWS[:2]
    assert corpora.load(wanted, "test") == ROWS


def test_pairs_with_an_empty_side_are_left_out(root):
    write(
        root / "tatoeba-en-fr" / "test.tsv", ["Go.\tVa !", "\tRien", "Nothing\t ", "Hi.\tSalut !"]
    )
    assert corpora.load(data("tatoeba-en-fr", "en", "fr"), "test") == ROWS[:2]


def test_references_of_one_source_come_together():
    pairs = [("a", "b"), ("c", "d"), ("a", "e")]
    assert with_references(pairs) == [("a", ["b", "e"]), ("c", ["d"])]


# What is wrong


def test_not_utf_8(root):
    (root / "multi30k").mkdir()
    (root / "multi30k" / "train.de").write_bytes("schön\n".encode("latin-1"))
    (root / "multi30k" / "train.en").write_bytes(b"nice\n")
    with pytest.raises(DataError, match=r"train\.de:1: not UTF-8 \(byte 0xf6\)") as caught:
        corpora.load(data("multi30k", "de", "en"), "train")
    assert "iconv" in caught.value.hint


def test_a_wrong_number_of_columns(root):
    write(root / "tatoeba-en-fr" / "train.tsv", ["Go.\tVa !", "Go."])
    with pytest.raises(DataError, match=r"train\.tsv:2: 1 column, expected 2"):
        corpora.load(data("tatoeba-en-fr", "en", "fr"), "train")


def test_sides_of_different_length(root):
    write(root / "multi30k" / "train.de", ["a", "b"])
    write(root / "multi30k" / "train.en", ["a"])
    with pytest.raises(DataError, match=r"train\.de has 2 lines, .*train\.en 1"):
        corpora.load(data("multi30k", "de", "en"), "train")


@pytest.mark.parametrize("lines", [[], [" \t "]])
def test_no_rows(root, lines):
    write(root / "tatoeba-en-fr" / "train.tsv", lines)
    with pytest.raises(DataError, match="tatoeba-en-fr train: no rows"):
        corpora.load(data("tatoeba-en-fr", "en", "fr"), "train")


def test_a_split_that_is_not_there(root):
    write(root / "multi30k" / "train.de", ["a"])
    with pytest.raises(DataError, match="no split 'train'") as caught:
        corpora.load(data("multi30k", "de", "en"), "train")
    assert "train.de and train.en" in caught.value.hint


def test_a_damaged_file(root):
    write(root / "tatoeba-en-fr" / "train.tsv.gz", ["Go.\tVa !"] * 200)
    path = root / "tatoeba-en-fr" / "train.tsv.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"train\.tsv\.gz cannot be read"):
        corpora.load(data("tatoeba-en-fr", "en", "fr"), "train")


def test_an_unknown_corpus():
    with pytest.raises(UnknownName, match="did you mean 'multi30k'"):
        corpora.load(data("multi30", "de", "en"), "train")


def test_neither_folder_nor_hub(root):
    with pytest.raises(DataError, match="multi30k is not here") as caught:
        corpora.load(data("multi30k", "de", "en"), "train")
    assert "ZOO_DATA" in caught.value.hint


# The hub


@pytest.fixture
def hub(monkeypatch):
    """`datasets`, replaced: what it was asked for, and what it answers."""
    asked, answer = [], {"rows": []}

    def load_dataset(name, config, *, split, revision, streaming=False):
        asked.append((name, config, split, revision, streaming))
        if isinstance(answer["rows"], Exception):
            raise answer["rows"]
        return iter(answer["rows"]) if streaming else answer["rows"]

    module = types.ModuleType("datasets")
    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.delenv("ZOO_DATA", raising=False)
    return asked, answer


def test_columns_named_by_language(hub):
    asked, answer = hub
    answer["rows"] = [{"en": "dog", "de": "Hund"}, {"en": "cat", "de": "Katze"}]
    wanted = data("multi30k", "de", "en", hub="bentrevett/multi30k", revision="abc")
    assert corpora.load(wanted, "valid") == [("Hund", "dog"), ("Katze", "cat")]
    assert asked == [("bentrevett/multi30k", None, "validation", "abc", False)]


def test_translations_and_a_limit_that_streams(hub):
    asked, answer = hub
    rows = [{"translation": {"de": f"de {i}", "en": f"en {i}"}} for i in range(9)]
    answer["rows"] = rows
    wanted = data("wmt14-de-en", "en", "de", hub="wmt/wmt14", hub_config="de-en", limit=3)
    found = corpora.load(wanted, "train")
    assert found == [(f"en {i}", f"de {i}") for i in range(3)]
    assert len(corpora.load(wanted, "test")) == 9
    assert asked == [
        ("wmt/wmt14", "de-en", "train", None, True),
        ("wmt/wmt14", "de-en", "test", None, True),
    ]


def test_tatoeba_is_one_split_there_and_split_by_the_rule(hub):
    asked, answer = hub
    answer["rows"] = [
        {"id": str(number), "translation": {"en": f"I have {number} cats.", "fr": str(number)}}
        for number in (307, 151, 3600)
    ]
    wanted = data("tatoeba-en-fr", "fr", "en", hub="Helsinki-NLP/tatoeba", hub_config="en-fr")
    assert corpora.load(wanted, "valid") == [("307", "I have 307 cats.")]
    assert corpora.load(wanted, "test") == [("151", "I have 151 cats.")]
    assert {split for _, _, split, _, _ in asked} == {"train"}


def test_a_folder_wins_over_the_hub(hub, tmp_path, monkeypatch):
    asked, _ = hub
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    write(tmp_path / "tatoeba-en-fr" / "test.tsv", ["\t".join(row) for row in ROWS])
    wanted = data("tatoeba-en-fr", "en", "fr", hub="Helsinki-NLP/tatoeba")
    assert corpora.load(wanted, "test") == ROWS
    assert asked == []


def test_no_network(hub):
    _, answer = hub
    answer["rows"] = ConnectionError("cannot reach the hub")
    with pytest.raises(DataError, match=r"\(bentrevett/multi30k\): cannot reach") as caught:
        corpora.load(data("multi30k", "de", "en", hub="bentrevett/multi30k"), "train")
    assert "ZOO_DATA" in caught.value.hint


def test_columns_of_other_names(hub):
    _, answer = hub
    answer["rows"] = [{"english": "dog", "german": "Hund"}]
    with pytest.raises(DataError, match="has english, german, not de and en"):
        corpora.load(data("multi30k", "de", "en", hub="bentrevett/multi30k"), "train")
