"""Corpora of single texts: their files, labels, what is held out, what is drawn, articles."""

from __future__ import annotations

import collections
import gzip
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from zoo.config.recipe import Data
from zoo.data import corpora
from zoo.data.corpora.running import titled
from zoo.data.corpora.wikitext import articles
from zoo.data.examples import drawn, held_out
from zoo.errors import DataError, UnknownName

REVIEWS = {
    "train": [(f"review {i}", "pos" if i % 2 else "neg") for i in range(40)],
    "unsup": [(f"unlabelled {i}", "") for i in range(10)],
    "test": [("fine", "pos"), ("awful\nreally", "neg")],
}
QUESTIONS = [
    "DESC:manner How does it work ?",
    "NUM:count How many ? And why ?",
    "LOC:other Where ?",
]


def write(path, lines: list[str]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode("utf-8")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def rows(split: str) -> list[str]:
    """The split as lines of JSON; unlabelled reviews have no label at all."""
    return [
        json.dumps({"text": text} | ({"label": label} if label else {}))
        for text, label in REVIEWS[split]
    ]


@pytest.fixture(params=["", ".gz"], ids=["plain", "gz"])
def root(request, tmp_path, monkeypatch):
    """A ZOO_DATA folder with three corpora."""
    for name in ("ptb", "imdb", "trec6"):
        (tmp_path / name).mkdir()
    for split in ("train", "valid", "test"):
        write(tmp_path / "ptb" / f"{split}.txt{request.param}", [f" the {split} ", "", " ends "])
    for split in REVIEWS:
        write(tmp_path / "imdb" / f"{split}.jsonl{request.param}", rows(split))
    for split in ("train", "test"):
        write(tmp_path / "trec6" / f"{split}.txt{request.param}", QUESTIONS)
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    return tmp_path


def data(corpus: str, labels: tuple[str, ...] = (), **options) -> Data:
    return Data(corpus=corpus, language="en", labels=list(labels), **options)


IMDB, TREC = ("neg", "pos"), ("DESC", "LOC", "NUM")


# Files


def test_lines(root):
    """PTB's have a blank at both ends, which is no part of the text."""
    for split in ("train", "valid", "test"):
        found = corpora.load(data("ptb"), split, labelled=False)
        assert found == [(f"the {split}", ""), ("", ""), ("ends", "")]


def test_lines_of_json(root):
    assert corpora.load(data("imdb", IMDB), "test", labelled=True) == REVIEWS["test"]
    assert corpora.load(data("imdb"), "test", labelled=False) == [
        (text, "") for text, _ in REVIEWS["test"]
    ]


def test_questions_have_their_coarse_class(root):
    assert corpora.load(data("trec6", TREC), "test", labelled=True) == [
        ("How does it work ?", "DESC"),
        ("How many ? And why ?", "NUM"),
        ("Where ?", "LOC"),
    ]


def test_questions_are_in_latin_1(tmp_path):
    (tmp_path / "test.txt").write_bytes("LOC:other Where is Malmö ?\n".encode("latin-1"))
    found = corpora.load(data("trec6", TREC), "test", labelled=True, folder=tmp_path)
    assert found == [("Where is Malmö ?", "LOC")]


def test_a_language_model_reads_unlabelled_reviews_too(root):
    found = [
        text
        for split in ("train", "valid")
        for text, label in corpora.load(data("imdb"), split, labelled=False)
        if label == ""
    ]
    assert sorted(found) == sorted(text for each in ("train", "unsup") for text, _ in REVIEWS[each])


def test_a_folder_of_ones_own(root, tmp_path, monkeypatch):
    monkeypatch.delenv("ZOO_DATA")
    found = corpora.load(data("ptb"), "test", labelled=False, folder=root / "ptb")
    assert found[0] == ("the test", "")


# What is held out and what is drawn


def test_what_is_held_out_is_not_trained_on(root):
    splits = {}
    for seed in (1, 1, 2):
        parts = [
            corpora.load(data("imdb", IMDB, validation=0.2), split, labelled=True, seed=seed)
            for split in ("train", "valid")
        ]
        assert list(map(len, parts)) == [32, 8]
        order = {row: i for i, row in enumerate(REVIEWS["train"])}
        assert sorted(parts[0] + parts[1], key=order.get) == REVIEWS["train"]
        for part in parts:
            assert part == sorted(part, key=order.get)
        assert splits.setdefault(seed, parts) == parts
    assert splits[1] != splits[2]


def test_a_validation_split_of_its_own_is_used(root):
    assert len(corpora.load(data("ptb", validation=0.5), "train", labelled=False)) == 3


@pytest.mark.parametrize(("count", "share", "expected"), [(10, 0.1, 1), (3, 0.1, 1), (2, 0.9, 1)])
def test_at_least_one_is_held_out_and_one_stays(count, share, expected):
    assert held_out(count, share, 5).sum() == expected


def test_a_limit_keeps_so_many_rows_to_train_on_and_to_hold_out(root):
    """About equally many of each label; what is held out is held out of these."""
    limited = data("imdb", IMDB, limit=20)
    train, valid = (
        corpora.load(limited, each, labelled=True, seed=3) for each in ("train", "valid")
    )
    assert (len(train), len(valid)) == (18, 2)
    assert not set(train) & set(valid)
    labels = collections.Counter(label for _, label in train + valid)
    assert labels == {"neg": 10, "pos": 10}
    assert len(corpora.load(limited, "test", labelled=True)) == 2
    assert len(corpora.load(data("imdb", IMDB, limit=900), "train", labelled=True)) == 36
    # A corpus with a validation split keeps it whole.
    assert len(corpora.load(data("ptb", limit=2), "valid", labelled=False)) == 3


def test_draws_are_balanced_and_small_ones_are_part_of_large_ones():
    labels = list(np.random.default_rng(0).choice(["a", "b", "c"], p=[0.8, 0.15, 0.05], size=200))
    fewest = labels.count("c")
    before: set[int] = set()
    for count in (1, 2, 3, 10, 3 * fewest, 60, 150, 200):
        found = drawn(labels, count, seed=1)
        assert found == sorted(set(found))
        assert len(found) == count
        assert before <= set(found)
        before = set(found)
        counts = collections.Counter(labels[i] for i in found)
        if count <= 3 * fewest:
            assert max(counts.values()) - min(counts[each] for each in "abc") <= 1
    assert drawn(labels, 10, seed=1) == drawn(labels, 10, seed=1)
    assert drawn(labels, 10, seed=1) != drawn(labels, 10, seed=2)


# What is wrong


def test_unknown_names_and_splits(root):
    with pytest.raises(UnknownName, match="no corpus 'imbd'") as caught:
        corpora.load(data("imbd"), "train", labelled=False)
    assert "did you mean 'imdb'" in caught.value.hint
    with pytest.raises(DataError, match="ptb has no split 'unsup'") as caught:
        corpora.load(data("ptb"), "unsup", labelled=False)
    assert caught.value.hint == "it has train, valid, test"


def test_a_label_that_is_none_of_the_recipes(root):
    with pytest.raises(DataError, match=r"row 2: the label 'NUM' is none of DESC, LOC") as caught:
        corpora.load(data("trec6", TREC[:2]), "test", labelled=True)
    assert caught.value.hint == "change data.labels"
    write(root / "imdb" / "test.jsonl", ['{"text": "fine", "label": "pos"}', '{"text": "fine"}'])
    with pytest.raises(DataError, match="imdb test, row 2: the label '' is none of neg, pos"):
        corpora.load(data("imdb", IMDB), "test", labelled=True)


@pytest.mark.parametrize(
    ("corpus", "name", "line"),
    [
        ("imdb", "test.jsonl", '{"label": "pos"}'),
        ("imdb", "test.jsonl", '{"text": 7, "label": "pos"}'),
        ("imdb", "test.jsonl", '{"text": "seven", "label": 7}'),
        ("imdb", "test.jsonl", '["fine", "pos"]'),
        ("imdb", "test.jsonl", '{"text": "fine"'),
        ("trec6", "test.txt", "How does it work ?"),
        ("trec6", "test.txt", "DESC:manner"),
    ],
)
def test_a_broken_row_is_named(root, corpus, name, line):
    whole = {"imdb": rows("test")[0], "trec6": QUESTIONS[0]}[corpus]
    write(root / corpus / name, [whole, line])
    with pytest.raises(DataError, match=f"^{name}:2: no ") as caught:
        corpora.load(data(corpus, (*IMDB, *TREC)), "test", labelled=True)
    assert caught.value.hint == "check the corpus"


def test_files_that_are_missing_or_empty(root, monkeypatch):
    write(root / "ptb" / "test.txt", [])
    with pytest.raises(DataError, match="ptb test: no rows"):
        corpora.load(data("ptb"), "test", labelled=False)
    for path in (root / "ptb").glob("valid.*"):
        path.unlink()
    with pytest.raises(DataError, match=r"ptb has no valid\.txt"):
        corpora.load(data("ptb"), "valid", labelled=False)
    with pytest.raises(DataError, match="the corpus wikitext-2 is not here") as caught:
        corpora.load(data("wikitext-2"), "test", labelled=False)
    assert "ZOO_DATA" in caught.value.hint


# Articles of WikiText

WIKITEXT = """ 
 = Valkyria = 
 
 The well @-@ known 1 @,@ 000 pieces @-@ of @-@ work cost 3 @.@ 5 . 
 
 = = Reception = = 
 
 = Goals ; A = 
 It sold .
 
 = M = 
 
 M is a letter . 
"""  # noqa: W291, W293


@pytest.mark.parametrize("ends", [False, True], ids=["files", "hub"])
def test_articles_are_put_together(ends):
    """A table's row is no heading; the hub's lines end with a line break."""
    assert articles(WIKITEXT.splitlines(keepends=ends)) == [
        "= Valkyria =\nThe well-known 1,000 pieces-of-work cost 3.5 .\n"
        "= = Reception = =\n= Goals ; A =\nIt sold .",
        "= M =\nM is a letter .",
    ]


def test_text_before_the_first_heading_is_an_article():
    assert articles(["It began .", "", " = M = ", "", "M ."]) == ["It began .", "= M =\nM ."]


# The hub


@pytest.fixture
def hub(monkeypatch):
    """A fake `datasets`: what it was asked for, and the rows that it answers with."""
    monkeypatch.delenv("ZOO_DATA", raising=False)
    asked, answer = [], {}

    class Rows(list):
        features: dict

    def load_dataset(name, config, *, split, revision):
        asked.append((name, config, split, revision))
        found = Rows(answer["rows"])
        found.features = answer["features"]
        return found

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return asked, answer


def test_texts_of_the_hub(hub):
    asked, answer = hub
    answer |= {"rows": [{"sentence": "the cat"}], "features": {"sentence": None}}
    found = corpora.load(data("ptb", hub="ptb", revision="abc"), "valid", labelled=False)
    assert found == [("the cat", "")]
    assert asked == [("ptb", None, "validation", "abc")]


def test_labels_of_the_hub_are_names(hub):
    asked, answer = hub
    names = SimpleNamespace(names=["neg", "pos"])
    answer |= {
        "rows": [{"text": "fine", "label": 1}, {"text": "awful", "label": 0}],
        "features": {"text": None, "label": names},
    }
    found = corpora.load(data("imdb", IMDB, hub="imdb"), "test", labelled=True)
    assert found == [("fine", "pos"), ("awful", "neg")]
    answer["rows"] = [{"text": "so so", "label": -1}] * 4
    assert len(corpora.load(data("imdb", hub="imdb"), "train", labelled=False)) == 7
    assert [split for _, _, split, _ in asked] == ["test", "train", "unsupervised"]


def test_a_hub_that_does_not_answer(hub):
    with pytest.raises(DataError, match=r"ptb could not be fetched from the hub \(ptb\)"):
        corpora.load(data("ptb", hub="ptb"), "valid", labelled=False)


def test_a_novel_or_chapter_begins_at_its_title():
    lines = ["no title", "= One =", "== a part ==", "", " text = of one ", "= Two: the end =", "."]
    assert titled(lines) == [
        "no title", "= One =\n== a part ==\ntext = of one", "= Two: the end =\n."
    ]  # fmt: skip
    assert titled(["", " "]) == []


@pytest.mark.parametrize(("name", "chapters"), [("openstax-cc-by", 22), ("eltec-eng-novels", 2)])
def test_the_shared_files_are_read_as_whole_texts(name, chapters):
    root = os.environ.get("ZOO_DATA", "")
    if not root or not Path(root, name).is_dir():
        pytest.skip("ZOO_DATA does not hold it")
    texts = [text for text, _ in corpora.load(data(name), "test", labelled=False, whole=True)]
    assert len(texts) == chapters
    assert all(text.startswith("= ") for text in texts)
