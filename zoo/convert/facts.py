"""What checkpoints say in JSON: their configuration and their vocabulary."""

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
