"""Read rows from files, lists, columns, frames and datasets.

Files are .tsv, .csv or .jsonl, each also .gz; all others are read as tab-separated. pandas and
datasets are recognised, never imported. `zoo.data.columns` picks the columns of a task.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import DataError, counted

# Columns that may come as a second list.
SECOND = ("target", "label")
TABLES = (".tsv", ".csv", ".jsonl", ".json", ".ndjson")
JSON_LINES = TABLES[2:]
Rows = Iterator[tuple[str, Sequence[Any]]]  # the place of a row for messages, and its cells
# Column names, None if the first row may be a header; rows; the source's name for messages.
Source = tuple[list[str] | None, Rows, str]


# Files


def find(folder: Path, name: str) -> Path | None:
    """Return the path of a file in a folder, gzipped or not, or None."""
    paths = (folder / name, folder / f"{name}.gz")
    return next((path for path in paths if path.exists()), None)


def read_lines(path: Path, ends: bool = False, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines of a file, gzipped or not; `ends` keeps their line breaks.

    Args:
        encoding: UTF-8, or the encoding of a known corpus.

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
    """Read the file of a table.

    Raises:
        DataError: there is no such file; `what` names its content.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder", f"name a file of {what}")
    if not path.is_file():
        raise DataError(f"there is no file {path}", "check the path")
    ending = kind(path)
    if ending in JSON_LINES:
        return *records(_json_lines(path)), path.name
    if ending == ".csv":
        return None, _csv(path), path.name
    return None, ((where, line.split("\t")) for where, line in numbered_lines(path)), path.name


def text_file(path: Path) -> Source:
    """Read the lines of a plain text file that are not blank, or the file of a table."""
    if kind(path) in TABLES or not path.is_file():
        return file(path, "texts")
    return ["text"], ((where, [line]) for where, line in numbered_lines(path)), path.name


def kind(path: Path) -> str:
    """Return the ending of a file that decides its format: lower-cased, without .gz."""
    return (path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix).lower()


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield "file:number" and the text of each line that is not blank; raises as `read_lines`."""
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield f"{path.name}:{number}", line


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
    for where, line in numbered_lines(path):
        try:
            yield where, json.loads(line)
        except ValueError as error:
            raise DataError(f"{where}: not valid JSON: {error}", "one object a line") from error


# Memory


def lists(sources: Any, targets: Any, names: Sequence[str]) -> Rows:
    """Return rows of two lists of equal length; `names` are the nouns for their items."""
    hint = "give two lists of equal length"
    if isinstance(sources, str) or isinstance(targets, str):
        raise DataError("one text instead of a list of texts", hint)
    for values in (sources, targets):
        if not isinstance(values, Iterable):
            raise DataError(f"examples cannot be read from {type(values).__name__}", hint)
    sources, targets = list(sources), list(targets)
    if len(sources) != len(targets):
        raise DataError(
            f"{counted(len(sources), names[0])}, but {counted(len(targets), names[1])}",
            f"each {names[0]} needs one {names[1]}",
        )
    return numbered(zip(sources, targets, strict=True))


def numbered(rows: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield "row 1", "row 2" and so on with each row."""
    return ((f"row {number}", row) for number, row in enumerate(rows, start=1))


def table(data: Any, default_names: Sequence[str] = ()) -> Source:
    """Read a frame, a dataset, a mapping of columns or a list; lists of rows get default names."""
    if hasattr(data, "itertuples"):  # a pandas frame
        rows = numbered(data.itertuples(index=False, name=None))
        return [str(name) for name in data.columns], rows, "the frame"
    if hasattr(data, "column_names"):  # a datasets.Dataset, or a dict of splits
        if isinstance(data, Mapping):
            raise DataError(
                f"this data set has splits: {', '.join(data)}",
                f"give one, as in data['{next(iter(data))}']",
            )
        return *records(numbered(data)), "the data set"
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
        return list(data), numbered(zip(*data.values(), strict=True)), "the columns"
    try:
        rows = numbered(data)
    except TypeError:
        raise DataError(
            f"examples cannot be read from {type(data).__name__}",
            "give a path, two lists, a list of pairs, a pandas frame or a datasets.Dataset",
        ) from None
    listed = list(rows)
    if listed and isinstance(listed[0][1], Mapping):
        return *records(iter(listed)), "the list"
    noun = {2: "pair", 3: "triple"}.get(len(default_names), "row")
    for where, row in listed:
        if isinstance(row, str) or not isinstance(row, Sequence):
            last = default_names[-1]
            second = f", or a second list with the {last}s" if last in SECOND else ""
            raise DataError(
                f"{where}: one {type(row).__name__} instead of a {noun}",
                f"give a list of ({', '.join(default_names)}) {noun}s{second}",
            )
    return list(default_names), iter(listed), "the list"


def texts(data: Any) -> Source:
    """Read a list of texts, or of mappings with a text."""
    if isinstance(data, Mapping) or hasattr(data, "columns") or hasattr(data, "column_names"):
        return table(data, ["text"])
    if not isinstance(data, Iterable):
        raise DataError(f"texts cannot be read from {type(data).__name__}", "give a list")
    values = [*data]
    if values and isinstance(values[0], Mapping):
        names, rows = records(numbered(values))
        return names or ["text"], rows, "the list"
    return ["text"], numbered([value] for value in values), "the list"


def records(rows: Iterator[tuple[str, Any]]) -> tuple[list[str] | None, Rows]:
    """Return the names of the first record, and the records' values as rows.

    A record with a mapping "translation", as on the hub, is that mapping.
    """

    def mapping(where: str, record: Any) -> Mapping[str, Any]:
        if not isinstance(record, Mapping):
            raise DataError(
                f"{where}: {type(record).__name__} instead of an object with named values",
                'write it as {"source": "...", "target": "..."}',
            )
        inner = record.get("translation")
        return inner if isinstance(inner, Mapping) else record

    def values() -> Rows:
        yield where, list(first.values())
        for place, record in rows:
            record = mapping(place, record)
            yield place, [record.get(name) for name in names]

    where, record = next(rows, ("", None))
    if not where:
        return [], iter(())
    first = mapping(where, record)
    names = list(first)
    return names, values()
