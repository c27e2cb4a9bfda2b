"""SQuAD's files, tables of questions: what is read, and what is refused."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest

from zoo.config import recipe as recipes
from zoo.config.recipe import Data
from zoo.config.tasks import task_class
from zoo.data import corpora
from zoo.data.columns import TableOptions
from zoo.errors import DataError, OptionError

ZOO_DATA = os.environ.get("ZOO_DATA", "")
CONTEXT = "Ada met Bob in Rome. Bob lives in Rome."
DOCUMENT = {
    "version": "v2.0",
    "data": [
        {
            "title": "Ada",
            "paragraphs": [
                {
                    "context": CONTEXT,
                    "qas": [
                        {
                            "id": "a",
                            "question": "Who met Bob?",
                            "answers": [{"text": "Ada", "answer_start": 0}],
                            "is_impossible": False,
                        },
                        {
                            "id": "b",
                            "question": "Where does Bob live?",
                            "answers": [
                                {"text": "Rome", "answer_start": 34},
                                {"text": "in Rome", "answer_start": 31},
                            ],
                        },
                        {
                            "id": "c",
                            "question": "Who met Eve?",
                            "answers": [],
                            "plausible_answers": [{"text": "Ada", "answer_start": 0}],
                            "is_impossible": True,
                        },
                    ],
                }
            ],
        }
    ],
}
WANTED = [
    (("Who met Bob?", CONTEXT), (("Ada", 0),)),
    (("Where does Bob live?", CONTEXT), (("Rome", 34), ("in Rome", 31))),
    (("Who met Eve?", CONTEXT), ()),
]


def read(data, targets=None, **table):
    recipe = recipes.load("bert2018-squad")
    return task_class("answer").read(recipe, data, targets, table=TableOptions.of(**table))


@pytest.mark.parametrize("indent", [None, 2])
def test_the_file_of_squad(tmp_path, indent):
    path = tmp_path / "dev-v2.0.json"
    path.write_text(json.dumps(DOCUMENT, indent=indent), "utf-8")
    assert read(path) == read(str(path)) == read(DOCUMENT) == WANTED
    with pytest.raises(OptionError, match="are for tables"):
        read(path, columns={"question": "q"})


ROWS = [
    {"text": ["Ada"], "answer_start": [0]},
    {"text": ["Rome", "in Rome"], "answer_start": np.array([34, 31])},
    {"text": [], "answer_start": []},
]


def test_rows_of_a_data_set_and_of_lines(tmp_path):
    rows = [
        {"id": i, "title": "Ada", "context": context, "question": question, "answers": cell}
        for i, (((question, context), _), cell) in enumerate(zip(WANTED, ROWS, strict=True))
    ]
    assert read(rows) == WANTED
    plain = copy.deepcopy(rows)
    plain[1]["answers"]["answer_start"] = [34, 31]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, plain)) + "\n", "utf-8")
    assert read(path) == WANTED
    datasets = pytest.importorskip("datasets")
    assert read(datasets.Dataset.from_list(plain)) == WANTED


@pytest.mark.parametrize(
    ("cell", "answers"),
    [
        ("Rome", (("Rome", 15),)),  # the first of its kind
        (["Rome", "Bob"], (("Rome", 15), ("Bob", 8))),
        ([("Rome", 34)], (("Rome", 34),)),
        ([{"text": "Rome", "answer_start": 34, "occurrences": 2}], (("Rome", 34),)),
        ({"text": "Rome", "answer_start": 34.0}, (("Rome", 34),)),
        ({"text": ["Rome"]}, (("Rome", 15),)),
        ([], ()),
    ],
)
def test_forms_of_answers(cell, answers):
    ((given, wanted),) = read([("Where?", CONTEXT, cell)])
    assert (given, wanted) == (("Where?", CONTEXT), answers)
    assert read([("Where?", CONTEXT)], [cell]) == [(given, wanted)]


def test_a_table_with_a_column_of_places(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(
        f'question,context,answer,answer_start\nWhere?,"{CONTEXT}",Rome,34\nWho?,"{CONTEXT}",Ada,\n'
    )
    assert read(path) == [
        (("Where?", CONTEXT), (("Rome", 34),)), (("Who?", CONTEXT), (("Ada", 0),)),
    ]  # fmt: skip
    both = {"question": "Where?", "context": CONTEXT, "answer": ["Rome", "Bob"]}
    assert read([both | {"answer_start": [34, 21]}])[0].wanted == (("Rome", 34), ("Bob", 21))
    path.write_text(f'passage,query,answer\n"{CONTEXT}",Where?,Rome\n')
    assert read(path) == [(("Where?", CONTEXT), (("Rome", 15),))]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("Who?", CONTEXT, "ada"), r"row 2: the answer 'ada' is not in its context\n.*capitals"),
        (("Who?", "Ada", "Ada met"), r"row 2: the answer 'Ada met' is not in its context"),
        (("", CONTEXT, "Ada"), r"row 2: the question is empty"),
        (("Who?", " ", "Ada"), r"row 2: the context is empty"),
        (("Who?", CONTEXT, ""), r"row 2: the answers are empty\n.*give \[\]"),
        (("Who?", CONTEXT, None), r"row 2: the answers are empty"),
        (("Who?", CONTEXT, [""]), r"row 2: an answer is empty"),
        (("Who?", CONTEXT, [5]), r"row 2: an answer is int, not text"),
        (("Who?", CONTEXT, 5), r"row 2: the answers are int, no texts"),
        (("Who?", CONTEXT, [("Bob", 9)]), r"'Bob' does not begin at 9, where 'ob ' stands\n.*at 8"),
        (("Who?", CONTEXT, [("Bob", 99)]), r"'Bob' does not begin at 99, where nothing stands"),
        (("Who?", CONTEXT, [("Bob", -3)]), r"'Bob' does not begin at -3"),
        (("Who?", CONTEXT, [("Bob", 1.5)]), r"the place of the answer 'Bob' is 1.5, not a whole"),
        (
            ("Who?", CONTEXT, {"text": ["Bob"], "answer_start": [8, 21]}),
            "row 2: 1 in 'text', but 2 in 'answer_start'",
        ),
    ],
)
def test_rows_that_are_refused(row, message):
    with pytest.raises(DataError, match=message):
        read([("Where?", CONTEXT, "Rome"), row])


def test_files_that_are_refused(tmp_path):
    path = tmp_path / "dev.json"
    wrong = copy.deepcopy(DOCUMENT)
    wrong["data"][0]["paragraphs"][0]["qas"][1]["answers"][0]["answer_start"] = 33
    path.write_text(json.dumps(wrong), "utf-8")
    with pytest.raises(DataError, match=r"dev.json: question 2: the answer 'Rome' does not begin"):
        read(path)
    del wrong["data"][0]["paragraphs"][0]["qas"][1]["question"]
    with pytest.raises(DataError, match="the data: question 2 has no text"):
        read(wrong)
    with pytest.raises(DataError, match="a paragraph after question 0 has no context"):
        read({"data": [{"paragraphs": [{"qas": []}]}]})
    with pytest.raises(DataError, match="no questions in the data"):
        read({"data": []})
    path.write_text(json.dumps({"question": "Who?", "data": 5}), "utf-8")
    with pytest.raises(DataError, match=r"dev.json: found 2 columns: question, data"):
        read(path)
    with pytest.raises(DataError, match=r"dev.json is not SQuAD's JSON"):
        list(corpora.corpus("squad-v1.1").read_file(path))


def test_questions_on_one_context_are_held_out_together(tmp_path):
    paragraphs = [
        {"context": f"{CONTEXT} {i}", "qas": DOCUMENT["data"][0]["paragraphs"][0]["qas"]}
        for i in range(10)
    ]
    (tmp_path / "train.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    data = Data(corpus="squad-v1.1", language="en", validation=0.2)
    train, valid = (
        corpora.load(data, split, seed=3, folder=tmp_path) for split in ("train", "valid")
    )
    assert (len(train), len(valid)) == (24, 6)
    assert not {context for (_, context), _ in train} & {context for (_, context), _ in valid}


def test_the_corpus_has_the_counts_of_its_paper():
    if not Path(ZOO_DATA, "squad-v1.1").is_dir():
        pytest.skip("no squad-v1.1")
    test = corpora.load(Data(corpus="squad-v1.1", language="en"), "test")
    assert len(test) == 10570
    for (_, context), answers in test:
        assert answers
        assert all(context[at : at + len(text)] == text for text, at in answers)
