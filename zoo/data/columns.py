"""Read a user's examples from files, lists, frames or datasets, as rows of a task's columns.

`zoo.data.readers` reads tables, `zoo.data.matching` chooses their columns.
"""

from __future__ import annotations

import datetime
import itertools
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from zoo.data import delimited, matching, readers
from zoo.data.cells import date_text, is_missing, label_of, number_of, text_of
from zoo.data.examples import Example
from zoo.data.matching import SHORTHANDS, Choice, Columns, Roles
from zoo.data.readers import Source
from zoo.errors import DataError, OptionError, ZooWarning, counted

Row = tuple[str, list[str], list[Any]]  # its place for messages, its columns' names, its cells

COLUMNS: Columns = (("source", "target"), ("text", "label"))
TEXTS = Roles((("text",),))
# Rows by which columns are chosen.
SAMPLE = 1000
# Labels that one line lists.
LISTED = 12


class TableArguments(TypedDict, total=False):
    """How verbs that take examples read a user's table; each may be left out or None.

    Attributes:
        text_column, label_column, source_column, target_column: the name of a column, or its
            number from 1 where columns have no names.
        columns: the same for every column of a task, as in {"premise": "first", ...}; "answers" may
            have a list of columns.
        delimiter: what parts the columns of a file: a character, or "comma", "semicolon", "tab" or
            "pipe"; by default the file's ending and first rows decide.
        header: whether the first row of a file holds names; by default the row itself decides.
    """

    text_column: str | int | None
    label_column: str | int | None
    source_column: str | int | None
    target_column: str | int | None
    columns: Mapping[str, Any] | None
    delimiter: str | None
    header: bool | None


@dataclass(frozen=True)
class TableOptions:
    """How to read a user's table.

    Attributes:
        columns: the names of columns, or their numbers from 1, by role: "text", "label", "source",
            "target", or another column of the task. "answers" may have several.
        delimiter: what parts the columns of a file; None looks at the file.
        header: whether the first row of a file holds names; None looks.
        say: called with one line that tells which rows, columns and labels were read.
    """

    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    delimiter: str | None = None
    header: bool | None = None
    say: Callable[[str], None] | None = None

    @classmethod
    def of(cls, **arguments: Unpack[TableArguments]) -> TableOptions:
        """Return checked options.

        Raises:
            OptionError: a column is named twice, or an option is invalid.
            TypeError: there is no such argument.
        """
        values: dict[str, Any] = {**arguments}
        for name in values:
            if name not in TableArguments.__annotations__:
                raise TypeError(f"unexpected keyword argument '{name}'")
        columns, header = values.get("columns"), values.get("header")
        delimiter = values.get("delimiter")
        if columns is not None and not isinstance(columns, Mapping):
            raise OptionError(f"columns is {columns!r}", 'write it as {"premise": "first", ...}')
        chosen: dict[str, Any] = dict(columns or {})
        for role in SHORTHANDS:
            value = values.get(f"{role}_column")
            if value is None:
                continue
            if role in chosen:
                raise OptionError(f"the column of '{role}' is named twice", "name it once")
            chosen[role] = value
        for role, value in chosen.items():
            chosen[role] = tuple(value) if isinstance(value, (list, tuple)) else (value,)
            if not chosen[role] or any(isinstance(name, bool) for name in chosen[role]):
                raise OptionError(f"the column of '{role}' is {value!r}", "give its name")
            chosen[role] = tuple(map(str, chosen[role]))
        if delimiter is not None:
            delimiter = delimited.check_delimiter(delimiter)
        if header not in (None, True, False):
            raise OptionError(f"header is {header!r}", "header is True or False")
        return cls(chosen, delimiter, header)

    def __bool__(self) -> bool:
        """Return whether the user has set any."""
        return bool(self.columns) or self.delimiter is not None or self.header is not None

    def of_source(self, source: Any) -> TableOptions:
        """Return the options for further examples, which hold only where these have columns."""
        if isinstance(source, (str, os.PathLike)):
            return self
        first = next(iter(source), None) if isinstance(source, (list, tuple)) else None
        if isinstance(first, Mapping) or readers.is_table(source):
            return self
        return replace(PLAIN, say=self.say)

    def for_roles(self, roles: Sequence[str]) -> TableOptions:
        """Return the same with the columns of these roles alone."""
        return replace(self, columns={r: c for r, c in self.columns.items() if r in roles})


PLAIN = TableOptions()


def read_pairs(
    data: Any,
    targets: Iterable[Any] | None = None,
    columns: Columns | Roles = COLUMNS,
    table: TableOptions = PLAIN,
) -> list[Example]:
    """Read (source, target) pairs from a file, lists, a frame or a dataset.

    Args:
        data: a path, a pandas frame, a datasets.Dataset, a mapping of columns, a list of pairs or
            of mappings, or a list of sources with `targets`.
        targets: one for each source.
        columns: pairs of column names to look for, in this order; case does not matter. A file's
            first row is a header if it holds such a pair, else its first example.
        table: how to read it.

    Raises:
        DataError: text that is not UTF-8, a wrong number of columns, or a missing value, with the
            file and line (or row, from 1); unknown columns; no rows.
        OptionError: a named column that the task does not have.
    """
    roles = columns if isinstance(columns, Roles) else Roles(columns)
    return [
        Example(text_of(cells[0], f"{where}: the {names[0]}"), label_of(where, names, cells))
        for where, names, cells in read_rows(data, targets, roles, table)
    ]


def read_rows(
    data: Any,
    targets: Iterable[Any] | None = None,
    roles: Roles | None = None,
    table: TableOptions = PLAIN,
) -> Iterator[Row]:
    """Yield the place of each row, the names of the requested columns, and their raw cells.

    Args:
        data: as for `read_pairs`, with one cell for each requested column.
        targets: the last column's cells, one for each row.
        roles: the requested columns.
        table: how to read it.

    Raises:
        DataError: see `read_pairs`; cells are not checked.
    """
    roles = roles or Roles(COLUMNS)
    default_names = list(roles.sets()[0])
    if targets is not None and (len(default_names) > 2 or readers.is_table(data)):
        return _with_targets(data, targets, roles, table)
    if targets is not None:
        rows = readers.lists(data, targets, default_names)
        classes = {default_names[-1]: readers.class_names(targets)}
        source = Source(default_names, rows, "the lists", classes, apart=True)
    elif isinstance(data, (str, os.PathLike)):
        source = _file(Path(data).expanduser(), roles, table)
    else:
        source = readers.table(data, default_names)
    return _rows(source, roles, table)


def read_texts(data: Any, roles: Roles = TEXTS, table: TableOptions = PLAIN) -> list[str]:
    """Read texts from a file, a list, a frame or a dataset.

    Args:
        data: the path of a table with a column "text" (or only one column) or of a plain text
            file, one text a line; a list of texts or of mappings; a mapping of columns; a pandas
            series or frame; a datasets.Dataset.
        roles, table: see `read_rows`.

    Raises:
        DataError: see `read_pairs`.
    """
    if isinstance(data, (str, os.PathLike)):
        path = Path(data).expanduser()
        plain = readers.kind(path) not in readers.TABLES and path.is_file() and not table
        source = readers.text_file(path) if plain else _file(path, roles, table, "texts")
    else:
        source = readers.texts(data)
    rows = _rows(source, roles, table)
    return [text_of(cells[0], f"{where}: the text") for where, _, cells in rows]


def _file(path: Path, roles: Roles, table: TableOptions, what: str = "examples") -> Source:
    columns = len(roles.sets()[0])
    return readers.file(path, what, table.delimiter, roles.all_found, columns)


def _rows(source: Source, roles: Roles, table: TableOptions) -> Iterator[Row]:
    rows = source.rows
    first = next(rows, None)
    if first is None:
        raise DataError(f"no rows in {source.what}", "give at least one example")
    if source.names is None:
        width, names = len(first[1]), first[1]
    else:
        width, names = len(source.names), source.names
        rows = itertools.chain([first], rows)
    sample = list(itertools.islice(rows, SAMPLE))
    rows = itertools.chain(sample, rows)
    header = table.header if source.names is None else True
    where = first[0] if source.names is None else source.what
    if source.in_memory and source.names is None:
        header, width = False, width if table.columns else len(roles.sets()[0])
        if len(first[1]) != width:
            raise DataError(*_wrong_width(first[0], len(first[1]), width))
        names = first[1]
    cells = [row for _, row in sample]
    choice = matching.choose(names, cells, roles, table.columns, header, where, source.apart)
    if source.names is None and not choice.header:
        rows = itertools.chain([first], rows)
    taken = Taken(source, choice, roles.labels != "none")
    told: set[str] = set()
    for where, row in rows:
        if len(row) != width:
            raise DataError(*_wrong_width(where, len(row), width))
        chosen = [row[place] for place in choice.places]
        if source.kept:
            _check_kept(where, choice, chosen, roles.labels, source.kept, told)
        taken.decode(chosen, roles.known)
        taken.count(chosen)
        yield where, choice.names, chosen
    if not taken.rows:
        raise DataError(f"no rows in {source.what}", "there is only a header")
    if table.say is not None:
        table.say(taken.line())


def _wrong_width(where: str, found: int, expected: int) -> tuple[str, str]:
    return (
        f"{where}: {counted(found, 'column')}, expected {expected}",
        "each row needs as many as the first; a tab or comma inside a text needs quoting in a .csv",
    )


def _with_targets(
    data: Any, targets: Iterable[Any], roles: Roles, table: TableOptions
) -> Iterator[Row]:
    """Yield rows whose last cells come from `targets`."""
    if isinstance(targets, str) or not isinstance(targets, Iterable):
        raise DataError(
            f"labels cannot be read from {type(targets).__name__}", "give a list, one for each row"
        )
    rows = list(read_rows(data, None, roles.without_last(), replace(table, say=None)))
    last, values = roles.sets()[0][-1], list(targets)
    if len(rows) != len(values):
        raise DataError(
            f"{counted(len(rows), 'row')}, but {counted(len(values), last)}",
            f"each row needs one {last}",
        )
    names = [*rows[0][1], last]
    choice = Choice(list(range(len(names))), names, names, True)
    classes = {last: readers.class_names(targets)}
    taken = Taken(Source(names, iter(()), "the rows", classes), choice, roles.labels != "none")
    for (where, _, cells), value in zip(rows, values, strict=True):
        chosen = [*cells, value]
        taken.decode(chosen, roles.known)
        taken.count(chosen)
        yield where, names, chosen
    if table.say is not None:
        table.say(taken.line())


def _check_kept(
    where: str, choice: Choice, cells: Sequence[Any], labels: str, kept: str, told: set[str]
) -> None:
    """Raise DataError for a text that the reader of a file has dropped or changed.

    Args:
        labels: what the last column holds, see `Roles`.
        kept: how to read the file so that its texts stay.
        told: the columns that have been warned of.
    """
    texts = choice.roles[:-1] or choice.roles
    for role, name, cell in zip(choice.roles, choice.names, cells, strict=True):
        if is_missing(cell):
            raise DataError(
                f"{where}: the {name} is missing",
                f"pandas and datasets read NA, null, None and empty cells as missing: {kept}; or "
                "leave the row out",
            )
        value = cell.item() if hasattr(cell, "item") and not hasattr(cell, "__len__") else cell
        if role in texts and isinstance(value, (bool, int, float)):
            raise DataError(
                f"{where}: the {name} is {type(value).__name__}, not text",
                f"convert it to text; if a file was read, {kept}",
            )
        if role not in texts and isinstance(value, float) and labels == "classes":
            raise DataError(
                f"{where}: the {name} is float, not text",
                f"beside a missing cell, whole numbers are read as fractions: {kept}; or convert "
                "it to whole numbers",
            )
        if isinstance(cell, datetime.datetime) and "T" in date_text(cell) and name not in told:
            told.add(name)
            warnings.warn(
                f"{where}: the {name} was read as a time and is taken as '{date_text(cell)}', "
                f"which may not be its form in the file; to keep that, {kept}",
                ZooWarning,
                stacklevel=4,
            )


class Taken:
    """What is read from a table: its rows, columns and labels."""

    def __init__(self, source: Source, choice: Choice, labelled: bool) -> None:
        self.source = source
        self.choice = choice
        self.labelled = labelled
        self.rows = 0
        self.labels: Counter[str] = Counter()

    def decode(self, cells: list[Any], known: Sequence[str]) -> None:
        """Replace the number of a class by its name, unless the model's labels are numbers."""
        names = self.source.classes.get(self.choice.names[-1]) if self.labelled else None
        if not names or (set(map(str, range(len(names)))) <= {*known} and not {*names} <= {*known}):
            return
        value = cells[-1]
        if hasattr(value, "item"):
            value = value.item()
        if isinstance(value, int):
            # -1 is the label of rows that have none.
            cells[-1] = names[value] if 0 <= value < len(names) else None

    def count(self, cells: Sequence[Any]) -> None:
        """Count a row and its label."""
        self.rows += 1
        if self.labelled:
            label = cells[-1]
            text = date_text(label) if isinstance(label, datetime.date) else str(label).strip()
            self.labels[text] += 1

    def line(self) -> str:
        """Return "mine.csv: 12 rows; text: 'message', label (ham 8, spam 4)"."""
        choice = self.choice
        named = choice.header or self.source.names is not None
        parts = [
            f"{role}: column {place + 1}" if not named else
            role if name == role else f"{role}: '{name}'"
            for role, name, place in zip(choice.roles, choice.names, choice.places, strict=True)
        ]  # fmt: skip
        columns = ", ".join(parts) + (f" ({self._counts()})" if self.labels else "")
        apart = delimited.DELIMITERS.get(self.source.delimiter, repr(self.source.delimiter))
        by = f", parted by {apart}" if self.source.delimiter else ""
        return f"{self.source.what}: {self.rows:,} row{'s' * (self.rows != 1)}{by}; {columns}"

    def _counts(self) -> str:
        numbers = [number_of(label) for label in self.labels]
        if len(numbers) > LISTED and all(number is not None for number in numbers):
            values = [number for number in numbers if number is not None]
            return f"{min(values):g} to {max(values):g}"
        by_count = sorted(self.labels.items(), key=lambda item: (-item[1], item[0]))
        shown = [f"{label} {count:,}" for label, count in by_count[:LISTED]]
        more = len(self.labels) - LISTED
        return ", ".join([*shown, f"and {more} more labels"] if more > 0 else shown)
