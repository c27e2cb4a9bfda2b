"""Read a user's examples from files, lists, frames or datasets, as rows of a task's columns.

Columns are found by name; without the names, their number must be exactly that of the task.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo.data import readers
from zoo.data.examples import Example
from zoo.data.readers import Source
from zoo.errors import DataError, check_text, counted

Columns = Sequence[tuple[str, ...]]  # alternative sets of column names
Row = tuple[str, list[str], list[Any]]  # its place for messages, its columns' names, its cells

COLUMNS: Columns = (("source", "target"), ("text", "label"))
TEXTS: Columns = (("text",),)
WHOLE = re.compile(r"[+-]?\d+")


def read_pairs(
    data: Any, targets: Iterable[Any] | None = None, columns: Columns = COLUMNS
) -> list[Example]:
    """Read (source, target) pairs from a file, lists, a frame or a dataset.

    Args:
        data: a path, a pandas frame, a datasets.Dataset, a mapping of columns, a list of pairs or
            of mappings, or a list of sources with `targets`.
        targets: one for each source.
        columns: pairs of column names to look for, in this order; case does not matter. A file's
            first row is a header if it holds such a pair, else its first example.

    Raises:
        DataError: text that is not UTF-8, a wrong number of columns, or a missing value, with the
            file and line (or row, from 1); unknown columns; no rows.
    """
    return [
        Example(text_of(cells[0], f"{where}: the {names[0]}"), label_of(where, names, cells))
        for where, names, cells in read_rows(data, targets, columns)
    ]


def read_rows(
    data: Any,
    targets: Iterable[Any] | None = None,
    columns: Columns | Callable[[Sequence[str]], Columns] = COLUMNS,
) -> Iterator[Row]:
    """Yield the place of each row, the names of the requested columns, and their raw cells.

    Args:
        data: as for `read_pairs`, with one cell for each requested column.
        targets: the last column's cells, one for each row.
        columns: names to look for together, in this order; or a function that returns them for the
            names of a table, or for the first row of a file, which may be a header.

    Raises:
        DataError: see `read_pairs`; cells are not checked.
    """
    columns_for = columns if callable(columns) else (lambda names: columns)
    default_names = list(columns_for([])[0])
    if targets is not None and len(default_names) > 2:
        yield from _with_targets(data, targets, columns_for)
        return
    source: Source
    if targets is not None:
        source = default_names, readers.lists(data, targets, default_names), "the lists"
    elif isinstance(data, (str, os.PathLike)):
        source = readers.file(Path(data).expanduser())
    else:
        source = readers.table(data, default_names)
    yield from _rows(source, columns_for)


def read_texts(data: Any) -> list[str]:
    """Read texts from a file, a list, a frame or a dataset.

    Args:
        data: the path of a table with a column "text" (or only one column) or of a plain text
            file, one text a line; a list of texts or of mappings; a mapping of columns; a pandas
            series or frame; a datasets.Dataset.

    Raises:
        DataError: see `read_pairs`.
    """
    if isinstance(data, (str, os.PathLike)):
        source = readers.text_file(Path(data).expanduser())
    else:
        source = readers.texts(data)
    rows = _rows(source, lambda names: TEXTS)
    return [text_of(cells[0], f"{where}: the text") for where, _, cells in rows]


def _rows(source: Source, columns_for: Callable[[Sequence[str]], Columns]) -> Iterator[Row]:
    names, rows, what = source
    first = next(rows, None)
    if first is None:
        raise DataError(f"no rows in {what}", "give at least one example")
    header = [str(name).strip() for name in (first[1] if names is None else names)]
    columns = columns_for(header)
    indices = _named(header, columns)
    # A file without names of its own: its first row is a header, or the first example.
    if names is not None or indices is None:
        rows = itertools.chain([first], rows)
    if indices is None:
        default_names = _as_many(header, first[0] if names is None else what, columns)
        indices = list(range(len(header)))
        header = default_names if names is None else header
    chosen = [header[index] for index in indices]
    empty = True
    for where, cells in rows:
        empty = False
        if len(cells) != len(header):
            raise DataError(
                f"{where}: {counted(len(cells), 'column')}, expected {len(header)}",
                "each row needs as many as the first; a tab or comma inside a text needs quoting "
                "in a .csv",
            )
        yield where, chosen, [cells[index] for index in indices]
    if empty:
        raise DataError(f"no rows in {what}", "there is only a header")


def _with_targets(
    data: Any, targets: Iterable[Any], columns_for: Callable[[Sequence[str]], Columns]
) -> Iterator[Row]:
    """Yield rows whose last cells come from `targets`."""
    if isinstance(targets, str) or not isinstance(targets, Iterable):
        raise DataError(
            f"labels cannot be read from {type(targets).__name__}", "give a list, one for each row"
        )
    rows = list(read_rows(data, None, lambda names: [c[:-1] for c in columns_for(names)]))
    last, values = columns_for([])[0][-1], list(targets)
    if len(rows) != len(values):
        raise DataError(
            f"{counted(len(rows), 'row')}, but {counted(len(values), last)}",
            f"each row needs one {last}",
        )
    for (where, names, cells), value in zip(rows, values, strict=True):
        yield where, [*names, last], [*cells, value]


def _named(names: Sequence[str], columns: Columns) -> list[int] | None:
    """Return the indices of the first set of columns that is complete."""
    folded = [name.casefold() for name in names]
    for requested in columns:
        if all(name.casefold() in folded for name in requested):
            return [folded.index(name.casefold()) for name in requested]
    return None


def _as_many(names: Sequence[str], where: str, columns: Columns) -> list[str]:
    """Return the first set of columns that is as long as `names`; raise DataError if none is."""
    for requested in columns:
        if len(requested) == len(names):
            return list(requested)
    shown = ", ".join(name[:30] for name in names[:8])
    number = {1: "one", 2: "two", 3: "three"}.get(len(columns[0]), str(len(columns[0])))
    raise DataError(
        f"{where}: found {counted(len(names), 'column')}: {shown}",
        f"name {number} {' or '.join(map(_listed, columns))}, or keep exactly {number}",
    )


def _listed(names: Sequence[str]) -> str:
    *others, last = [f"'{name}'" for name in names]
    return f"{', '.join(others)} and {last}" if others else last


# Cells


def plain_value(value: Any, where: str) -> Any:
    """Return the value of a cell, a NumPy scalar as a Python one.

    Raises:
        DataError: the cell is empty.
    """
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise DataError(f"{where} is missing", "fill it in or leave the row out")
    return value


def text_of(value: Any, where: str, number: bool = False) -> str:
    """Return a cell as text; with `number`, convert whole numbers.

    Raises:
        DataError: the cell is missing, empty, not text, or text with a NUL or a lone surrogate.
    """
    value = plain_value(value, where)
    if number and isinstance(value, int):
        value = str(value)
    if not isinstance(value, str):
        raise DataError(f"{where} is {type(value).__name__}, not text", "convert it to text")
    if not value.strip():
        raise DataError(f"{where} is empty", "fill it in or leave the row out")
    check_text(where, value, DataError)
    return value


def two_texts(where: str, names: Sequence[str], cells: Sequence[Any]) -> tuple[str, str]:
    """Return the first two cells of a row as texts."""
    first, second = (text_of(cells[i], f"{where}: the {names[i]}") for i in (0, 1))
    return first, second


def label_of(where: str, names: Sequence[str], cells: Sequence[Any]) -> str:
    """Return the last cell of a row as a label."""
    return text_of(cells[-1], f"{where}: the {names[-1]}", number=True)


def is_whole(value: Any) -> bool:
    """Return whether a cell is a whole number."""
    return isinstance(value, int) or bool(WHOLE.fullmatch(str(value).strip()))


def number_of(value: Any) -> float | None:
    """Return a cell as a finite number, or None."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
