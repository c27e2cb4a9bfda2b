"""A user's own examples, whatever they lie in, as pairs of texts.

Files (.tsv, .csv, .jsonl, each also .gz; anything else is read as tab-separated), lists, mappings
of columns, pandas frames and datasets.Dataset all take the same way: columns are found by name,
else there must be exactly two. pandas and datasets are recognised, never imported.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import DataError, counted

Pair = tuple[str, str]
Columns = Sequence[tuple[str, str]]
Rows = Iterator[tuple[str, Sequence[Any]]]  # where a row stands, and its cells

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
    names: list[str] | None
    rows: Rows
    plain = list(columns[0])  # what two columns without names are called
    if targets is not None:
        names, rows, what = plain, _lists(data, targets, plain), "the lists"
    elif isinstance(data, (str, os.PathLike)):
        path = Path(data).expanduser()
        names, rows, what = *_file(path), path.name
    else:
        names, rows, what = _table(data, plain)
    first = next(rows, None)
    if first is None:
        raise DataError(f"no rows in {what}", "give at least one pair of texts")
    where, cells = first
    pairs = []
    if names is None:  # a file without names of its own: the first row tells
        chosen = _named(cells, columns)
        width = len(cells)
        names = [str(cell).strip() for cell in cells]
        if chosen is None:
            chosen, names = _two(cells, where, columns), plain
            pairs.append(_pair(where, cells, chosen, names))
    else:
        chosen = _named(names, columns) or _two(names, what, columns)
        width = len(names)
        pairs.append(_pair(where, cells, chosen, names))
    for where, cells in rows:
        _check_width(where, cells, width)
        pairs.append(_pair(where, cells, chosen, names))
    if not pairs:
        raise DataError(f"no rows in {what}", "there is only a header")
    return pairs


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
        names, rows, what = _table(data)
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
        texts.append(_text(cells[column], f"{where}: the text"))
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
        records = ((f"row {i}", value) for i, value in enumerate(values, 1))
        names, rows = _records(records)
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


def _named(names: Sequence[Any], columns: Columns) -> tuple[int, int] | None:
    """Return the positions of the first pair of column names that is there."""
    found = [str(name).strip().casefold() for name in names]
    for source, target in columns:
        if source.casefold() in found and target.casefold() in found:
            return found.index(source.casefold()), found.index(target.casefold())
    return None


def _two(names: Sequence[Any], where: str, columns: Columns) -> tuple[int, int]:
    """Return (0, 1) if there are two columns, else say what there is."""
    if len(names) == 2:
        return 0, 1
    shown = ", ".join(str(name)[:30] for name in names[:8])
    wanted = " or ".join(f"'{source}' and '{target}'" for source, target in columns)
    raise DataError(
        f"{where}: found {counted(len(names), 'column')}: {shown}",
        f"name two {wanted}, or keep exactly two",
    )


def _pair(
    where: str, cells: Sequence[Any], chosen: tuple[int, int], names: Sequence[str] = ()
) -> Pair:
    source, target = (
        _text(cells[index], f"{where}: the {names[index] if names else 'text'}", index == chosen[1])
        for index in chosen
    )
    return source, target


def _text(value: Any, where: str, number: bool = False) -> str:
    """Return a cell as text; of labels, whole numbers too."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise DataError(f"{where} is missing", "fill it in or leave the row out")
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
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
        return _records(_json_lines(path))
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


# Things in memory


def _lists(sources: Any, targets: Any, names: Sequence[str]) -> Rows:
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


def _table(data: Any, plain: Sequence[str] = ()) -> tuple[list[str] | None, Rows, str]:
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
        return *_records((f"row {i}", row) for i, row in enumerate(data, 1)), "the data set"
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
        return *_records(iter(listed)), "the list"
    for where, row in listed:
        if isinstance(row, str) or not isinstance(row, Sequence):
            raise DataError(
                f"{where}: one {type(row).__name__} instead of a pair",
                f"give a list of ({', '.join(plain)}) pairs, or a second list with the "
                f"{plain[-1]}s",
            )
    return list(plain), iter(listed), "the list"


def _records(records: Iterator[tuple[str, Any]]) -> tuple[list[str] | None, Rows]:
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
        for where, record in records:
            record = plain(where, record)
            yield where, [record.get(name) for name in names]

    first = next(records, None)
    if first is None:
        return [], iter(())
    first = first[0], plain(*first)
    names = list(first[1])
    return names, rows(names, first)
