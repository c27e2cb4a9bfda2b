"""RACE: passages with a question each, from a folder and from the hub."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from zoo.config import recipe
from zoo.config.tasks import task_class
from zoo.errors import DataError

ROW = {
    "article": "The sky is blue.", "question": "What is blue?", "answer": "B",
    "options": ["The sea.", "The sky.", "The sun.", "Nothing."],
}  # fmt: skip
EXAMPLE = (("The sky is blue.\nWhat is blue?", tuple(ROW["options"])), 1)


@pytest.fixture
def made():
    return recipe.load("gpt1-race")


def write(folder, *lines: str) -> None:
    (folder / "race").mkdir()
    for split in ("train", "valid", "test"):
        text = "".join(f"{line}\n" for line in lines)
        (folder / "race" / f"{split}.jsonl").write_text(text, encoding="utf-8")


def test_a_question_comes_with_its_passage_and_answers(made, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    write(tmp_path, json.dumps(ROW), "", json.dumps(ROW | {"answer": "A"}))
    assert task_class(made.task).load(made, "valid") == [EXAMPLE, (EXAMPLE[0], 0)]
    # A language model reads all of its texts.
    texts = made.changed({"task": "generate", "evaluate.metric": "perplexity", "train.bptt": 8})
    assert len(task_class(texts.task).load(texts, "test")) == 2 * 5


@pytest.mark.parametrize(
    "line", ["nothing", "[]", json.dumps(ROW | {"answer": "E"}), json.dumps({"article": "a"})]
)
def test_a_broken_row_is_named(line, made, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    write(tmp_path, json.dumps(ROW), line)
    with pytest.raises(DataError, match=r"^test\.jsonl:2: no article with a question"):
        task_class(made.task).load(made, "test")


def test_the_hub_has_the_same(made, monkeypatch):
    monkeypatch.delenv("ZOO_DATA", raising=False)

    class Rows(list):
        features = dict.fromkeys(ROW)

    fake = SimpleNamespace(load_dataset=lambda *given, **named: Rows([ROW]))
    monkeypatch.setitem(sys.modules, "datasets", fake)
    assert task_class(made.task).load(made, "train") == [EXAMPLE]
