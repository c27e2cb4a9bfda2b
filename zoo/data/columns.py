"""A user's examples as rows of the columns that a task wants, whatever they lie in.

Columns are found by name, else there must be exactly as many as are wanted.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo.data import readers
from zoo.data.examples import Example
from zoo.data.readers import Rows
from zoo.errors import DataError, counted

Columns = Sequence[tuple[str, ...]]
Row = tuple[str, list[str], list[Any]]  # where it stands, the names of its columns, its cells

COLUMNS: Columns = (("source", "target"), ("text", "label"))
WHOLE = re.compile(r"[+-]?\d+")


def read_pairs(
    data: Any, targets: Iterable[Any] | None = None, columns: Columns = COLUMNS
) -> list[Example]:
    """Return the (source, target) pairs of a file, lists, a frame or a data set.

    Args:
        data: a path, a pandas frame, a datasets.Dataset, a mapping of columns, a list of pairs or
            of mappings, or a list of sources when `targets` are given.
        targets: one for each source.
        columns: pairs of column names to look for, in this order; case does not matter. A file's
            first row is a header if it holds such a pair, else its first example.

    Raises:
        DataError: names the file and line (or row, from 1) of what is wrong: not UTF-8, a wrong
            number of columns, a missing value; or says which columns were found, or that there
            are no rows.
    """
    return [
        Example(
            text_of(cells[0], f"{where}: the {names[0]}"),
            text_of(cells[1], f"{where}: the {names[1]}", number=True),
        )
        for where, names, cells in read_rows(data, targets, columns)
    ]


def read_rows(
    data: Any,
    targets: Iterable[Any] | None = None,
    columns: Columns | Callable[[Sequence[str]], Columns] = COLUMNS,
) -> Iterator[Row]:
    """Yield where each row stands, the names of the wanted columns, and their cells as they are.

    Args:
        data: as for `read_pairs`, with rows of as many cells as columns are wanted.
        targets: the last column's cells, one for each row of the others.
        columns: names to look for together, in this order; a function gives them for the names
            that there are, or for the first row of a file, which may be a header.

    Raises:
        DataError: see `read_pairs`; cells are not looked at.
    """
    wanted = columns if callable(columns) else (lambda names: columns)
    plain = list(wanted([])[0])  # what columns without names are called
    if targets is not None and len(plain) > 2:
        yield from _with_targets(data, targets, wanted)
        return
    names: list[str] | None
    rows: Rows
    if targets is not None:
        names, rows, what = plain, readers.lists(data, targets, plain), "the lists"
    elif isinstance(data, (str, os.PathLike)):
        names, rows, what = readers.file(Path(data).expanduser())
    else:
        names, rows, what = readers.table(data, plain)
    first = next(rows, None)
    if first is None:
        raise DataError(f"no rows in {what}", "give at least one example")
    where, cells = first
    header = [str(each).strip() for each in (cells if names is None else names)]
    chosen = _named(header, wanted(header))
    # A file has no names of its own: its first row is a header, or the first example.
    only_header = names is None and chosen is not None
    if chosen is None:
        chosen, called = _as_many(header, where if names is None else what, wanted(header))
        if names is None:
            header = called
    told = [header[index] for index in chosen]
    if not only_header:
        _check_width(where, cells, len(header))
        yield where, told, [cells[index] for index in chosen]
    found = not only_header
    for where, cells in rows:
        found = True
        _check_width(where, cells, len(header))
        yield where, told, [cells[index] for index in chosen]
    if not found:
        raise DataError(f"no rows in {what}", "there is only a header")


def _with_targets(
    data: Any, targets: Iterable[Any], wanted: Callable[[Sequence[str]], Columns]
) -> Iterator[Row]:
    """Yield rows whose last cells are a list of their own."""
    if isinstance(targets, str) or not isinstance(targets, Iterable):
        raise DataError(
            f"labels cannot be read from {type(targets).__name__}", "give a list, one for each row"
        )
    rows = list(read_rows(data, None, lambda names: [each[:-1] for each in wanted(names)]))
    last, values = wanted([])[0][-1], list(targets)
    if len(rows) != len(values):
        raise DataError(
            f"{counted(len(rows), 'row')}, but {counted(len(values), last)}",
            f"each row needs one {last}",
        )
    for (where, names, cells), value in zip(rows, values, strict=True):
        yield where, [*names, last], [*cells, value]


def read_texts(data: Any) -> list[str]:
    """Return the texts of a file, a list, a frame or a data set.

    Args:
        data: the path of a table with a column "text" (or one column only) or of a plain text
            file, one text a line; a list of texts or of mappings; a mapping of columns; a pandas
            series or frame; a datasets.Dataset.

    Raises:
        DataError: names the file and line (or row, from 1) of what is wrong, or says that there
            are no rows.
    """
    if isinstance(data, (str, os.PathLike)):
        names, rows, what = readers.text_file(Path(data).expanduser())
    else:
        names, rows, what = readers.texts(data)
    texts = []
    column: int | None = None
    width = 0
    for where, cells in rows:
        if column is None:
            header = names if names is not None else cells
            column, width = _one_column(header, where if names is None else what), len(header)
            known = [str(name).strip().casefold() for name in header]
            if names is None and "text" in known:
                names = known
                continue
        _check_width(where, cells, width)
        texts.append(text_of(cells[column], f"{where}: the text"))
    if not texts:
        raise DataError(f"no rows in {what}", "give at least one text")
    return texts


def _check_width(where: str, cells: Sequence[Any], width: int) -> None:
    if len(cells) != width:
        raise DataError(
            f"{where}: {counted(len(cells), 'column')}, expected {width}",
            "each row needs as many as the first; a tab or comma inside a text needs quoting "
            "in a .csv",
        )


def _one_column(names: Sequence[Any], where: str) -> int:
    """Return the place of the column "text", or of the only one."""
    found = [str(name).strip().casefold() for name in names]
    if "text" in found:
        return found.index("text")
    if len(found) == 1:
        return 0
    shown = ", ".join(str(name)[:30] for name in names[:8])
    raise DataError(
        f"{where}: found {counted(len(names), 'column')}: {shown}",
        "name one 'text', or keep exactly one",
    )


def _named(names: Sequence[str], columns: Columns) -> list[int] | None:
    """Return the positions of the first column names that are there together."""
    found = [name.casefold() for name in names]
    for wanted in columns:
        if all(name.casefold() in found for name in wanted):
            return [found.index(name.casefold()) for name in wanted]
    return None


def _as_many(names: Sequence[str], where: str, columns: Columns) -> tuple[list[int], list[str]]:
    """Return all positions, and names, if there are as many as wanted, else say what there is."""
    for wanted in columns:
        if len(wanted) == len(names):
            return list(range(len(names))), list(wanted)
    shown = ", ".join(name[:30] for name in names[:8])
    number = {2: "two", 3: "three"}.get(len(columns[0]), str(len(columns[0])))
    raise DataError(
        f"{where}: found {counted(len(names), 'column')}: {shown}",
        f"name {number} {' or '.join(map(_listed, columns))}, or keep exactly {number}",
    )


def _listed(names: Sequence[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"


# Cells


def plain_value(value: Any, where: str) -> Any:
    """Return what a cell holds, a NumPy scalar as Python's own.

    Raises:
        DataError: it holds nothing.
    """
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise DataError(f"{where} is missing", "fill it in or leave the row out")
    return value


def text_of(value: Any, where: str, number: bool = False) -> str:
    """Return a cell as text; of labels, whole numbers too.

    Raises:
        DataError: the cell is missing, no text, or empty.
    """
    value = plain_value(value, where)
    if number and isinstance(value, int):
        value = str(value)
    if not isinstance(value, str):
        raise DataError(f"{where} is {type(value).__name__}, not text", "convert it to text")
    if not value.strip():
        raise DataError(f"{where} is empty", "fill it in or leave the row out")
    return value


def two_texts(where: str, names: Sequence[str], cells: Sequence[Any]) -> tuple[str, str]:
    """Return the first two cells of a row as texts."""
    first, second = (
        text_of(cell, f"{where}: the {name}") for cell, name in zip(cells[:2], names, strict=False)
    )
    return first, second


def label_of(where: str, names: Sequence[str], cells: Sequence[Any]) -> str:
    """Return the last cell of a row as a label."""
    return text_of(cells[-1], f"{where}: the {names[-1]}", number=True)


def is_whole(value: Any) -> bool:
    """Return whether a cell is a whole number."""
    return isinstance(value, int) or bool(WHOLE.fullmatch(str(value).strip()))


def number_of(value: Any) -> float | None:
    """Return a cell as a finite number, None if it is none."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
