"""Sentences with tags: columns, CoNLL-U, tables, the real corpora, and what is refused."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from zoo.config.recipe import Data
from zoo.config.recipe import load as recipe
from zoo.data import conll, corpora
from zoo.data.columns import PLAIN, TableOptions
from zoo.data.matching import Roles
from zoo.errors import DataError, OptionError
from zoo.tasks.tag import Tag

ROLES = Roles((("words", "tags"), ("tokens", "ner_tags"), ("words", "labels")))
ZOO_DATA = os.environ.get("ZOO_DATA")
COLUMNS = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
# NN I-NP O
British JJ I-NP I-MISC

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER
"""
UNIVERSAL = """# sent_id = 1
# text = don't go
1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tdo\tdo\tAUX\tVBP\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
2.1\tyou\tyou\tPRON\tPRP\t_\t_\t_\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_

1\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
"""


def read(data, targets=None, table=PLAIN) -> list[tuple]:
    return [(words, tags) for words, tags, _ in conll.read(data, targets, ROLES, table)]


@pytest.fixture
def write(tmp_path):
    def file(text: str, name: str = "mine.txt") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return file


def test_columns_become_iob2(write):
    expected = [
        (("EU", "#", "British"), ("B-ORG", "O", "B-MISC")),
        (("Peter", "Blackburn"), ("B-PER", "I-PER")),
    ]
    assert read(write(COLUMNS)) == expected
    assert read(write(COLUMNS.replace(" ", "\t"), "mine.tsv")) == expected
    asked = TableOptions.of(columns={"tags": "2"})
    assert read(write(COLUMNS), table=asked)[1][1] == ("NNP", "NNP")
    packed = write("", "mine.conll").with_suffix(".conll.gz")
    packed.write_bytes(gzip.compress(COLUMNS.encode()))
    assert read(packed) == expected


def test_ranges_and_empty_nodes_of_conllu_are_no_words(write):
    path = write(UNIVERSAL, "mine.conllu")
    assert read(path) == [
        (("do", "n't", "go"), ("AUX", "PART", "VERB")), (("go",), ("VERB",)),
    ]  # fmt: skip
    asked = TableOptions.of(columns={"tags": "xpos", "words": "lemma"})
    assert read(path, table=asked)[0] == (("do", "not", "go"), ("VBP", "RB", "VB"))


def test_tables_of_words_and_tags(write):
    rows = [(("Ada", "met"), ("B-PER", "O")), (("Bob",), ("B-PER",))]
    lines = "\n".join(json.dumps({"words": words, "tags": tags}) for words, tags in rows)
    assert read(write(lines, "mine.jsonl")) == rows
    assert read(rows) == rows
    assert read([words for words, _ in rows], [tags for _, tags in rows]) == rows
    assert read({"words": [list(w) for w, _ in rows], "tags": [list(t) for _, t in rows]}) == rows
    assert read(write("words,tags\nAda met,B-PER O\nBob,B-PER\n", "mine.csv")) == rows


def test_class_numbers_of_data_sets_become_names():
    import datasets

    names = ["O", "B-PER", "I-PER"]
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=names)),
        }
    )
    rows = {"id": ["0", "1"], "tokens": [["Ada", "met"], ["Bob"]], "ner_tags": [[1, 0], [1]]}
    data = datasets.Dataset.from_dict(rows, features=features)
    expected = [(("Ada", "met"), ("B-PER", "O")), (("Bob",), ("B-PER",))]
    assert read(data) == expected
    corpus = corpora.corpus("conll2003")
    assert [(e.given, e.wanted) for e in corpus.read_rows(data)] == expected


def test_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"words": [["Ada", "met"]], "tags": [["B-PER", "O"]]})
    assert read(frame) == [(("Ada", "met"), ("B-PER", "O"))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("EU\nrejects\n", r"mine.txt:1: one column, so there is no tag"),
        ("EU B-ORG\nrejects\n", r"mine.txt:2: 1 column, expected 2"),
        ("EU B-ORG\nrejects VERB\n", r"mine.txt:2: the tag 'VERB' is no IOB"),
        ("\n\n", r"no sentences in mine.txt"),
    ],
)
def test_files_that_are_refused(write, text, message):
    with pytest.raises(DataError, match=message):
        read(write(text))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(["a", "b"], ["O"])], r"row 1: 2 words, but 1 tag"),
        ([(["a"], ["O"]), (["a"], ["O", "O"])], r"row 2: 1 word, but 2 tags"),
        ([(["a", 3], ["O", "O"])], r"row 1: word 2 is int, not text"),
        ([(["a"], [1])], r"row 1: tag 1 is int, not text\n.*names"),
        ([(["a", "b"], ["B-PER", "PERSON"])], r"row 1, word 2: the tag 'PERSON' is no IOB"),
        ([([], [])], r"row 1: no words"),
        ([(3, ["O"])], r"row 1: the words is int, not a list"),
    ],
)
def test_rows_that_are_refused(rows, message):
    with pytest.raises(DataError, match=message):
        read(rows)


def test_columns_that_are_not_there(write):
    with pytest.raises(DataError, match=r"no column '9'\n.*1 to 4"):
        read(write(COLUMNS), table=TableOptions.of(columns={"tags": "9"}))
    with pytest.raises(DataError, match=r"no column 'pos'\n.*upos"):
        read(write(UNIVERSAL), table=TableOptions.of(columns={"tags": "pos"}))
    with pytest.raises(OptionError, match="there is no column 'label'"):
        read(write(COLUMNS), table=TableOptions.of(columns={"label": "2"}))
    with pytest.raises(DataError, match="is not there"):
        read(Path("/nowhere/mine.txt"))


def test_a_model_reads_by_its_task(write):
    made = recipe("bert2018-ner")
    examples = Tag.read(made, write(COLUMNS))
    assert examples[1].given == ("Peter", "Blackburn")
    assert Tag.labels_of(examples)[:3] == ["O", "B-MISC", "I-MISC"]


# The real corpora


@pytest.mark.skipif(not ZOO_DATA, reason="ZOO_DATA is not set")
def test_conll2003_has_the_counts_of_its_paper():
    if not Path(ZOO_DATA, "conll2003").is_dir():
        pytest.skip("no conll2003")
    counts = {
        "train": (14041, 203621, (7140, 3438, 6321, 6600)),
        "valid": (3250, 51362, (1837, 922, 1341, 1842)),
        "test": (3453, 46435, (1668, 702, 1661, 1617)),
    }  # table 2 of Tjong Kim Sang and De Meulder 2003; -DOCSTART- lines are no sentences here
    data = recipe("bert2018-ner").data
    for split, (sentences, words, kinds) in counts.items():
        rows = corpora.load(data, split)
        tags = Counter(tag for _, wanted in rows for tag in wanted)
        assert len(rows) == sentences
        assert sum(len(given) for given, _ in rows) == words
        assert tuple(tags[f"B-{kind}"] for kind in ("LOC", "MISC", "ORG", "PER")) == kinds
        assert {*tags} <= {*data.labels}


@pytest.mark.skipif(not ZOO_DATA, reason="ZOO_DATA is not set")
def test_the_english_web_treebank():
    if not Path(ZOO_DATA, "ud-english-ewt").is_dir():
        pytest.skip("no ud-english-ewt")
    data = recipe("bert2018-pos").data
    for split, sentences, words in (("valid", 2001, 25147), ("test", 2077, 25094)):
        rows = corpora.load(data, split)
        assert (len(rows), sum(len(given) for given, _ in rows)) == (sentences, words)
        assert {tag for _, tags in rows for tag in tags} <= {*data.labels}


def test_a_sample_of_a_corpus_is_drawn_evenly(tmp_path):
    rows = "".join(f"w{i} {'B-PER' if i % 50 == 0 else 'O'}\n\n" for i in range(1000))
    (tmp_path / "train.txt").write_text(rows, encoding="utf-8")
    data = Data(corpus="conll2003", language="en", labels=["O", "B-PER"], limit=100)
    found = corpora.load(data, "train", folder=tmp_path)
    assert len(found) == 100
    assert 0 < sum("B-PER" in tags for _, tags in found) < 15  # not one of each kind of sentence
