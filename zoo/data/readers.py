"""Rows of whatever a user's examples lie in: files, lists, columns, frames, data sets.

Files are .tsv, .csv or .jsonl, each also .gz; anything else is read as tab-separated. pandas and
datasets are recognised, never imported. `zoo.data.columns` picks the columns that a task wants.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import DataError, counted

# What may come as a list of its own.
SECOND = ("target", "label")
TABLES = (".tsv", ".csv", ".jsonl", ".json", ".ndjson")
JSON_LINES = TABLES[2:]
Rows = Iterator[tuple[str, Sequence[Any]]]  # where a row stands, and its cells
# Column names, None where the first row may be a header; rows; a word for what they lie in.
Source = tuple[list[str] | None, Rows, str]


# Files


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


def file(path: Path, what: str = "examples") -> Source:
    """Return the rows of a table's file.

    Raises:
        DataError: there is no such file; names what it should hold.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder", f"name a file of {what}")
    if not path.is_file():
        raise DataError(f"there is no file {path}", "check the path")
    ending = kind(path)
    if ending in JSON_LINES:
        return *records(_json_lines(path)), path.name
    return None, _csv(path) if ending == ".csv" else _tsv(path), path.name


def text_file(path: Path) -> Source:
    """Return the lines of a plain text file that are not blank, or the rows of a table's file."""
    if kind(path) in TABLES or not path.is_file():
        return file(path, "texts")
    rows = enumerate(read_lines(path), start=1)
    return (
        ["text"],
        ((f"{path.name}:{number}", [line]) for number, line in rows if line.strip()),
        path.name,
    )


def kind(path: Path) -> str:
    """Return the ending that tells how a file is read, lower-cased, without .gz."""
    return (path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix).lower()


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


# Memory


def lists(sources: Any, targets: Any, names: Sequence[str]) -> Rows:
    """Return rows of two lists of equal length; names are what an item of each is called."""
    if isinstance(sources, str) or isinstance(targets, str):
        raise DataError("one text instead of a list of texts", "give two lists of equal length")
    for each in (sources, targets):
        if not isinstance(each, Iterable):
            raise DataError(
                f"examples cannot be read from {type(each).__name__}",
                "give two lists of equal length",
            )
    sources, targets = list(sources), list(targets)
    if len(sources) != len(targets):
        raise DataError(
            f"{counted(len(sources), names[0])}, but {counted(len(targets), names[1])}",
            f"each {names[0]} needs one {names[1]}",
        )
    return ((f"row {i}", pair) for i, pair in enumerate(zip(sources, targets, strict=True), 1))


def table(data: Any, plain: Sequence[str] = ()) -> Source:
    """Return column names, `plain` where it has none, rows and a word for what it is."""
    if hasattr(data, "itertuples"):  # a pandas frame
        rows = (
            (f"row {i}", row) for i, row in enumerate(data.itertuples(index=False, name=None), 1)
        )
        return [str(name) for name in data.columns], rows, "the frame"
    if hasattr(data, "column_names"):  # a datasets.Dataset, or a dict of splits
        if isinstance(data, Mapping):
            raise DataError(
                f"this data set has splits: {', '.join(data)}",
                f"give one, as in data['{next(iter(data))}']",
            )
        return *records((f"row {i}", row) for i, row in enumerate(data, 1)), "the data set"
    if isinstance(data, Mapping):
        for name, column in data.items():
            if isinstance(column, str) or not hasattr(column, "__len__"):
                raise DataError(
                    f"the column {name} is {type(column).__name__}, not a list",
                    "give a list of texts for each column",
                )
        lengths = {name: len(column) for name, column in data.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise DataError(f"columns of different length: {shown}", "make them equal")
        cells = zip(*data.values(), strict=True)
        return list(data), ((f"row {i}", row) for i, row in enumerate(cells, 1)), "the columns"
    try:
        rows = iter(data)
    except TypeError:
        raise DataError(
            f"examples cannot be read from {type(data).__name__}",
            "give a path, two lists, a list of pairs, a pandas frame or a datasets.Dataset",
        ) from None
    listed = [(f"row {i}", row) for i, row in enumerate(rows, 1)]
    if listed and isinstance(listed[0][1], Mapping):
        return *records(iter(listed)), "the list"
    many = {2: "pair", 3: "triple"}.get(len(plain), "row")
    for where, row in listed:
        if isinstance(row, str) or not isinstance(row, Sequence):
            second = f", or a second list with the {plain[-1]}s" if plain[-1] in SECOND else ""
            raise DataError(
                f"{where}: one {type(row).__name__} instead of a {many}",
                f"give a list of ({', '.join(plain)}) {many}s{second}",
            )
    return list(plain), iter(listed), "the list"


def texts(data: Any) -> Source:
    """Return rows of a list of texts, or of mappings with a text each."""
    if isinstance(data, Mapping) or hasattr(data, "columns") or hasattr(data, "column_names"):
        return table(data, ["text"])
    if not isinstance(data, Iterable):
        raise DataError(f"texts cannot be read from {type(data).__name__}", "give a list")
    values = [*data]
    if values and isinstance(values[0], Mapping):
        names, rows = records((f"row {i}", value) for i, value in enumerate(values, 1))
        return names or ["text"], rows, "the list"
    return ["text"], ((f"row {i}", [value]) for i, value in enumerate(values, 1)), "the list"


def records(found: Iterator[tuple[str, Any]]) -> tuple[list[str] | None, Rows]:
    """Return names, those of the first record, and rows of mappings.

    A record that only holds a mapping called "translation", as on the hub, is that mapping.
    """

    def plain(where: str, record: Any) -> Mapping[str, Any]:
        if not isinstance(record, Mapping):
            raise DataError(
                f"{where}: {type(record).__name__} instead of an object with named values",
                'write it as {"source": "...", "target": "..."}',
            )
        inner = record.get("translation")
        return inner if isinstance(inner, Mapping) else record

    def rows(names: list[str], first: tuple[str, Mapping[str, Any]]) -> Rows:
        yield first[0], list(first[1].values())
        for where, record in found:
            record = plain(where, record)
            yield where, [record.get(name) for name in names]

    first = next(found, None)
    if first is None:
        return [], iter(())
    first = first[0], plain(*first)
    names = list(first[1])
    return names, rows(names, first)
