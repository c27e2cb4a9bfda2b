"""Corpora of GLUE: each file's columns, header, quotation marks and label names."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from zoo.config import recipe as recipes
from zoo.config.recipe import Data
from zoo.config.tasks import task_class
from zoo.data import corpora
from zoo.errors import DataError

BASE = recipes.load("ulmfit2018-imdb")
SENTIMENT = ["negative", "positive"]
ACCEPTED = ["unacceptable", "acceptable"]
EQUIVALENT = ["not_equivalent", "equivalent"]
ENTAILED = ["entailment", "not_entailment"]

# A few lines of each file, with what is in them.
FILES = {
    "sst2": (
        "tsv",
        "sentence\tlabel\nit 's a charming journey . \t1\n\"ugly\t0\n",
        SENTIMENT,
        [("it 's a charming journey .", "positive"), ('"ugly', "negative")],
    ),
    "cola": (
        "tsv",
        'gj04\t1\t\tIt "works".\ngj04\t0\t*\tWorks it.\n',
        ACCEPTED,
        [('It "works".', "acceptable"), ("Works it.", "unacceptable")],
    ),
    "rte": (
        "tsv",
        "index\tsentence1\tsentence2\tlabel\n0\tA man \tA \"cat\tnot_entailment\n",
        ENTAILED,
        [(("A man", 'A "cat'), "not_entailment")],
    ),
    "mrpc": (
        "txt",
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\tHe ran.\t\"He ran.\"\r\n",
        EQUIVALENT,
        [(("He ran.", '"He ran."'), "equivalent")],
    ),
    "stsb": (
        "csv",
        "news\tMSR\t2012\t0000\t4.750\tA \"man\tA boy\nnews\tMSR\t2012\t0001\t0\tA\tB\ts\ts\n",
        [],
        [(('A "man', "A boy"), 4.75), (("A", "B"), 0.0)],
    ),
}  # fmt: skip
SPLITS = {
    "sst2": {"train": ["train"], "dev": ["dev"], "test": ["test-labeled"]},
    "cola": {"train": ["train", "val"], "test": ["dev"]},
    "rte": {"train": ["train", "val"], "test": ["dev"]},
    "mrpc": {"train": ["train"], "test": ["test"]},
    "stsb": {"train": ["train"], "valid": ["dev"], "test": ["test"]},
}


def rows(made):
    return task_class(made.task).load(made, "test")


def data(corpus: str, **options) -> Data:
    return Data(corpus=corpus, language="en", labels=FILES[corpus][2], **options)


@pytest.fixture(params=["", "glue"], ids=["beside", "in-glue"])
def root(request, tmp_path, monkeypatch):
    """A ZOO_DATA folder with these corpora, by themselves or in one of GLUE."""
    for name, (ending, text, _, _) in FILES.items():
        folder = tmp_path / request.param / name
        folder.mkdir(parents=True)
        for files in SPLITS[name].values():
            for file in files:
                (folder / f"{file}.{ending}").write_text(text, "utf-8", newline="")
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_rows(root, name):
    wanted = FILES[name][3]
    for split, files in SPLITS[name].items():
        if split != "train" or "valid" in SPLITS[name]:
            assert corpora.load(data(name), split, labelled=True) == wanted * len(files)
    if "valid" not in SPLITS[name] and len(wanted) > 1:
        parts = [corpora.load(data(name), each, labelled=True) for each in ("train", "valid")]
        assert len(parts[1]) == 1
        assert sorted(parts[0] + parts[1]) == sorted(wanted * len(SPLITS[name]["train"]))


def test_files_without_a_header_lose_no_row(root):
    for path in root.rglob("rte/val.tsv"):
        path.write_text("7\tA dog\tA cat\tentailment\n", "utf-8")
    found = corpora.load(data("rte", validation=0.4), "train", labelled=True)
    found += corpora.load(data("rte", validation=0.4), "valid", labelled=True)
    assert (("A dog", "A cat"), "entailment") in found
    assert len(found) == 2


def test_a_language_model_reads_each_text(root):
    found = corpora.load(data("rte"), "test", labelled=False)
    assert found == [("A man", ""), ('A "cat', "")]
    assert corpora.load(data("sst2"), "test", labelled=False)[1] == ('"ugly', "")


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("sst2", "good", "1 column, expected 2"),
        ("sst2", "good\t2", "the label '2' is neither 0 nor 1"),
        ("cola", "gj04\t1\tx", "3 columns, expected 4"),
        ("mrpc", "x\t1\t2\ta\tb", "the label 'x' is neither 0 nor 1"),
        ("stsb", "a\tb\tc\td\tfive\te\tf", "the score is 'five'"),
        ("stsb", "a\tb\tc\td\t5", "5 columns, expected 7"),
    ],
)
def test_a_broken_row_is_named(root, name, line, message):
    ending, text, _, _ = FILES[name]
    for path in root.rglob(f"{name}/*.{ending}"):
        path.write_text(f"{text}{line}\n", "utf-8")
    number = len(text.splitlines()) + 1
    with pytest.raises(DataError, match=rf"^[\w-]+\.{ending}:{number}: {message}"):
        corpora.load(data(name), "test", labelled=True)


def test_numbers_need_no_labels_and_labels_are_no_numbers(root):
    with pytest.raises(DataError, match=r"stsb test, row 1: the label '4\.75' is none of a, b"):
        corpora.load(data("stsb").model_copy(update={"labels": ["a", "b"]}), "test", labelled=True)
    with pytest.raises(DataError, match="mrpc test, row 1: the label 'equivalent' is no number"):
        corpora.load(data("mrpc").model_copy(update={"labels": []}), "test", labelled=True)
    assert len(corpora.load(data("stsb", limit=1), "train", labelled=True)) == 1


def test_a_task_on_pairs_needs_a_corpus_of_pairs(root):
    pairs = {"task": "similarity", "data.corpus": "mrpc", "data.labels": EQUIVALENT}
    assert len(rows(BASE.changed(pairs))) == 1
    numbers = {"data.corpus": "stsb", "data.labels": [], "evaluate.metric": "pearson"}
    assert rows(BASE.changed(pairs | numbers))[0][1] == 4.75
    # So many of these are measured on, whatever their numbers are.
    few = BASE.changed(pairs | numbers | {"evaluate.limit": 1})
    assert len(task_class(few.task).load_test(few)) == 1
    with pytest.raises(DataError, match=r"each row of sst2 is a text\n.*'entail'"):
        rows(BASE.changed({"task": "entail", "data.corpus": "sst2"}))
    with pytest.raises(DataError, match=r"each row of rte is a pair\n.*'classify'"):
        rows(BASE.changed({"data.corpus": "rte"}))


def test_the_hub_has_the_same(monkeypatch):
    """Its training rows are those of two files; labels have names, scores are numbers."""
    monkeypatch.delenv("ZOO_DATA", raising=False)
    asked, answer = [], {}

    class Rows(list):
        features: dict

    def load_dataset(name, config, *, split, revision):
        asked.append((name, config, split))
        found = Rows(answer["rows"])
        found.features = answer["features"]
        return found

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    row = {"sentence1": "a", "sentence2": "b", "label": 1, "idx": 0}
    names = SimpleNamespace(names=ENTAILED)
    answer |= {"rows": [row] * 3, "features": dict.fromkeys(row) | {"label": names}}
    found = corpora.load(data("rte", hub="glue", hub_config="rte"), "train", labelled=True)
    assert found == [(("a", "b"), "not_entailment")] * 2
    corpora.load(data("rte", hub="glue", hub_config="rte"), "test", labelled=True)
    assert asked == [("glue", "rte", "train"), ("glue", "rte", "validation")]
    answer |= {"rows": [row | {"label": 2.5}], "features": dict.fromkeys(row)}
    assert corpora.load(data("stsb", hub="glue"), "valid", labelled=True) == [(("a", "b"), 2.5)]
    row = {"sentence": "a", "label": 0}
    answer |= {
        "rows": [row], "features": dict.fromkeys(row) | {"label": SimpleNamespace(names=SENTIMENT)},
    }  # fmt: skip
    assert corpora.load(data("sst2", hub="glue"), "dev", labelled=True) == [("a", "negative")]
    assert asked[-1] == ("glue", None, "validation")
