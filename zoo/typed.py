"""Constants in types of their own, whatever `keras.config.floatx()` is."""

from __future__ import annotations

from typing import Any

from keras import ops


def where(condition: Any, chosen: Any, other: Any) -> Any:
    """Return `chosen` where the condition holds and `other` elsewhere, one of them a number.

    `ops.where` gives a bare number the type `floatx`: in float16, -1e9 would be -inf and 5000
    would be rounded.
    """
    if isinstance(chosen, (int, float)):
        chosen = ops.convert_to_tensor(chosen, other.dtype)
    else:
        other = ops.convert_to_tensor(other, chosen.dtype)
    return ops.where(condition, chosen, other)


def arange(first: Any, end: Any = None) -> Any:
    """Return 0 ... first - 1, or first ... end - 1, as int32.

    `ops.arange` has integers as wide as `floatx`: int16 beside float16, int64 beside float64.
    """
    return ops.arange(first, end, dtype="int32")
