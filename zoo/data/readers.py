"""Read rows from files, lists, columns, frames and datasets.

Files are .tsv, .csv or .jsonl, each also .gz; all others are read as tab-separated. pandas and
datasets are recognised, never imported. `zoo.data.columns` picks the columns of a task.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.data import delimited
from zoo.errors import DataError, counted

# Columns that may come as a second list.
SECOND = ("target", "label")
TABLES = (".tsv", ".csv", ".jsonl", ".json", ".ndjson")
JSON_LINES = TABLES[2:]
Rows = Iterator[tuple[str, Sequence[Any]]]  # the place of a row for messages, and its cells
IsHeader = Callable[[list[str]], bool]  # whether a first row holds known names

# How a text stays as the file has it. datasets makes times of JSON's dates whatever features say.
KEPT_BY_PANDAS = (
    "give the path of the file itself, or read it with pandas.read_csv(..., dtype=str, "
    "keep_default_na=False)"
)
KEPT_BY_DATASETS = (
    'give the path of the file itself, or load it with load_dataset("csv", ..., '
    "keep_default_na=False)"
)
# Lines that a head of 30 bytes may be torn to.
HEAD = 30
# Bytes that other kinds of files begin with: what they are, and the next step.
SIGNATURES = {
    b"\xff\xfe": ("UTF-16", "convert it: iconv -f utf-16 -t utf-8 {name}"),
    b"\xfe\xff": ("UTF-16", "convert it: iconv -f utf-16 -t utf-8 {name}"),
    b"PK\x03\x04": ("a zip archive", "unzip it, and give the file inside"),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", "save the sheet as CSV UTF-8"),
    b"\x1f\x8b": ("compressed by gzip", "let its name end in .gz"),
    b"BZh": ("compressed by bzip2", "unpack it: bunzip2 {name}"),
    b"\xfd7zXZ\x00": ("compressed by xz", "unpack it: unxz {name}"),
    b"PAR1": ("a Parquet file", "read it with pandas.read_parquet and give the frame"),
    b"%PDF": ("a PDF file", "give its text"),
}
# Parts of a workbook that .xlsx and .ods archives begin with.
WORKBOOKS = (b"[Content_Types].xml", b"_rels/", b"xl/", b"docProps/", b"mimetypeapplication/vnd")


@dataclass
class Source:
    """A table of a user.

    Attributes:
        names: the columns' names, None if there are none or the first row of a file may hold them.
        rows: a place for messages and the cells of each row.
        what: the table's name for messages.
        classes: the names of the classes behind the whole numbers of a column.
        kept: how to read the table so that its texts stay as the file has them.
        delimiter: what parts the columns of the file, if not what is usual for its ending.
        in_memory: whether the rows are no file's, so that none of them is a header.
        apart: whether the user gave each column as a list of its own.
    """

    names: list[str] | None
    rows: Rows
    what: str
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kept: str = ""
    delimiter: str = ""
    in_memory: bool = False
    apart: bool = False


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
        DataError: a line is not UTF-8, or the file cannot be read or is of another kind; names file
            and line.
    """
    lines = byte_lines(path)
    for number, line in enumerate(lines, start=1):
        if number == 1 and encoding == "utf-8":
            check_kind(line, path.name, lines)
        try:
            text = line.decode("utf-8-sig" if number == 1 and encoding == "utf-8" else encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path.name}:{number}: not UTF-8 (byte {error.object[error.start]:#04x})",
                f"convert it, for example: iconv -f latin1 -t utf-8 {path.name}",
            ) from error
        yield text if ends else text.rstrip("\r\n")


def byte_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, gzipped or not: parts that end in a line feed.

    Raises:
        DataError: the file cannot be read.
    """
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            yield from file
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}", "check the file") from error


def check_kind(first: bytes, name: str, rest: Iterator[bytes]) -> None:
    """Raise DataError if the first line of a file shows that it is not text in UTF-8.

    Args:
        rest: its other lines, of which an archive's are read: the time in its head may be a line
            feed.
    """
    if first.startswith(b"PK"):
        first += b"".join(itertools.islice(rest, HEAD))
    for signature, (what, hint) in SIGNATURES.items():
        if first.startswith(signature):
            if signature.startswith(b"PK") and first[30:].startswith(WORKBOOKS):
                what, hint = SIGNATURES[b"\xd0\xcf\x11\xe0"]
            raise DataError(f"{name} is {what}, not text in UTF-8", hint.format(name=name))
    if b"\0" in first[:100]:
        raise DataError(
            f"{name} has NUL bytes in its first line: it may be UTF-16, or no text",
            f"convert it, for example: iconv -f utf-16le -t utf-8 {name}",
        )


def file(
    path: Path,
    what: str = "examples",
    delimiter: str | None = None,
    is_header: IsHeader = lambda names: False,
    columns: int = 2,
) -> Source:
    """Read the file of a table.

    Args:
        what: names its content in errors.
        delimiter: what parts its columns; None looks at the ending and at the first rows.
        is_header: whether a first row holds known names, which tells the delimiter.
        columns: how many columns are wanted.

    Raises:
        DataError: there is no such file, or several delimiters part its rows alike.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder", f"name a file of {what}")
    if not path.is_file():
        raise DataError(f"there is no file {path}", "check the path")
    ending = kind(path)
    if ending in JSON_LINES:
        return Source(*records(_json_lines(path)), path.name)
    usual = "," if ending == ".csv" else "\t"
    if delimiter is None:
        sample = list(itertools.islice(read_lines(path, ends=True), delimited.SAMPLE))
        only_named = usual == "\t" or columns < 2
        delimiter = delimited.choose(sample, usual, is_header, only_named, path.name)
    rows: Rows
    if delimiter == usual == "\t":  # as most such files are written: without quotes
        rows = ((where, line.split("\t")) for where, line in numbered_lines(path))
    else:
        rows = delimited.rows(read_lines(path, ends=True), path.name, delimiter)
    return Source(None, rows, path.name, delimiter="" if delimiter == usual else delimiter)


def text_file(path: Path) -> Source:
    """Read the lines of a plain text file that are not blank."""
    rows: Rows = ((where, [line]) for where, line in numbered_lines(path))
    return Source(["text"], rows, path.name)


def kind(path: Path) -> str:
    """Return the ending of a file that decides its format: lower-cased, without .gz."""
    return (path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix).lower()


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield "file:number" and the text of each line that is not blank; raises as `read_lines`."""
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield f"{path.name}:{number}", line


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


def is_table(data: Any) -> bool:
    """Return whether data in memory has named columns: a frame, a data set or a mapping."""
    frame = hasattr(data, "itertuples") and hasattr(data, "columns")
    return frame or hasattr(data, "column_names") or isinstance(data, Mapping)


def class_names(column: Any) -> list[str]:
    """Return the names of the classes in a column of a data set, [] if it has none.

    Args:
        column: the column, or its feature.
    """
    names = getattr(getattr(column, "features", column), "names", None)
    return list(names) if isinstance(names, (list, tuple)) else []


def table(data: Any, default_names: Sequence[str] = ()) -> Source:
    """Read a frame, a dataset, a mapping of columns or a list; lists of rows get default names."""
    if hasattr(data, "itertuples"):  # a pandas frame
        rows = numbered(data.itertuples(index=False, name=None))
        names = [str(name) for name in data.columns]
        return Source(names, rows, "the frame", kept=KEPT_BY_PANDAS)
    if hasattr(data, "column_names"):  # a datasets.Dataset, or a dict of splits
        if isinstance(data, Mapping):
            raise DataError(
                f"this data set has splits: {', '.join(data)}",
                f"give one, as in data['{next(iter(data))}']",
            )
        features = getattr(data, "features", None) or {}
        classes = {name: class_names(feature) for name, feature in features.items()}
        return Source(*records(numbered(data)), "the data set", classes, KEPT_BY_DATASETS)
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
        rows = numbered(zip(*data.values(), strict=True))
        classes = {name: class_names(column) for name, column in data.items()}
        return Source(list(data), rows, "the columns", classes)
    try:
        rows = numbered(data)
    except TypeError:
        raise DataError(
            f"examples cannot be read from {type(data).__name__}",
            "give a path, two lists, a list of pairs, a pandas frame or a datasets.Dataset",
        ) from None
    listed = list(rows)
    if listed and isinstance(listed[0][1], Mapping):
        return Source(*records(iter(listed)), "the list")
    noun = {2: "pair", 3: "triple"}.get(len(default_names), "row")
    for where, row in listed:
        if isinstance(row, str) or not isinstance(row, Sequence):
            last = default_names[-1]
            second = f", or a second list with the {last}s" if last in SECOND else ""
            raise DataError(
                f"{where}: one {type(row).__name__} instead of a {noun}",
                f"give a list of ({', '.join(default_names)}) {noun}s{second}",
            )
    return Source(None, iter(listed), "the list", in_memory=True)


def texts(data: Any) -> Source:
    """Read a list of texts, or of mappings with a text."""
    if is_table(data):
        return table(data, ["text"])
    if not isinstance(data, Iterable):
        raise DataError(f"texts cannot be read from {type(data).__name__}", "give a list")
    values = [*data]
    if values and isinstance(values[0], Mapping):
        names, rows = records(numbered(values))
        return Source(names or ["text"], rows, "the list")
    return Source(["text"], numbered([value] for value in values), "the list")


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
