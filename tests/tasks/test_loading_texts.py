"""Which texts a recipe reads."""

from __future__ import annotations

import json

import pytest

from zoo.config import recipe
from zoo.config.tasks import task_class
from zoo.errors import RecipeError

ARTICLES = 5


def load(made, split):
    return task_class(made.task).load(made, split)


@pytest.fixture
def wikitext(tmp_path, monkeypatch):
    """A corpus of five articles of four lines."""
    folder = tmp_path / "wikitext-2"
    folder.mkdir()
    lines = [
        line
        for number in range(ARTICLES)
        for line in (f" = Title {number} = ", "", f" Its first line {number} . ", "")
    ]
    for split in ("train", "valid", "test"):
        (folder / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))


@pytest.mark.parametrize("limit", [1, 3, 9])
def test_a_limit_keeps_whole_articles(wikitext, limit):
    made = recipe.load("ulmfit2018-wikitext-2").changed({"data.limit": limit})
    found = [text for text, _ in load(made, "train")]
    assert len(found) == min(limit, ARTICLES)
    assert all("\nIts first line" in text and text.startswith("= Title") for text in found)
    assert len(set(found)) == len(found)
    assert len(load(made, "valid")) == ARTICLES


def test_a_limit_keeps_lines_where_a_line_is_a_text(wikitext):
    made = recipe.load("merity2017-wikitext-2").changed({"data.limit": 3})
    assert len(load(made, "train")) == 3


def test_further_corpora_are_for_training_alone(wikitext, tmp_path):
    reviews = [{"text": f"Good<br /><br />film {i}", "label": "pos"} for i in range(20)]
    (tmp_path / "imdb").mkdir()
    for name in ("train", "unsup", "test"):
        lines = "".join(f"{json.dumps(each)}\n" for each in reviews)
        (tmp_path / "imdb" / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    also = [{"corpus": "imdb", "limit": 10}]
    plain = recipe.load("ulmfit2018-wikitext-2")
    made = plain.changed({"data.also": also, "data.validation": 0.2})
    assert recipe.loads(recipe.dumps(made)) == made
    before = {split: load(plain, split) for split in ("train", "valid", "test")}
    after = {split: load(made, split) for split in ("train", "valid", "test")}
    more = after["train"][len(before["train"]) :]
    assert after["train"][: len(before["train"])] == before["train"]
    # Ten reviews are drawn, two of which are held out and not read.
    assert len(more) == 8
    assert all(text.startswith("Good\n\nfilm") and label == "" for text, label in more)
    assert (after["valid"], after["test"]) == (before["valid"], before["test"])


def test_a_classifier_reads_one_corpus():
    with pytest.raises(RecipeError, match=r"trains on one corpus: leave data\.also out"):
        recipe.load("ulmfit2018-imdb").changed({"data.also": [{"corpus": "ptb"}]})
