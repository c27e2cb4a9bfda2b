"""Which texts a recipe reads."""

from __future__ import annotations

import pytest

from zoo import recipe
from zoo.data import prepare_texts

ARTICLES = 5


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
    found = [text for text, _ in prepare_texts.rows(made, "train")]
    assert len(found) == min(limit, ARTICLES)
    assert all("\nIts first line" in text and text.startswith("= Title") for text in found)
    assert len(set(found)) == len(found)
    assert len(prepare_texts.rows(made, "valid")) == ARTICLES


def test_a_limit_keeps_lines_where_a_line_is_a_text(wikitext):
    made = recipe.load("merity2017-wikitext-2").changed({"data.limit": 3})
    assert len(prepare_texts.rows(made, "train")) == 3
