"""The cells of a user's table as texts, labels and numbers."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from typing import Any

from zoo.errors import DataError, check_text

WHOLE = re.compile(r"[+-]?\d+")


def plain_value(value: Any, where: str) -> Any:
    """Return the value of a cell, a NumPy scalar as a Python one.

    Raises:
        DataError: the cell is empty.
    """
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        # NumPy gives dates in nanoseconds as whole numbers.
        value = str(value) if type(value).__name__ == "datetime64" else value.item()
    if is_missing(value):
        raise DataError(f"{where} is missing", "fill it in or leave the row out")
    return value


def is_missing(value: Any) -> bool:
    """Return whether a cell is None, not a number, pandas' NA or not a time."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def text_of(value: Any, where: str, number: bool = False) -> str:
    """Return a cell as text, a date as in ISO 8601; with `number`, convert whole numbers.

    Raises:
        DataError: the cell is missing, not text, or empty.
    """
    value = plain_value(value, where)
    if number and isinstance(value, int):
        value = str(value)
    if isinstance(value, datetime.date):
        value = date_text(value)
    if not isinstance(value, str):
        raise DataError(f"{where} is {type(value).__name__}, not text", "convert it to text")
    if not value.strip():
        raise DataError(f"{where} is empty", "fill it in or leave the row out")
    check_text(where, value, DataError)
    return value


def date_text(value: datetime.date) -> str:
    """Return a date, or a time, as text: readers of files make times of texts that are dates."""
    text = value.isoformat()
    return text.removesuffix("T00:00:00").replace("+00:00", "Z")


def two_texts(where: str, names: Sequence[str], cells: Sequence[Any]) -> tuple[str, str]:
    """Return the first two cells of a row as texts."""
    first, second = (text_of(cells[i], f"{where}: the {names[i]}") for i in (0, 1))
    return first, second


def label_of(where: str, names: Sequence[str], cells: Sequence[Any]) -> str:
    """Return the last cell of a row as a label."""
    return text_of(cells[-1], f"{where}: the {names[-1]}", number=True)


def is_whole(value: Any) -> bool:
    """Return whether a cell is a whole number."""
    return isinstance(value, int) or bool(WHOLE.fullmatch(str(value).strip()))


def number_of(value: Any) -> float | None:
    """Return a cell as a finite number, or None."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
