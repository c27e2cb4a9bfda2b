"""Names of earlier versions, which recipes may still use, with one warning for each name."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Mapping
from typing import Any

from zoo.errors import ZooWarning

# Dotted keys of recipes; recipes of models without these arguments held a meaningless 0.
KEYS = {
    "train.activation": "model.arguments.ar_alpha",
    "train.temporal": "model.arguments.tar_beta",
}
VALUES = {"tokenizer.kind": {"marked": "fastai", "spaces": "whitespace", "words": "moses"}}


def changes(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted changes to a recipe with today's names."""
    return dict(_renamed(key, value, True) for key, value in dotted.items())


def tables(old: Mapping[str, Any], warn: bool = True) -> dict[str, Any]:
    """Return the nested tables of a recipe, including [smoke], with today's names."""
    recipe = copy.deepcopy(dict(old))
    kept: set[str] = set()
    for holder in (recipe, recipe.get("smoke")):
        if isinstance(holder, dict):
            _rename(holder, kept, warn)
    return recipe


def _rename(tables: dict[str, Any], kept: set[str], warn: bool) -> None:
    """Rename keys and values of nested tables in place; `kept` are old keys above 0 so far."""
    for dotted in (*KEYS, *VALUES):
        name, key = dotted.split(".")
        table = tables.get(name)
        if not isinstance(table, dict) or key not in table:
            continue
        value = table.pop(key)
        if dotted in VALUES or value or dotted in kept:
            kept.add(dotted)
            new, value = _renamed(dotted, value, warn)
            *path, last = new.split(".")
            target = tables
            for part in path:
                target = target.setdefault(part, {})
            target[last] = value


def _renamed(key: str, value: Any, warn: bool) -> tuple[str, Any]:
    """Return today's names of a dotted key and its value."""
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
