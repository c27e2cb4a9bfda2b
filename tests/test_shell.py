"""Lines of a shell as the inputs of each task, and what the command prints for them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from zoo.cli import main
from zoo.cli.shell import split_columns
from zoo.errors import DataError

LINES = ["It rains.\tIt is wet.", "Grass is\tgreen"]


@pytest.mark.parametrize("task", ["translate", "generate", "classify"])
def test_a_tab_is_one_of_the_text(task):
    assert split_columns(LINES, task, None) == LINES


@pytest.mark.parametrize("task", ["entail", "similarity"])
def test_a_tab_parts_two_texts(task):
    assert split_columns(LINES, task, None) == [("It rains.", "It is wet."), ("Grass is", "green")]
    for line, count in (("It rains.", "1 column"), ("a\tb\tc", "3 columns")):
        with pytest.raises(DataError, match=rf"text 2: {count}, expected two texts\n.*a tab"):
            split_columns([LINES[0], line], task, None)
        with pytest.raises(DataError, match=rf"mine\.tsv:1: {count}"):
            split_columns([line], task, Path("there/mine.tsv"))


def test_tabs_part_a_context_and_its_answers():
    lines = ["Grass is\tgreen\tblue", "It\trains\tis\twet"]
    found = [("Grass is", ["green", "blue"]), ("It", ["rains", "is", "wet"])]
    assert split_columns(lines, "choose", None) == found
    with pytest.raises(DataError, match="text 1: 2 columns, expected a context and two answers"):
        split_columns(LINES[1:], "choose", None)


@pytest.mark.parametrize(
    ("task", "outputs", "printed"),
    [
        ("entail", ["yes", "no"], "yes\nno\n"),
        ("similarity", [4.25, 0.5], "4.25\n0.5\n"),
        ("generate", [["a", "b"], ["c", "d"]], "a\tb\nc\td\n"),
        ("generate", [["a\tb", "c\nd"], ["e", "f"]], "a\\tb\tc\\nd\ne\tf\n"),
        ("generate", ["a\r\nb\n", "a\tb"], "a\\nb\\n\na\tb\n"),
    ],
)
def test_outputs_are_printed(task, outputs, printed, monkeypatch, capsys):
    given = []

    def predict(texts, **options):
        given.extend(texts)
        return outputs

    model = SimpleNamespace(recipe=SimpleNamespace(task=task), predict=predict)
    monkeypatch.setattr(main, "_load", lambda name, dtype: model)
    main.predict("any", text=LINES)
    assert capsys.readouterr().out == printed
    assert given == split_columns(LINES, task, None)
