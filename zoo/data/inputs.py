"""A user's examples of two texts with a label or a number, and of a context with its answers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zoo.data.readers import Columns, plain_value, read_rows, text_of
from zoo.errors import DataError, counted

Two = tuple[str, str]
Question = tuple[str, tuple[str, ...]]  # a context and its answers

ENTAIL: Columns = tuple(
    (*each, "label")
    for each in (("premise", "hypothesis"), ("sentence1", "sentence2"), ("text", "hypothesis"))
)
SCORES = ("score", "similarity")
SIMILAR: Columns = tuple(
    (*each, last)
    for each in (("sentence1", "sentence2"), ("question1", "question2"))
    for last in ("label", *SCORES)
)
# Answers come as a list in one cell, or in a column each.
CHOOSE: Columns = (
    ("context", "answers", "label"),
    ("context", "choices", "label"),
    ("context", "answer_0", "answer_1", "label"),
)
NUMBERED = re.compile(r"(answer|choice)_(\d+)")
WHOLE = re.compile(r"[+-]?\d+")


def read_entailments(data: Any, targets: Iterable[Any] | None = None) -> list[tuple[Two, str]]:
    """Return ((premise, hypothesis), label) of each row.

    Raises:
        DataError: see `zoo.data.readers`.
    """
    return [
        (_two(where, names, cells), _label(where, names, cells))
        for where, names, cells in read_rows(data, targets, ENTAIL)
    ]


def read_similarities(
    data: Any, targets: Iterable[Any] | None = None, numbers: bool = False
) -> list[tuple[Two, str]] | list[tuple[Two, float]]:
    """Return ((text, text), label) of each row, or ((text, text), number).

    Labels are numbers if one of them is no whole number, as 3.8, or if their column is called
    "score" or "similarity"; whole numbers alone, as 0 and 1, are names of classes.

    Args:
        numbers: whole numbers alone are numbers too.

    Raises:
        DataError: see `zoo.data.readers`; or some labels are numbers and one is not.
    """
    rows = list(read_rows(data, targets, SIMILAR))
    texts = [_two(*row) for row in rows]
    values = [plain_value(cells[-1], f"{where}: the {names[-1]}") for where, names, cells in rows]
    found = [_number(value) for value in values]
    scores = rows[0][1][-1].casefold() in SCORES or any(
        number is not None and (numbers or not _whole(value))
        for number, value in zip(found, values, strict=True)
    )
    if not scores:
        return [(two, _label(*row)) for two, row in zip(texts, rows, strict=True)]
    scored = []
    for (where, names, _), two, number, value in zip(rows, texts, found, values, strict=True):
        if number is None:
            raise DataError(
                f"{where}: the {names[-1]} is {value!r}, not a number",
                "give a number in each row, or labels that are none",
            )
        scored.append((two, number))
    return scored


def read_choices(data: Any, targets: Iterable[Any] | None = None) -> list[tuple[Question, int]]:
    """Return ((context, answers), place of the right answer from 0) of each row.

    The label is a place, or the text of the answer.

    Raises:
        DataError: see `zoo.data.readers`; a row has fewer than two answers, or not as many as the
            first one; a label is neither a place nor an answer, or is both.
    """
    found: list[tuple[Question, int]] = []
    for where, names, cells in read_rows(data, targets, _choose_columns):
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
        if found and len(answers) != len(found[0][0][1]):
            raise DataError(
                f"{where}: {counted(len(answers), 'answer')}, the first row has "
                f"{len(found[0][0][1])}",
                "give as many in each row",
            )
        found.append(((context, answers), _place(where, names[-1], cells[-1], answers)))
    return found


def _two(where: str, names: Sequence[str], cells: Sequence[Any]) -> Two:
    one, other = (
        text_of(cell, f"{where}: the {name}") for cell, name in zip(cells[:2], names, strict=False)
    )
    return one, other


def _label(where: str, names: Sequence[str], cells: Sequence[Any]) -> str:
    return text_of(cells[-1], f"{where}: the {names[-1]}", number=True)


def _whole(value: Any) -> bool:
    return isinstance(value, int) or bool(WHOLE.fullmatch(str(value).strip()))


def _number(value: Any) -> float | None:
    """Return a cell as a finite number, None if it is none."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


# A context and its answers


def _choose_columns(names: Sequence[str]) -> Columns:
    """Return the columns to look for among these: numbered answers if there are any.

    Raises:
        DataError: numbers are left out.
    """
    numbered = [name for name in names if NUMBERED.fullmatch(name.casefold())]
    if not numbered:
        return CHOOSE
    numbered.sort(key=lambda name: int(name.rpartition("_")[2]))
    places = [int(name.rpartition("_")[2]) for name in numbered]
    if places != list(range(len(places))):
        raise DataError(
            f"answers are in the columns {', '.join(numbered)}",
            "number them answer_0, answer_1 and so on: a label is a place from 0",
        )
    return (("context", *numbered, "label"),)


def _answers(where: str, name: str, cell: Any) -> tuple[str, ...]:
    """Return the answers that a cell holds as a list."""
    if isinstance(cell, (str, bytes, Mapping)) or not isinstance(cell, Iterable):
        plain_value(cell, f"{where}: '{name}'")
        raise DataError(
            f"{where}: '{name}' is {type(cell).__name__}, not a list of texts",
            "give a list, or a column for each: answer_0, answer_1 and so on",
        )
    return tuple(text_of(each, f"{where}: answer {i}") for i, each in enumerate(cell))


def _place(where: str, name: str, cell: Any, answers: Sequence[str]) -> int:
    """Return the place of the right answer, which a cell gives by place or by text."""
    value = plain_value(cell, f"{where}: the {name}")
    text = text_of(value, f"{where}: the {name}", number=True)
    by_place = int(text) if WHOLE.fullmatch(text.strip()) else None
    if isinstance(value, str) and text in answers:
        found = answers.index(text)
        if by_place is not None and by_place != found and 0 <= by_place < len(answers):
            raise DataError(
                f"{where}: the {name} '{text}' is an answer, and the place of another",
                "give places as numbers: in a list, a frame or JSON lines",
            )
        return found
    if by_place is None or not 0 <= by_place < len(answers):
        raise DataError(
            f"{where}: the {name} '{text}' is no answer",
            f"give its place, 0 to {len(answers) - 1}, or its text",
        )
    return by_place
