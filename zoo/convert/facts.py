"""Read the text files of checkpoints: configuration, vocabulary, merges."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import BundleError

# The code for a language that a checkpoint does not name.
UNDETERMINED = "und"


def read_json(path: Path) -> dict[str, Any]:
    """Return the table in a JSON file, {} if it holds something else.

    Raises BundleError if the file is missing or not JSON.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise missing(path) from None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not valid JSON: {error}", "copy it again") from None
    return content if isinstance(content, dict) else {}


def missing(path: Path) -> BundleError:
    """Return the error for a checkpoint without one of its files."""
    return BundleError(f"{path.parent} has no {path.name}", "copy the whole checkpoint")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file that are not empty, with their numbers from 1.

    Raises BundleError if the file is missing or not UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise missing(path) from None
    except UnicodeDecodeError as error:
        raise BundleError(f"{path} is not UTF-8: {error}", "copy it again") from None
    return ((number, line) for number, line in enumerate(lines, start=1) if line)


def vocabulary(ids: Mapping[str, Any], where: Path) -> list[str]:
    """Return the words of {word: id} in the order of their ids.

    Raises BundleError unless the ids are the numbers from 0 on, each once.
    """
    numbers = [i for i in ids.values() if type(i) is int]
    if not ids or len(numbers) < len(ids) or sorted(numbers) != list(range(len(ids))):
        raise BundleError(
            f"{where} does not number its words from 0 on, each once", "copy it again"
        )
    return sorted(ids, key=ids.__getitem__)


def read_merges(path: Path) -> list[tuple[str, str]]:
    """Return the pairs that subword-nmt learned, one on each line, in their order.

    Raises BundleError if the file is missing or not such a list.
    """
    merges = []
    for number, line in numbered_lines(path):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        first, *rest = line.split()
        if not rest or len(rest) > 2:  # a third column is the pair's count
            raise BundleError(f"{path}:{number} is no pair of pieces", "copy it again")
        merges.append((first, rest[0]))
    return merges
