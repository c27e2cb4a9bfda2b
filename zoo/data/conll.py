"""Read sentences with a tag for each word: files of columns, CoNLL-U, tables of words and tags.

columns   a word a line, cells between blanks or tabs, the word first and the tag last; an empty
          line ends a sentence; a line -DOCSTART- begins a document
CoNLL-U   ten cells between tabs; the word is the form, the tag the universal part of speech;
          ranges (1-2) and empty nodes (1.1) are no words, lines that begin with # are comments
tables    JSON lines, CSV, frames, data sets, lists: two columns, each cell a list or a text
          with blanks between the words; a data set's class numbers become their names
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.data import columns, readers
from zoo.data.columns import TableOptions
from zoo.data.matching import Roles
from zoo.data.tags import Tagged, as_iob2
from zoo.errors import DataError, OptionError, counted, did_you_mean

DOCUMENT = "-DOCSTART-"
CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
WORDS, TAGS = "words", "tags"  # the roles of the columns
TABLES = (".csv", *readers.JSON_LINES)


def read(
    data: Any, targets: Iterable[Any] | None, roles: Roles, table: TableOptions
) -> list[Tagged]:
    """Read a user's sentences; tags that mark entities become IOB2.

    Args:
        data: a path, a list of (words, tags) pairs or of mappings, a frame, a data set, or lists of
            words with `targets`.
        targets: the tags of each sentence.
        roles: the columns of tables.
        table: how to read it; a column of a file of columns may be a number from 1, of CoNLL-U
            also a name, as in {"tags": "xpos"}.

    Raises:
        DataError: a sentence with more words than tags or the other way, a line without a tag, a
            tag of no scheme, no sentences; names file and line, or the row.
        OptionError: there is no such column.
    """
    path = Path(data).expanduser() if isinstance(data, (str, os.PathLike)) else None
    if path is not None and targets is None and readers.kind(path) not in TABLES:
        sentences = list(read_file(path, table.columns))
        if table.say is not None:
            table.say(f"{path.name}: {counted(len(sentences), 'sentence')}")
    else:
        sentences = list(_rows(data, targets, roles, table))
    return as_iob2(sentences)


# Files of columns


def read_file(path: Path, asked: Mapping[str, Sequence[str]] | None = None) -> Iterator[Tagged]:
    """Yield the sentences of a file of columns or of CoNLL-U, with the tags as they stand there.

    Args:
        asked: the columns of words and tags, see `read`.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise DataError(f"{path} {what}", "give a file of sentences, a word and its tag a line")
    word_place = tag_place = width = None
    words: list[str] = []
    tags: list[str] = []
    places: list[str] = []
    empty = True
    lines = ((f"{path.name}:{i}", line) for i, line in enumerate(readers.read_lines(path), 1))
    for where, line in [*lines, ("", "")]:
        if not line.strip():
            if words:
                yield Tagged(tuple(words), tuple(tags), tuple(places))
                words, tags, places, empty = [], [], [], False
            continue
        cells = line.split("\t") if "\t" in line else line.split()
        if _is_comment(line, cells, width, begins=not words) or cells[0] == DOCUMENT:
            continue
        if width is None or word_place is None or tag_place is None:
            width = len(cells)
            word_place, tag_place = _places(cells, asked or {}, where)
        if len(cells) != width:
            raise DataError(
                f"{where}: {counted(len(cells), 'column')}, expected {width}",
                "each word is a line with as many cells as the first, each sentence ends in an "
                "empty line",
            )
        if _is_conllu(cells) and not cells[0].isdecimal():  # a range or an empty node
            continue
        word, tag = cells[word_place].strip(), cells[tag_place].strip()
        if not word or not tag or (tag == "_" and _is_conllu(cells)):
            raise DataError(
                f"{where}: {'no tag' if word else 'no word'}", "give each word its tag, on one line"
            )
        words.append(word)
        tags.append(tag)
        places.append(where)
    if empty:
        raise DataError(f"no sentences in {path.name}", "give a word and its tag a line")


def _is_comment(line: str, cells: Sequence[str], width: int | None, begins: bool) -> bool:
    """Return whether a line is a comment: only before a sentence, for "#" may be a word."""
    return begins and line.startswith("#") and (" = " in line or len(cells) != (width or 0))


def _is_conllu(cells: Sequence[str]) -> bool:
    return len(cells) == len(CONLLU) and cells[0].replace("-", "").replace(".", "").isdecimal()


def _places(
    cells: Sequence[str], asked: Mapping[str, Sequence[str]], where: str
) -> tuple[int, int]:
    """Return the places of word and tag in a line."""
    if len(cells) < 2:
        raise DataError(
            f"{where}: one column, so there is no tag",
            "give a word and its tag a line, with a blank or a tab between them",
        )
    conllu = _is_conllu(cells)
    usual = (CONLLU.index("form"), CONLLU.index("upos")) if conllu else (0, len(cells) - 1)
    found = dict(zip((WORDS, TAGS), usual, strict=True))
    names = CONLLU if conllu else ()
    for role, (name, *_) in asked.items():
        if role not in found:
            raise OptionError(f"there is no column '{role}'", did_you_mean(role, found))
        if name.lower() in names:
            found[role] = names.index(name.lower())
        elif name.isdecimal() and 1 <= int(name) <= len(cells):
            found[role] = int(name) - 1
        else:
            hint = did_you_mean(name, names) if names else f"number them: 1 to {len(cells)}"
            raise DataError(f"{where}: there is no column '{name}'", hint)
    return found[WORDS], found[TAGS]


# Tables


def _rows(
    data: Any, targets: Iterable[Any] | None, roles: Roles, table: TableOptions
) -> Iterator[Tagged]:
    for where, names, cells in columns.read_rows(data, targets, roles, table):
        words, tags = (
            _listed(cell, f"{where}: the {name}") for cell, name in zip(cells, names, strict=True)
        )
        yield tagged(where, words, named(tags, class_names(data, names[1]), where))


def tagged(where: str, words: Sequence[Any], tags: Sequence[Any]) -> Tagged:
    """Return a checked sentence; raise DataError unless it has as many words as tags, as texts."""
    if len(words) != len(tags):
        raise DataError(
            f"{where}: {counted(len(words), 'word')}, but {counted(len(tags), TAGS[:-1])}",
            "give each word one tag",
        )
    if not words:
        raise DataError(f"{where}: no words", "leave the row out")
    for role, values in ((WORDS, words), (TAGS, tags)):
        noun = role.removesuffix("s")
        for number, value in enumerate(values, start=1):
            if not isinstance(value, str) or not value.strip():
                what = "is empty" if isinstance(value, str) else f"is {type(value).__name__}"
                raise DataError(
                    f"{where}: {noun} {number} {what}, not text",
                    "write the tags' names" if role == TAGS else "give each word as a text",
                )
    return Tagged(tuple(words), tuple(tags), (where,))


def class_names(data: Any, column: str) -> Sequence[str]:
    """Return the names of the classes in a column of a data set, [] if it has none."""
    feature = (getattr(data, "features", None) or {}).get(column)
    return readers.class_names(getattr(feature, "feature", feature))


def named(tags: Sequence[Any], names: Sequence[str], where: str) -> list[Any]:
    """Return tags with the names of classes in place of their numbers."""
    found = []
    for tag in tags:
        number = tag.item() if hasattr(tag, "item") else tag
        if names and isinstance(number, int):
            if not 0 <= number < len(names):
                raise DataError(f"{where}: there is no class {number}", "leave the row out")
            number = names[number]
        found.append(number)
    return found


def _listed(cell: Any, where: str) -> list[Any]:
    """Return a cell as a list; a text is split at its blanks."""
    if isinstance(cell, str):
        return cell.split()
    if isinstance(cell, Mapping) or not isinstance(cell, Iterable):
        raise DataError(
            f"{where} is {type(cell).__name__}, not a list", "give a list of texts, one a word"
        )
    return list(cell)
