"""Read questions on contexts, with the answers that stand there: SQuAD's JSON, tables of rows.

SQuAD's JSON   one object {"data": articles}, of version 1.1 or 2.0; where "is_impossible" is true,
               or there are no answers, the context answers nothing
tables         JSON lines, frames, data sets, lists: a question, its context and its answers: a
               text, a list of texts, {"text": [...], "answer_start": [...]} or a list of such
               objects; [] where the context answers nothing

A place is a character of the context, counted from 0; an answer without one is the first of its
kind.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.data import columns, readers
from zoo.data.cells import is_missing, number_of, text_of
from zoo.data.columns import TableOptions
from zoo.data.examples import Example
from zoo.data.matching import Roles
from zoo.errors import DataError, OptionError, counted

TEXT, START = "text", "answer_start"
Answers = tuple[tuple[str, int], ...]  # the text and the place of each
NOTHING = "give [] for a question that its context does not answer"


def read(
    data: Any, targets: Iterable[Any] | None, roles: Roles, table: TableOptions
) -> list[Example]:
    """Read a user's questions as ((question, context), ((answer, place), ...)).

    Args:
        data: a path, what `json.load` makes of SQuAD's file, or a table, see `zoo.data.columns`.
        targets: the answers of each (question, context).
        roles: the columns of a table: question, context, answers, and perhaps the answers' places.
        table: how to read it.

    Raises:
        DataError: an answer that is not in its context, or not at its place; an empty question or
            context; names file and question, or the row.
        OptionError: columns are named, and the file has none.
    """
    document = None if targets is not None else _document(data)
    if document is None:
        rows = columns.read_rows(data, targets, roles, table)
        return [example(where, *cells) for where, _, cells in rows]
    if table:
        raise OptionError(
            "columns, delimiter and header are for tables", "leave them out for SQuAD's JSON"
        )
    name, content = document
    examples = list(of_document(content, name))
    if table.say is not None:
        table.say(f"{name}: {counted(len(examples), 'question')}")
    return examples


def read_file(path: Path) -> Iterator[Example]:
    """Yield the examples of a file of SQuAD."""
    content = _parsed(path)
    if content is None:
        raise DataError(f"{path.name} is not SQuAD's JSON", 'it is one object {"data": [...]}')
    yield from of_document(content, path.name)


def of_hub(row: Mapping[str, Any]) -> Example:
    """Return the example of a row of SQuAD on the hub."""
    return example(f"question {row['id']}", row["question"], row["context"], row["answers"])


def _document(data: Any) -> tuple[str, Mapping[str, Any]] | None:
    """Return name and content of SQuAD's JSON, None for other data."""
    if isinstance(data, Mapping):
        return ("the data", data) if _is_document(data) else None
    path = Path(data).expanduser() if isinstance(data, (str, os.PathLike)) else None
    if path is None or readers.kind(path) not in readers.JSON_LINES or not path.is_file():
        return None
    content = _parsed(path)
    return None if content is None else (path.name, content)


def _parsed(path: Path) -> Mapping[str, Any] | None:
    """Return the content of a file that is one object with articles, else None."""
    try:
        content = json.loads("\n".join(readers.read_lines(path)))
    except ValueError:
        return None
    return content if isinstance(content, Mapping) and _is_document(content) else None


def _is_document(content: Mapping[str, Any]) -> bool:
    articles = content.get("data")
    return isinstance(articles, list) and all(
        isinstance(article, Mapping) and "paragraphs" in article for article in articles
    )


def of_document(content: Mapping[str, Any], name: str) -> Iterator[Example]:
    """Yield the examples of a document of SQuAD; `name` is its name in messages."""
    number = 0
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            try:
                context, questions = paragraph["context"], list(paragraph["qas"])
            except (KeyError, TypeError):
                raise DataError(
                    f"{name}: a paragraph after question {number} has no context with questions",
                    'a paragraph is {"context": "...", "qas": [...]}',
                ) from None
            for each in questions:
                number += 1
                where = f"{name}: question {number}"
                if not isinstance(each, Mapping) or "question" not in each:
                    raise DataError(
                        f"{where} has no text", 'it is {"question": "...", "answers": [...]}'
                    )
                answers = [] if each.get("is_impossible") else each.get("answers", [])
                yield example(where, each["question"], context, answers)
    if not number:
        raise DataError(f"no questions in {name}", "give at least one")


def example(where: str, question: Any, context: Any, answers: Any, starts: Any = None) -> Example:
    """Return the example of a row.

    Args:
        where: the row's name in messages.
        answers: a cell, see the module.
        starts: a cell with the places of answers that are texts; None looks for them.

    Raises:
        DataError: see `read`.
    """
    question = text_of(question, f"{where}: the question")
    context = text_of(context, f"{where}: the context")
    if starts := _several(starts):
        answers = {TEXT: _several(answers), START: starts}
    found = _listed(where, answers)
    return Example(
        (question, context), tuple(_placed(where, context, text, start) for text, start in found)
    )


def _listed(where: str, cell: Any) -> list[tuple[Any, Any]]:
    """Return the texts of a cell, each with the place that it gives, or None."""
    if hasattr(cell, "tolist"):
        cell = cell.tolist()
    if isinstance(cell, str) and cell.strip():
        return [(cell, None)]
    if isinstance(cell, Mapping) and TEXT in cell:
        texts, starts = (_several(cell.get(key)) for key in (TEXT, START))
        if starts and len(starts) != len(texts):
            raise DataError(
                f"{where}: {len(texts)} in '{TEXT}', but {len(starts)} in '{START}'",
                "give each answer one place, or none",
            )
        return list(zip(texts, starts or [None] * len(texts), strict=True))
    if isinstance(cell, Sequence) and not isinstance(cell, (str, bytes)):
        return [
            (each.get(TEXT), each.get(START))
            if isinstance(each, Mapping)
            else (each[0], each[1])
            if isinstance(each, (tuple, list)) and len(each) == 2
            else (each, None)
            for each in cell
        ]
    if is_missing(cell) or isinstance(cell, str):
        raise DataError(f"{where}: the answers are empty", NOTHING)
    raise DataError(
        f"{where}: the answers are {type(cell).__name__}, no texts",
        'give a text, a list of texts, or {"text": [...], "answer_start": [...]}',
    )


def _several(cell: Any) -> list[Any]:
    """Return the items of a cell: those of a list, or the cell itself; none of an empty one."""
    if hasattr(cell, "tolist"):
        cell = cell.tolist()
    if isinstance(cell, (list, tuple)):
        return list(cell)
    return [] if is_missing(cell) or cell == "" else [cell]


def _placed(where: str, context: str, text: Any, start: Any) -> tuple[str, int]:
    """Return an answer and its place; raise DataError if it is not there."""
    if not isinstance(text, str):
        raise DataError(f"{where}: an answer is {type(text).__name__}, not text", NOTHING)
    if not text.strip():
        raise DataError(f"{where}: an answer is empty", NOTHING)
    first, shown = context.find(text), _shown(text)
    if first < 0:
        raise DataError(
            f"{where}: the answer '{shown}' is not in its context",
            "an answer is a part of its context, letter by letter, capitals and signs too; "
            + NOTHING,
        )
    if start is None or is_missing(start):
        return text, first
    number = number_of(start)
    if number is None or number != int(number):
        raise DataError(
            f"{where}: the place of the answer '{shown}' is {start!r}, not a whole number",
            f"{START} counts characters from 0; leave it out to take the first of its kind",
        )
    place = int(number)
    if place < 0 or not context.startswith(text, place):
        there = context[place : place + len(text)] if place >= 0 else ""
        stands = f"'{_shown(there)}'" if there else "nothing"
        raise DataError(
            f"{where}: the answer '{shown}' does not begin at {place}, where {stands} stands",
            f"{START} counts characters from 0, and the first such answer is at {first}; leave it "
            "out to take that one",
        )
    return text, place


def _shown(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[:most] + "..."
