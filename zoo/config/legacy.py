"""Names of earlier versions. What has them is read, with one warning for each name."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Mapping
from typing import Any

from zoo.errors import ZooWarning

# Dotted keys of recipes; a 0 was what every recipe of another model held, and means nothing there.
KEYS = {
    "train.activation": "model.arguments.ar_alpha",
    "train.temporal": "model.arguments.tar_beta",
}
VALUES = {"tokenizer.kind": {"marked": "fastai", "spaces": "whitespace", "words": "moses"}}


def changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted changes to a recipe with the names of today."""
    return dict(_renamed(key, value, True) for key, value in given.items())


def tables(given: Mapping[str, Any], warn: bool = True) -> dict[str, Any]:
    """Return the nested tables of a recipe, [smoke] among them, with the names of today."""
    found = copy.deepcopy(dict(given))
    kept: set[str] = set()
    for holder in (found, found.get("smoke")):
        if isinstance(holder, dict):
            _rename(holder, kept, warn)
    return found


def _rename(tables: dict[str, Any], kept: set[str], warn: bool) -> None:
    """Rename in place what nested tables hold; `kept` are the old keys that were more than 0."""
    for dotted in (*KEYS, *VALUES):
        table, key = dotted.split(".")
        held = tables.get(table)
        if not isinstance(held, dict) or key not in held:
            continue
        value = held.pop(key)
        if dotted in VALUES or value or dotted in kept:
            kept.add(dotted)
            new, value = _renamed(dotted, value, warn)
            *path, last = new.split(".")
            here = tables
            for part in path:
                here = here.setdefault(part, {})
            here[last] = value


def _renamed(key: str, value: Any, warn: bool) -> tuple[str, Any]:
    """Return a dotted key and its value as they are called today."""
    new = KEYS.get(key, key)
    if new != key and warn:
        _tell(key, new)
    if not isinstance(value, str) or value not in VALUES.get(key, {}):
        return new, value
    if warn:
        _tell(f"{key} = '{value}'", f"'{VALUES[key][value]}'")
    return new, VALUES[key][value]


@functools.cache
def _tell(old: str, new: str) -> None:
    """Warn once in a process."""
    warnings.warn(f"{old} is called {new} now: change the recipe", ZooWarning, stacklevel=2)
