"""Delimited files: which character parts their columns, and cells of any length."""

from __future__ import annotations

import csv
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from zoo.errors import DataError, OptionError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_WORDS = {word: character for character, word in DELIMITERS.items()} | {"\\t": "\t"}
SAMPLE = 200  # lines that a delimiter is chosen by
NEARLY = 0.9  # the share of rows that must have as many cells as the first
_BLOCK = 1000
_LONGEST = 2**31 - 1
_limit = threading.Lock()


def check_delimiter(value: Any) -> str:
    r"""Return the character that a delimiter's option stands for, such as "\t" for "tab".

    Raises:
        OptionError: it is not one character.
    """
    delimiter = _WORDS.get(value, value) if isinstance(value, str) else value
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise OptionError(
            f"delimiter is {value!r}", f"give one character, or {', '.join(DELIMITERS.values())}"
        )
    return delimiter


def rows(lines: Iterable[str], name: str, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """Yield "file:line" and the cells of each row; quoted cells may hold anything.

    Args:
        lines: with their line breaks.

    Raises:
        DataError: a quote that is not closed, or text beside a quoted cell.
    """
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 1
    more = True
    while more:
        block = []
        try:
            with _any_length():
                for cells in itertools.islice(reader, _BLOCK):
                    block.append((f"{name}:{line}", cells))
                    line = reader.line_num + 1  # a quoted cell may run over several lines
        except csv.Error as error:
            yield from ((where, cells) for where, cells in block if cells)
            hint = f"quote texts with a {DELIMITERS.get(delimiter, repr(delimiter))} in them"
            raise DataError(f"{name}:{line}: {error}", hint) from error
        yield from ((where, cells) for where, cells in block if cells)
        more = len(block) == _BLOCK


def choose(
    lines: Sequence[str],
    usual: str,
    is_header: Callable[[list[str]], bool],
    only_named: bool,
    name: str,
) -> str:
    """Return the delimiter of a file, by its first lines.

    It is the one that makes a known header of the first row; else the usual one, or the only other
    one that parts all rows into as many cells, or nearly all.

    Args:
        lines: the first lines with their line breaks.
        usual: the delimiter of the file's ending.
        is_header: whether a first row holds known names.
        only_named: whether another delimiter needs such a header.

    Raises:
        DataError: several part the rows alike.
    """
    shares: dict[str, float] = {}
    named = []
    for delimiter in (usual, *(each for each in DELIMITERS if each != usual)):
        found = _parsed(lines, delimiter)
        if found and is_header(found[0]):
            named.append(delimiter)
        if found and len(found[0]) > 1:
            same = sum(len(cells) == len(found[0]) for cells in found)
            shares[delimiter] = same / len(found)
    if named:
        return named[0]
    if only_named:
        return usual
    for least in (1.0, NEARLY):
        fits = [delimiter for delimiter, share in shares.items() if share >= least]
        if least < 1.0 and usual in fits:
            return usual
        if len(fits) > 1:
            words = " and ".join(DELIMITERS[each] for each in fits)
            raise DataError(
                f"{name}: {words} part its rows alike",
                'say which: delimiter="," (--delimiter comma in a shell)',
            )
        if fits:
            return fits[0]
    return usual


def _parsed(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Return the rows of a file's first lines, [] if they cannot be read."""
    found: list[list[str]] = []
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        with _any_length():
            found.extend(cells for cells in reader if cells)
    except csv.Error:
        # The last row may be cut within its quotes.
        return found if reader.line_num == len(lines) == SAMPLE else []
    return found


@contextmanager
def _any_length() -> Iterator[None]:
    """Let Python's csv read cells of any length; its limit is one for the whole process."""
    with _limit:
        before = csv.field_size_limit(_LONGEST)
        try:
            yield
        finally:
            csv.field_size_limit(before)
