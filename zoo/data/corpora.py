"""Parallel corpora by name: from the folder that ZOO_DATA names, else from the hub.

A corpus in that folder is a sub-folder of its name with, for each split, either one file a
language (`train.de`, `train.en`) or one tab-separated file (`train.tsv`); each may be gzipped.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zoo.config.recipe import Data
from zoo.data.readers import find, read_lines
from zoo.errors import DataError, UnknownName, counted, did_you_mean

Pair = tuple[str, str]


@dataclass(frozen=True)
class Corpus:
    """How a corpus lies on disk: the order of columns in its .tsv, and its names of the splits."""

    columns: tuple[str, ...] = ()
    splits: dict[str, str] = field(default_factory=dict)
    raw: str = ""  # the public file that `split_tatoeba` can split


CORPORA = {
    "multi30k": Corpus(splits={"valid": "val", "test": "test_2016_flickr"}),
    "tatoeba-en-fr": Corpus(columns=("en", "fr"), raw="fra.txt"),
    "opus-100": Corpus(),
    "wmt14-de-en": Corpus(),
    "wmt14-fr-en": Corpus(),
}


def load(data: Data, split: str, folder: Path | None = None) -> list[Pair]:
    """Return the (source, target) pairs of one split: "train", "valid" or "test".

    Args:
        folder: the corpus' own folder; None looks in ZOO_DATA, then on the hub.

    Raises:
        UnknownName: there is no such corpus.
        DataError: a file is missing, not UTF-8, has a row with the wrong number of columns, or
            has no rows.
    """
    if data.corpus not in CORPORA:
        raise UnknownName(f"there is no corpus '{data.corpus}'", did_you_mean(data.corpus, CORPORA))
    root = os.environ.get("ZOO_DATA")
    if folder is None and root:
        folder = Path(root) / data.corpus
    if folder is not None and folder.is_dir():
        pairs = _from_folder(folder, CORPORA[data.corpus], data, split)
    elif data.hub:
        pairs = _from_hub(CORPORA[data.corpus], data, split)
    else:
        raise DataError(
            f"the corpus {data.corpus} is not here",
            f"set ZOO_DATA to a folder with {data.corpus}/ in it (see docs/data.md)",
        )
    kept = [pair for pair in pairs if pair[0].strip() and pair[1].strip()]
    if not kept:
        raise DataError(f"{data.corpus} {split}: no rows", "check the corpus folder")
    return kept[: data.limit] if data.limit and split == "train" else kept


def references(pairs: Iterable[Pair]) -> list[tuple[str, list[str]]]:
    """Return each distinct source with all of its targets, in the order of first occurrence."""
    grouped: dict[str, list[str]] = {}
    for source, target in pairs:
        grouped.setdefault(source, []).append(target)
    return list(grouped.items())


def tatoeba_split(english: str) -> str:
    """Return the split that an English sentence falls into: train, valid, test or aside.

    The sentence is lower-cased, every run of non-word characters becomes one space, and the
    ends are stripped; its sha256 as an integer modulo 1000 decides: 0 to 9 valid, 10 to 24 test,
    25 to 39 aside, else train. So all translations of one sentence fall together.
    """
    key = re.sub(r"\W+", " ", english.lower()).strip()
    number = int(hashlib.sha256(key.encode()).hexdigest(), 16) % 1000
    if number < 10:
        return "valid"
    if number < 25:
        return "test"
    return "aside" if number < 40 else "train"


def split_tatoeba(rows: Iterable[Pair], split: str) -> list[Pair]:
    """Return one split of the public English-French file's rows, duplicates removed.

    No-break spaces, which French puts before its marks, become plain ones there, as in the corpus
    that the shipped weights learned from.
    """
    clean = ((english.strip(), _plain_spaces(french)) for english, french in rows)
    return [pair for pair in dict.fromkeys(clean) if tatoeba_split(pair[0]) == split]


def _plain_spaces(text: str) -> str:
    return re.sub("[\u00a0\u202f]", " ", text).strip()


def _from_folder(folder: Path, corpus: Corpus, data: Data, split: str) -> list[Pair]:
    name = corpus.splits.get(split, split)
    sides = [find(folder, f"{name}.{language}") for language in (data.source, data.target)]
    if all(sides):
        source, target = (list(read_lines(side)) for side in sides if side)
        if len(source) != len(target):
            raise DataError(
                f"{sides[0]} has {len(source)} lines, {sides[1]} {len(target)}",
                "the two files must have a line for each other's lines",
            )
        return list(zip(source, target, strict=True))
    table, raw = find(folder, f"{name}.tsv"), corpus.raw and find(folder, corpus.raw)
    if table:
        return _oriented(list(_rows(table)), corpus, data)
    if raw:
        return _oriented(split_tatoeba(_rows(raw), split), corpus, data)
    raise DataError(
        f"{folder} has no split '{split}'",
        f"expected {name}.{data.source} and {name}.{data.target}, or {name}.tsv",
    )


def _oriented(rows: list[Pair], corpus: Corpus, data: Data) -> list[Pair]:
    """Return rows in the corpus' order of columns as (source, target)."""
    columns = corpus.columns or (data.source, data.target)
    if (data.source, data.target) == columns:
        return rows
    if (data.target, data.source) == columns:
        return [(second, first) for first, second in rows]
    raise DataError(
        f"{data.corpus} has {' and '.join(columns)}, not {data.source} and {data.target}",
        "change data.source and data.target",
    )


def _from_hub(corpus: Corpus, data: Data, split: str) -> list[Pair]:
    import datasets

    # A corpus with a rule of its own is one split on the hub.
    name = "train" if corpus.raw else {"valid": "validation"}.get(split, split)
    streaming = bool(data.limit)
    try:
        rows = _hub_rows(
            datasets.load_dataset(
                data.hub, data.hub_config, split=name, revision=data.revision, streaming=streaming
            ),
            corpus.columns or (data.source, data.target),
            data,
        )
        if corpus.raw:
            return _oriented(split_tatoeba(rows, split), corpus, data)
        pairs = list(itertools.islice(rows, data.limit if split == "train" else None))
        return _oriented(pairs, corpus, data)
    except DataError:
        raise
    except Exception as error:  # the library raises many kinds; each means the same here
        raise DataError(
            f"{data.corpus} could not be fetched from the hub ({data.hub}): {error}",
            "set ZOO_DATA to a folder that holds it, or check the network",
        ) from error


def _hub_rows(rows: Iterable[dict], columns: tuple[str, ...], data: Data) -> Iterator[Pair]:
    for row in rows:
        row = row.get("translation", row)
        if not {*columns} <= {*row}:
            raise DataError(
                f"{data.hub} has {', '.join(row)}, not {' and '.join(columns)}",
                "change data.source and data.target, or data.hub",
            )
        yield row[columns[0]], row[columns[1]]


def _rows(path: Path) -> Iterator[Pair]:
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.split("\t")
        # The public Tatoeba file has a third column, the attribution.
        if len(cells) not in (2, 3):
            raise DataError(f"{path.name}:{number}: {counted(len(cells), 'column')}, expected 2")
        yield cells[0], cells[1]
