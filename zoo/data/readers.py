"""A user's own examples, whatever they lie in, as rows of those columns that are wanted.

Files (.tsv, .csv, .jsonl, each also .gz; anything else is read as tab-separated), lists, mappings
of columns, pandas frames and datasets.Dataset all take the same way: columns are found by name,
else there must be exactly as many as are wanted.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.data.memory import Rows, lists, records, table
from zoo.errors import DataError, counted

Pair = tuple[str, str]
Columns = Sequence[tuple[str, ...]]
Row = tuple[str, list[str], list[Any]]  # where it stands, the names of its columns, its cells

COLUMNS: Columns = (("source", "target"), ("text", "label"))


def read_pairs(
    data: Any, targets: Iterable[Any] | None = None, columns: Columns = COLUMNS
) -> list[Pair]:
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
        (
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
        names, rows, what = plain, lists(data, targets, plain), "the lists"
    elif isinstance(data, (str, os.PathLike)):
        path = Path(data).expanduser()
        names, rows, what = *_file(path), path.name
    else:
        names, rows, what = table(data, plain)
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
    names: list[str] | None = ["text"]
    rows: Rows
    if isinstance(data, (str, os.PathLike)):
        path = Path(data).expanduser()
        kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
        what = path.name
        if kind.lower() in (".tsv", ".csv", ".jsonl", ".json", ".ndjson"):
            names, rows = _file(path)
        else:
            names, rows = ["text"], _plain(path)
    elif isinstance(data, Mapping) or hasattr(data, "columns") or hasattr(data, "column_names"):
        names, rows, what = table(data, ["text"])
    else:
        if not isinstance(data, Iterable):
            raise DataError(f"texts cannot be read from {type(data).__name__}", "give a list")
        names, rows, what = _single([*data])
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


def _single(values: list[Any]) -> tuple[list[str], Rows, str]:
    """Return rows of a list of texts or of mappings with a text each."""
    if values and isinstance(values[0], Mapping):
        names, rows = records((f"row {i}", value) for i, value in enumerate(values, 1))
        return names or ["text"], rows, "the list"
    return ["text"], ((f"row {i}", [value]) for i, value in enumerate(values, 1)), "the list"


def _plain(path: Path) -> Rows:
    if path.is_dir():
        raise DataError(f"{path} is a folder", "name a file of texts")
    if not path.is_file():
        raise DataError(f"there is no file {path}", "check the path")
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield f"{path.name}:{number}", [line]


# Columns


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


# Files


def _file(path: Path) -> tuple[list[str] | None, Rows]:
    kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if path.is_dir():
        raise DataError(f"{path} is a folder", "name a file of examples")
    if not path.is_file():
        raise DataError(f"there is no file {path}", "check the path")
    if kind.lower() in (".jsonl", ".json", ".ndjson"):
        return records(_json_lines(path))
    return None, _csv(path) if kind.lower() == ".csv" else _tsv(path)


def find(folder: Path, name: str) -> Path | None:
    """Return the file of that name in a folder, gzipped or not; None if there is neither."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    return None


def read_lines(path: Path, ends: bool = False, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines of a file, gzipped or not, without their ends unless asked for.

    Args:
        encoding: another one is for corpora that are known to have it.

    Raises:
        DataError: a line is not UTF-8, or the file cannot be read; names file and line.
    """
    opener: Any = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                first = number == 1 and encoding == "utf-8"
                text = line.decode("utf-8-sig" if first else encoding)
                yield text if ends else text.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name}:{number}: not UTF-8 (byte {error.object[error.start]:#04x})",
            f"convert it, for example: iconv -f latin1 -t utf-8 {path.name}",
        ) from error
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}", "check the file") from error


def _tsv(path: Path) -> Rows:
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield f"{path.name}:{number}", line.split("\t")


def _csv(path: Path) -> Rows:
    reader = csv.reader(read_lines(path, ends=True), strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield f"{path.name}:{line}", cells
            line = reader.line_num + 1  # a quoted cell may run over several lines
    except csv.Error as error:
        raise DataError(
            f"{path.name}:{line}: {error}", "quote texts with commas in them"
        ) from error


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            where = f"{path.name}:{number}"
            try:
                yield where, json.loads(line)
            except ValueError as error:
                raise DataError(f"{where}: not valid JSON: {error}", "one object a line") from error
