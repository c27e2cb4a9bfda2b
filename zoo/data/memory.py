"""A user's own examples where they lie in memory: lists, columns, frames, data sets.

pandas and datasets are recognised, never imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from zoo.errors import DataError, counted

# What may come as a list of its own.
SECOND = ("target", "label")
Rows = Iterator[tuple[str, Sequence[Any]]]  # where a row stands, and its cells


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


def table(data: Any, plain: Sequence[str] = ()) -> tuple[list[str] | None, Rows, str]:
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
