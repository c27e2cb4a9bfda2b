"""Parallel corpora: one file a language (`train.de`, `train.en`), or one table (`train.tsv`)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zoo.config.recipe import Data
from zoo.data.corpora.corpus import Corpus, from_hub
from zoo.data.examples import Example
from zoo.data.readers import find, read_lines
from zoo.errors import DataError, counted


@dataclass(frozen=True)
class Parallel(Corpus):
    """A corpus of sentence pairs, without the pairs that have an empty side.

    Attributes:
        columns: languages of a table's columns; if empty, those of source and target.
        names: the corpus' own names of the zoo's splits, where they differ.
    """

    rows: Literal["text", "pair", "question", "translation"] = "translation"
    columns: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)

    def load(
        self, data: Data, split: str, *, labelled: bool, seed: int, folder: Path | None
    ) -> list[Example]:
        pairs = [pair for pair in self.read(data, split, folder) if all(map(str.strip, pair))]
        if not pairs:
            raise DataError(f"{data.corpus} {split}: no rows", "check the corpus folder")
        return pairs[: data.limit] if data.limit and split == "train" else pairs

    def read_folder(self, folder: Path, name: str, data: Data) -> Iterable[Example]:
        file = self.names.get(name, name)
        sides = [find(folder, f"{file}.{language}") for language in (data.source, data.target)]
        if all(sides):
            source, target = (list(read_lines(side)) for side in sides if side)
            if len(source) != len(target):
                raise DataError(
                    f"{sides[0]} has {len(source)} lines, {sides[1]} {len(target)}",
                    "the two files must have a line for each other's lines",
                )
            return list(map(Example, source, target))
        if (table := find(folder, f"{file}.tsv")) is not None:
            return self.oriented(read_table(table), data)
        raise DataError(
            f"{folder} has no split '{name}'",
            f"expected {file}.{data.source} and {file}.{data.target}, or {file}.tsv",
        )

    def fetch(self, data: Data, name: str) -> Iterable[Example]:
        split = {"valid": "validation"}.get(name, name)
        most = data.limit if name == "train" else None

        def read(rows: Iterable[Mapping[str, Any]]) -> list[Example]:
            return list(itertools.islice(self.translations(rows, data), most))

        return self.oriented(from_hub(data, split, read, streaming=bool(data.limit)), data)

    def oriented(self, pairs: Iterable[Example], data: Data) -> list[Example]:
        """Return pairs, which are in the order of the columns, as (source, target)."""
        columns = self.columns or (data.source, data.target)
        if (data.source, data.target) == columns:
            return list(pairs)
        if (data.target, data.source) == columns:
            return [Example(second, first) for first, second in pairs]
        raise DataError(
            f"{data.corpus} has {' and '.join(columns)}, not {data.source} and {data.target}",
            "change data.source and data.target",
        )

    def translations(self, rows: Iterable[Mapping[str, Any]], data: Data) -> Iterator[Example]:
        """Yield the pairs of the hub's rows, in the order of the columns."""
        columns = self.columns or (data.source, data.target)
        for row in rows:
            row = row.get("translation", row)
            if not {*columns} <= {*row}:
                raise DataError(
                    f"{data.hub} has {', '.join(row)}, not {' and '.join(columns)}",
                    "change data.source and data.target, or data.hub",
                )
            yield Example(row[columns[0]], row[columns[1]])


def read_table(path: Path) -> Iterator[Example]:
    """Yield the pairs of a tab-separated file without its third column, the attribution."""
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.split("\t")
        if len(cells) not in (2, 3):
            raise DataError(f"{path.name}:{number}: {counted(len(cells), 'column')}, expected 2")
        yield Example(cells[0], cells[1])
