"""Names of earlier versions. What has them is read, with one warning for each name."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Mapping
from typing import Any

from zoo.errors import ZooWarning

# Dotted keys of recipes. A 0 was what every recipe of another model held, and means nothing there.
KEYS = {
    "train.activation": "model.arguments.ar_alpha",
    "train.temporal": "model.arguments.tar_beta",
}
VALUES = {"tokenizer.kind": {"marked": "fastai", "spaces": "whitespace", "words": "moses"}}


def changes(given: Mapping[str, Any], warn: bool = True) -> dict[str, Any]:
    """Return dotted changes to a recipe with the names of today."""
    found = {}
    for key, value in given.items():
        new = _value(key, value, warn)
        if key in KEYS and warn:
            _tell(key, KEYS[key])
        found[KEYS.get(key, key)] = new
    return found


def tables(given: Mapping[str, Any], warn: bool = True) -> dict[str, Any]:
    """Return the nested tables of a recipe, [smoke] among them, with the names of today."""
    found = copy.deepcopy(dict(given))
    moved = _rename(found, (), warn)
    if isinstance(found.get("smoke"), dict):
        _rename(found["smoke"], moved, warn)
    return found


def _rename(tables: dict[str, Any], moved: tuple[str, ...], warn: bool) -> tuple[str, ...]:
    """Rename in place; return the old keys that hold more than 0, here or in `moved`."""
    for dotted in (*KEYS, *VALUES):
        table, key = dotted.split(".")
        held = tables.get(table)
        if not isinstance(held, dict) or key not in held:
            continue
        value = held[key] = _value(dotted, held[key], warn)
        if dotted not in KEYS:
            continue
        del held[key]
        if value or dotted in moved:
            *path, last = KEYS[dotted].split(".")
            here = tables
            for part in path:
                here = here.setdefault(part, {})
            here[last] = value
            moved = (*moved, dotted)
            if warn:
                _tell(dotted, KEYS[dotted])
    return moved


def _value(key: str, value: Any, warn: bool) -> Any:
    """Return the value of today for a value of a key."""
    renamed = VALUES.get(key, {})
    if not isinstance(value, str) or value not in renamed:
        return value
    if warn:
        _tell(f"{key} = '{value}'", f"'{renamed[value]}'")
    return renamed[value]


@functools.cache
def _tell(old: str, new: str) -> None:
    """Warn once in a process."""
    warnings.warn(f"{old} is called {new} now: change the recipe", ZooWarning, stacklevel=2)
