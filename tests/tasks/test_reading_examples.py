"""Examples of two texts, and of a context with answers, out of everything that holds them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from zoo.config.recipe import load
from zoo.config.tasks import task_class
from zoo.errors import DataError

LABELLED, NUMBERED = load("gpt1-sst2"), load("gpt1-stsb")


def read_entailments(data, targets=None):
    return task_class("entail").read(LABELLED, data, targets)


def read_similarities(data, targets=None, numbers=False):
    return task_class("similarity").read(NUMBERED if numbers else LABELLED, data, targets)


def read_choices(data, targets=None):
    return task_class("choose").read(LABELLED, data, targets)


PAIRS = [("It rains.", "It is wet."), ("It rains.", "It is dry.")]
LABELS = ["yes", "no"]
ENTAILED = list(zip(PAIRS, LABELS, strict=True))
SCORED = list(zip(PAIRS, [4.5, 1.0], strict=True))
QUESTIONS = [("The sky is", ("blue", "green", "red")), ("Grass is", ("blue", "green", "red"))]
CHOSEN = list(zip(QUESTIONS, [0, 1], strict=True))


def table(rows, *names) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in ([names, *rows] if names else rows))


# Entailment


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("Premise", "HYPOTHESIS", "label"),
        ("sentence1", "sentence2", "label"),
        ("text", "hypothesis", "label"),
    ],
)
def test_files_of_entailments(tmp_path, names):
    path = tmp_path / "mine.tsv"
    path.write_text(table([(*pair, label) for pair, label in ENTAILED], *names), "utf-8")
    assert read_entailments(path) == ENTAILED
    path = tmp_path / "mine.jsonl"
    names = names or ("one", "two", "three")
    rows = [dict(zip(names, (*pair, label), strict=True)) for pair, label in ENTAILED]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert read_entailments(path) == ENTAILED


def test_entailments_in_memory():
    premises, hypotheses = map(list, zip(*PAIRS, strict=True))
    triples = [(*pair, label) for pair, label in ENTAILED]
    columns = {"id": [1, 2], "hypothesis": hypotheses, "premise": premises}
    for data, targets in (
        (PAIRS, LABELS),
        ([list(pair) for pair in PAIRS], np.array(LABELS)),
        (iter(PAIRS), iter(LABELS)),
        (triples, None),
        (columns | {"label": LABELS}, None),
        (columns, LABELS),
        ([{"sentence1": a, "sentence2": b, "label": c} for a, b, c in triples], None),
    ):
        assert read_entailments(data, targets) == ENTAILED
    assert read_entailments(PAIRS, [1, np.int64(0)]) == [(PAIRS[0], "1"), (PAIRS[1], "0")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_entailments_of_frames_and_data_sets():
    pandas, datasets = pytest.importorskip("pandas"), pytest.importorskip("datasets")
    rows = [{"premise": a, "hypothesis": b, "label": c} for (a, b), c in ENTAILED]
    frame = pandas.DataFrame(rows)
    assert read_entailments(frame) == ENTAILED
    assert read_entailments(frame[["premise", "hypothesis"]], frame["label"]) == ENTAILED
    assert read_entailments(datasets.Dataset.from_list(rows)) == ENTAILED


@pytest.mark.parametrize(
    ("data", "targets", "message"),
    [
        ([("a", "b", None)], None, "row 1: the label is missing"),
        ([("a", "b", "x"), ("a", " ", "x")], None, "row 2: the hypothesis is empty"),
        ([("a", 3)], ["x"], "row 1: the hypothesis is int, not text"),
        ([("a", "b", 0.5)], None, "row 1: the label is float, not text"),
        ([("a", "b")], None, "row 1: 2 columns, expected 3"),
        (["a"], ["x"], r"row 1: one str instead of a pair\n.*\(premise, hypothesis\) pairs$"),
        (["a"], None, r"row 1: one str instead of a triple\n.*second list with the labels"),
        (PAIRS, ["x"], r"2 rows, but 1 label\n.*each row needs one label"),
        (PAIRS, "xy", "labels cannot be read from str"),
        (PAIRS, 3, "labels cannot be read from int"),
        ([], None, "no rows in the list"),
        ([], [], "no rows in the list"),
        (
            {"a": ["b"], "c": ["d"]},
            None,
            r"found 2 columns: a, c\n.*three 'premise', 'hypothesis' and 'label' or 'sentence1'",
        ),
    ],
)
def test_bad_entailments(data, targets, message):
    with pytest.raises(DataError, match=message):
        read_entailments(data, targets)


def test_a_bad_file_says_where(tmp_path):
    path = tmp_path / "mine.tsv"
    for text, message in (
        ("premise\thypothesis\tlabel\na\tb\tx\na\tb\n", r"mine\.tsv:3: 2 columns, expected 3"),
        ("premise\thypothesis\tlabel\na\t\tx\n", r"mine\.tsv:2: the hypothesis is empty"),
        ("premise\thypothesis\tlabel\n", r"no rows in mine\.tsv"),
        ("premise\thypothesis\nb\tx\n", r"mine\.tsv:1: found 2 columns"),
    ):
        path.write_text(text, "utf-8")
        with pytest.raises(DataError, match=message):
            read_entailments(path)


# Similarity


@pytest.mark.parametrize("names", [("sentence1", "sentence2"), ("Question1", "question2"), ()])
def test_similarity_is_a_label_or_a_number(tmp_path, names):
    path = tmp_path / "mine.tsv"

    def read(*values, last="label", **options):
        rows = [(*pair, value) for pair, value in zip(PAIRS, values, strict=True)]
        path.write_text(table(rows, *((*names, last) if names else ())), "utf-8")
        return [label for _, label in read_similarities(path, **options)]

    assert read("same", "other") == ["same", "other"]
    assert read("1", "0") == ["1", "0"]
    assert read("1", "0", numbers=True) == [1.0, 0.0]
    assert read("4.5", "1") == [4.5, 1.0]
    assert read("1.000", "0.000") == [1.0, 0.0]
    if names:
        assert read("1", "0", last="score") == read("1", "0", last="Similarity") == [1.0, 0.0]


def test_similarities_in_memory():
    assert read_similarities(PAIRS, [4.5, 1]) == SCORED
    assert read_similarities(PAIRS, np.array([4.5, 1.0], dtype="float32")) == SCORED
    assert read_similarities(PAIRS, [1, 0]) == [(PAIRS[0], "1"), (PAIRS[1], "0")]
    assert read_similarities(PAIRS, ["4.5", "inf"][:1] * 2)[1] == (PAIRS[1], 4.5)
    assert read_similarities(PAIRS, ["a", "b"], numbers=True)[1] == (PAIRS[1], "b")
    with pytest.raises(DataError, match="row 1: the label is 'a', not a number"):
        read_similarities(PAIRS, ["a", 3], numbers=True)
    for wrong in ("far", "nan", "inf", None, float("nan"), np.float32("nan")):
        with pytest.raises(DataError, match=r"row 2: the label is (missing|'\w+', not a number)"):
            read_similarities(PAIRS, [4.5, wrong])
    with pytest.raises(DataError, match="row 1: the score is 'far', not a number"):
        read_similarities({"sentence1": ["a"], "sentence2": ["b"], "score": ["far"]})


# Answers to choose from


@pytest.mark.parametrize("name", ["answers", "choices", "Answers"])
def test_answers_in_a_list(tmp_path, name):
    path = tmp_path / "mine.jsonl"
    rows = [{"id": 7, "context": c, name: a, "label": n} for (c, a), n in CHOSEN]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert read_choices(path) == read_choices(rows) == CHOSEN
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    assert read_choices(columns) == CHOSEN


@pytest.mark.parametrize("name", ["answer", "choice", "Answer"])
def test_answers_in_numbered_columns(tmp_path, name):
    path = tmp_path / "mine.tsv"
    names = (f"{name}_2", "context", f"{name}_0", "label", f"{name}_1")
    rows = [(a[2], c, a[0], n, a[1]) for (c, a), n in CHOSEN]
    path.write_text(table(rows, *names), "utf-8")
    assert read_choices(path) == CHOSEN
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    labels = columns.pop("label")
    assert read_choices(columns, labels) == CHOSEN


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_answers_in_memory():
    triples = [(*question, place) for question, place in CHOSEN]
    assert read_choices(triples) == CHOSEN
    assert read_choices(QUESTIONS, [0, 1]) == CHOSEN
    assert read_choices(QUESTIONS, ["blue", "1"]) == CHOSEN
    assert read_choices([(c, np.array(a)) for c, a in QUESTIONS], np.array([0, 1])) == CHOSEN
    pandas, datasets = pytest.importorskip("pandas"), pytest.importorskip("datasets")
    rows = [{"context": c, "choices": list(a), "label": n} for (c, a), n in CHOSEN]
    assert read_choices(pandas.DataFrame(rows)) == CHOSEN
    assert read_choices(datasets.Dataset.from_list(rows)) == CHOSEN


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([("a", ["b", "c"], "d")], r"row 1: the label 'd' is no answer\n.*0 to 1, or its text"),
        ([("a", ["b", "c"], 2)], "row 1: the label '2' is no answer"),
        ([("a", ["b", "c"], -1)], "row 1: the label '-1' is no answer"),
        ([("a", ["b", "c"], None)], "row 1: the label is missing"),
        ([("a", ["b", "c"], 0.0)], "row 1: the label is float"),
        ([("a", ["1", "0"], "1")], "row 1: the label '1' is an answer, and the place of another"),
        ([("a", ["b"], 0)], "row 1: 1 answer\n"),
        ([("a", ["b", "c"], 0), ("a", ["b"] * 3, 0)], "row 2: 3 answers, the first row has 2"),
        ([("a", ["b", ""], 0)], "row 1: answer 1 is empty"),
        ([("a", ["b", None], 0)], "row 1: answer 1 is missing"),
        ([("a", ["b", 3], 0)], "row 1: answer 1 is int, not text"),
        ([("a", "b", 0)], r"row 1: 'answers' is str, not a list of texts\n.*answer_0"),
        ([("a", None, 0)], "row 1: 'answers' is missing"),
        ([("", ["b", "c"], 0)], "row 1: the context is empty"),
        ({"context": ["a"], "answer_1": ["b"], "label": [0]}, r"columns answer_1\n.*from 0"),
        ({"context": ["a"], "answer_0": ["b"], "label": [0]}, "row 1: 1 answer\n"),
        ({"context": ["a"], "b": ["c"]}, "'context', 'answer_0', 'answer_1' and 'label'"),
    ],
)
def test_bad_choices(data, message):
    with pytest.raises(DataError, match=message):
        read_choices(data)


def test_places_and_texts_that_are_numbers_are_told_apart():
    question = ("Two and one?", ("1", "3", "2"))
    assert read_choices([question], [1]) == [(question, 1)]  # a place
    assert read_choices([question], ["3"]) == [(question, 1)]  # no place
    assert read_choices([question], ["2"]) == [(question, 2)]  # both, and the same
