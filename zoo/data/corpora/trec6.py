"""TREC's questions with their coarse class, `DESC:manner How did ...`, in Latin-1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zoo.data.examples import Example
from zoo.data.readers import read_lines
from zoo.errors import DataError


def read(path: Path) -> Iterator[Example]:
    """Yield questions with their coarse class."""
    for number, line in enumerate(read_lines(path, encoding="latin-1"), start=1):
        label, space, question = line.partition(" ")
        if not space or ":" not in label:
            raise DataError(
                f"{path.name}:{number}: no label before the question", "check the corpus"
            )
        yield Example(question, label.partition(":")[0])
