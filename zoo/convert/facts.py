"""What checkpoints say in text: their configuration, their vocabulary, their merges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import BundleError


def read_json(path: Path) -> dict[str, Any]:
    """Return the table in a JSON file, {} if something else is in it.

    Raises:
        BundleError: it is missing or no JSON.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(
            f"{path.parent} has no {path.name}", "copy the whole checkpoint"
        ) from None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not valid JSON: {error}", "copy it again") from None
    return found if isinstance(found, dict) else {}


def vocabulary(ids: Mapping[str, Any], where: Path) -> list[str]:
    """Return the words of {word: id}, a word's place being its id.

    Raises:
        BundleError: ids are not the numbers from 0 on, each once.
    """
    places = [i for i in ids.values() if type(i) is int]
    if not places or len(places) < len(ids) or sorted(places) != list(range(len(places))):
        raise BundleError(
            f"{where} does not number its words from 0 on, each once", "copy it again"
        )
    return sorted(ids, key=ids.__getitem__)


def read_merges(path: Path) -> list[tuple[str, str]]:
    """Return the pairs that subword-nmt learned, one on each line, in their order.

    Raises:
        BundleError: the file is no such list.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BundleError(f"{path} is not UTF-8: {error}", "copy it again") from None
    merges = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        first, *rest = line.split()
        if not rest or len(rest) > 2:  # some list how often a pair was seen as well
            raise BundleError(f"{path}:{number} is no pair of pieces", "copy it again")
        merges.append((first, rest[0]))
    return merges
