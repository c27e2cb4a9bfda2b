"""Read five of GLUE's corpora from their original files, with the labels' names on the hub.

The files are tab-separated; quotation marks belong to the text.

    sst2    sentence, 0 or 1; with a header
    cola    source, 0 or 1, the author's mark, sentence
    rte     index, premise, hypothesis, label; with a header or without
    mrpc    0 or 1, two numbers, two sentences; with a header
    stsb    genre, file, year, number, score from 0 to 5, two sentences, perhaps their sources
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo.data.examples import Example
from zoo.data.readers import read_lines
from zoo.errors import DataError, counted

SENTIMENT = ("negative", "positive")
ACCEPTED = ("unacceptable", "acceptable")
EQUIVALENT = ("not_equivalent", "equivalent")


def sst2(path: Path) -> Iterator[Example]:
    """Yield phrases of film reviews, "negative" or "positive"."""
    for where, (text, label) in _rows(path, 2, header="sentence"):
        yield Example(text.strip(), _named(where, label, SENTIMENT))


def cola(path: Path) -> Iterator[Example]:
    """Yield sentences, "unacceptable" or "acceptable" to a linguist."""
    for where, (_, label, _, text) in _rows(path, 4):
        yield Example(text.strip(), _named(where, label, ACCEPTED))


def rte(path: Path) -> Iterator[Example]:
    """Yield pairs of texts, "entailment" or "not_entailment"."""
    for _, (_, premise, hypothesis, label) in _rows(path, 4, header="index"):
        yield Example((premise.strip(), hypothesis.strip()), label)


def mrpc(path: Path) -> Iterator[Example]:
    """Yield pairs of sentences, "not_equivalent" or "equivalent" in meaning."""
    for where, (label, _, _, one, other) in _rows(path, 5, header="Quality"):
        yield Example((one.strip(), other.strip()), _named(where, label, EQUIVALENT))


def stsb(path: Path) -> Iterator[Example]:
    """Yield pairs of sentences and how similar they are, from 0 to 5."""
    for where, (_, _, _, _, score, one, other, *_) in _rows(path, 7, more=2):
        try:
            yield Example((one.strip(), other.strip()), float(score))
        except ValueError:
            raise DataError(f"{where}: the score is '{score}'", "check the corpus") from None


def _rows(
    path: Path, columns: int, *, header: str = "", more: int = 0
) -> Iterator[tuple[str, list[str]]]:
    """Yield the place of each row, and its cells.

    Args:
        header: first cell of a header, which is skipped.
        more: number of further columns that a row may have.
    """
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.split("\t")
        if number == 1 and header and cells[0] == header:
            continue
        where = f"{path.name}:{number}"
        if not columns <= len(cells) <= columns + more:
            raise DataError(
                f"{where}: {counted(len(cells), 'column')}, expected {columns}", "check the corpus"
            )
        yield where, cells


def _named(where: str, label: str, names: Sequence[str]) -> str:
    if label not in ("0", "1"):
        raise DataError(f"{where}: the label '{label}' is neither 0 nor 1", "check the corpus")
    return names[int(label)]
