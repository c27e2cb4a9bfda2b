"""The types of a model's arguments, which a recipe or a caller may get wrong."""

from __future__ import annotations

import typing
from typing import Any

NOUNS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    tuple: "a list",
}


def check(arguments: Any) -> None:
    """Check the values of a dataclass against its annotations, of which NOUNS has the types.

    Raises:
        TypeError: a value is of another type; names the argument.
    """
    for name, hint in typing.get_type_hints(type(arguments)).items():
        value = getattr(arguments, name)
        expected = [each for each in typing.get_args(hint) or (hint,) if each in NOUNS]
        if value is None and type(None) in typing.get_args(hint):
            continue
        if not any(_is(value, each) for each in expected):
            raise TypeError(
                f"{name} is {value!r}, not {' or '.join(NOUNS[each] for each in expected)}"
            )


def _is(value: Any, expected: type) -> bool:
    """Return whether a value is of a type; a list counts as a tuple."""
    if isinstance(value, bool) or expected is bool:
        return isinstance(value, bool) and expected is bool
    if expected is tuple:
        return isinstance(value, (tuple, list))
    return isinstance(value, (int, float) if expected is float else expected)
