"""Multiple choice: choose the best of several answers after a context (gpt1, section 3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zoo.config.recipe import Recipe
from zoo.data import columns, sequences
from zoo.data.cells import is_whole, plain_value, text_of
from zoo.data.examples import Example
from zoo.data.matching import Columns, Roles
from zoo.errors import DataError, InputError, counted
from zoo.tasks import metrics
from zoo.tasks.entail import Entail

NUMBERED = re.compile(r"(answer|choice)_(\d+)")


class Choose(Entail):
    """Score each answer after its context, and compare the scores by softmax.

    Inputs are (context, answers); the number of answers may differ.
    """

    name = "choose"
    form = sequences.ANSWERS
    names = ("context",)

    @classmethod
    def roles(cls, recipe: Recipe, fresh: bool = False) -> Roles:
        return replace(super().roles(recipe, fresh), columns=_columns)

    @classmethod
    def read(
        cls,
        recipe: Recipe,
        data: Any,
        targets: Iterable[Any] | None = None,
        *,
        fresh: bool = False,
        table: columns.TableOptions = columns.PLAIN,
    ) -> list[Example]:
        """Read ((context, answers), place of the right answer from 0) of each row.

        Answers are a list in one cell, or one column each; a label is a place, or an answer's text.

        Raises:
            DataError: see `zoo.data.columns`; a row has fewer than two answers, or not as many as
                the first row; a label is neither a place nor an answer, or fits two answers.
        """
        examples: list[Example] = []
        for where, names, cells in columns.read_rows(data, targets, cls.roles(recipe), table):
            context = text_of(cells[0], f"{where}: the {names[0]}")
            if len(cells) > 3 or NUMBERED.fullmatch(names[1].casefold()):
                named = zip(names[1:-1], cells[1:-1], strict=True)
                answers = tuple(text_of(cell, f"{where}: the {name}") for name, cell in named)
            else:
                answers = _answers(where, names[1], cells[1])
            if len(answers) < 2:
                raise DataError(
                    f"{where}: {counted(len(answers), 'answer')}", "give two or more to choose from"
                )
            if examples and len(answers) != len(examples[0].given[1]):
                raise DataError(
                    f"{where}: {counted(len(answers), 'answer')}, the first row has "
                    f"{len(examples[0].given[1])}",
                    "give as many in each row",
                )
            place = _place(where, names[-1], cells[-1], answers)
            examples.append(Example((context, answers), place))
        return examples

    @classmethod
    def encode_labels(cls, labels: Sequence[Any], recipe: Recipe) -> np.ndarray:
        return np.array(labels, dtype=np.int32)

    def check(self, given: Any, name: str) -> Any:
        context, answers = self.check_parts(given, name)
        hint = f"give {self.spec().example}"
        if isinstance(answers, (str, bytes, Mapping)) or not isinstance(answers, Iterable):
            kind = type(answers).__name__
            raise InputError(f"the answers of {name} are {kind}, not a list", hint)
        texts = tuple(
            self.check_text(answer, f"answer {i} of {name}") for i, answer in enumerate(answers)
        )
        if len(texts) < 2:
            raise InputError(f"{name} has fewer than two answers", hint)
        return context, texts

    def classes(self, given: Any) -> Sequence[str]:
        return list(given[1])

    def check_truth(self, where: str, given: Any, truth: Any) -> None:
        count = len(given[1])
        if not isinstance(truth, int) or not 0 <= truth < count:
            raise DataError(
                f"{where}: there is no answer {truth!r}", f"give the place of one, 0 to {count - 1}"
            )

    def measure(self, rows: np.ndarray, truths: Sequence[Any]) -> dict[str, Any]:
        return metrics.choice(rows, np.array(truths))


def _columns(names: Sequence[str]) -> Columns:
    """Return the columns to look for among these names: numbered answers if there are any.

    Raises:
        DataError: a number is missing.
    """
    place = {
        name: int(name.rpartition("_")[2]) for name in names if NUMBERED.fullmatch(name.casefold())
    }
    if not place:
        return Choose.spec().columns
    numbered = sorted(place, key=place.__getitem__)
    if sorted(place.values()) != list(range(len(place))):
        raise DataError(
            f"answers are in the columns {', '.join(numbered)}",
            "number them answer_0, answer_1 and so on: a label is a place from 0",
        )
    return (("context", *numbered, "label"),)


def _answers(where: str, name: str, cell: Any) -> tuple[str, ...]:
    """Return the answers of a cell with a list."""
    if isinstance(cell, (str, bytes, Mapping)) or not isinstance(cell, Iterable):
        plain_value(cell, f"{where}: '{name}'")
        raise DataError(
            f"{where}: '{name}' is {type(cell).__name__}, not a list of texts",
            "give a list, or a column for each: answer_0, answer_1 and so on",
        )
    return tuple(text_of(answer, f"{where}: answer {i}") for i, answer in enumerate(cell))


def _place(where: str, name: str, cell: Any, answers: Sequence[str]) -> int:
    """Return the place of the right answer from a cell with its place or its text."""
    value = plain_value(cell, f"{where}: the {name}")
    text = text_of(value, f"{where}: the {name}", number=True)
    by_place = int(text) if is_whole(text) else None
    if isinstance(value, str) and text in answers:
        by_text = answers.index(text)
        if by_place is not None and by_place != by_text and 0 <= by_place < len(answers):
            raise DataError(
                f"{where}: the {name} '{text}' is an answer, and the place of another",
                "give places as numbers: in a list, a frame or JSON lines",
            )
        return by_text
    if by_place is None or not 0 <= by_place < len(answers):
        raise DataError(
            f"{where}: the {name} '{text}' is no answer",
            f"give its place, 0 to {len(answers) - 1}, or its text",
        )
    return by_place
