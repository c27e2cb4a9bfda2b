"""Corpora with a tag for each word: CoNLL-2003's names, Universal Dependencies' parts of speech.

The files are columns or CoNLL-U, see `zoo.data.conll`. CoNLL-2003 as distributed is IOB1 and
becomes IOB2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.data import conll
from zoo.data.corpora.corpus import Corpus
from zoo.data.examples import Example
from zoo.data.tags import as_iob2


def read(path: Path) -> Iterator[Example]:
    """Yield the words and the tags of each sentence of a file."""
    for words, tags, _ in as_iob2(list(conll.read_file(path))):
        yield Example(words, tags)


@dataclass(frozen=True)
class Words(Corpus):
    """A corpus of tagged words.

    Attributes:
        column: the tags' column on the hub.
    """

    column: str = "tags"

    def read_rows(self, rows: Any) -> Iterator[Example]:
        """Yield examples of the hub's rows, with the names of the tags' numbers."""
        names = conll.class_names(rows, self.column)
        found = []
        for number, row in enumerate(rows, start=1):
            where = f"row {number}"
            tags = conll.named(row[self.column], names, where)
            if row["tokens"]:
                found.append(conll.tagged(where, row["tokens"], tags))
        for sentence in as_iob2(found):
            yield Example(sentence.words, sentence.tags)
