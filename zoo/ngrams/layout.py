"""How a table of n-grams lies in the weights of a model: few bytes for each n-gram, nothing lost.

Log-probabilities and back-offs are rows of one list of levels, int32 in steps of UNIT. Words, rows
of levels and most pointers take two bytes, wherever they fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.ngrams.tables import NGrams, Order

# Levels are log10 in steps of UNIT, as many digits as ARPA files have.
UNIT = 1e-7
# The largest integer that two bytes hold.
SHORT = 32767
# Levels below, of probabilities of zero, and above its opposite are cut.
LOWEST = -200.0


def integer(largest: int) -> str:
    """Return the type of integers up to a largest one."""
    return "int16" if largest <= SHORT else "int32"


def block(widest: int) -> int:
    """Return how many histories share a beginning, from which two bytes count on.

    So many have at most SHORT n-grams together, if none has more than `widest`.
    """
    return max(1, SHORT // max(1, widest))


def laid_out(model: NGrams) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the sizes of a table, as arguments of a model, and its weights by name."""
    values = [each.log_p for each in model.orders] + [each.backoff for each in model.orders[:-1]]
    steps = [np.rint(np.clip(each, LOWEST, -LOWEST) / UNIT).astype(np.int32) for each in values]
    levels, rows = np.unique(np.concatenate(steps), return_inverse=True)
    numbers = np.split(
        rows.astype(integer(len(levels) - 1)), np.cumsum([len(each) for each in steps])[:-1]
    )
    weights: dict[str, np.ndarray] = {"levels": levels}
    widest = []
    for i, order in enumerate(model.orders):
        table = f"tables.{i}."
        weights[f"{table}probability"] = numbers[i]
        if i:
            weights[f"{table}word"] = order.word.astype(integer(model.vocabulary - 1))
        if i < len(model.orders) - 1:
            weights[f"{table}backoff"] = numbers[len(model.orders) + i]
            begins = model.begins(i + 1)
            widest.append(int(np.diff(begins).max(initial=0)))
            size = block(widest[-1])
            weights[f"{table}block_begin"] = begins[::size].astype(np.int32)
            own = begins - np.repeat(begins[::size], size)[: len(begins)]
            weights[f"{table}begin"] = own.astype(np.int16)
    arguments = {
        "order": len(model.orders), "interpolated": model.interpolated,
        "ngrams": [len(each) for each in model.orders[1:]], "widest": widest,
        "levels": len(levels),
    }  # fmt: skip
    return arguments, weights


def read(sizes: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> NGrams:
    """Return the table that lies in weights; the inverse of `laid_out`."""
    levels = weights["levels"].astype(np.float64) * UNIT
    orders: list[Order] = []
    while (table := f"tables.{len(orders)}.") + "probability" in weights:
        log_p = levels[weights[f"{table}probability"]]
        count = len(log_p)
        if orders:
            below = f"tables.{len(orders) - 1}."
            blocks = weights[f"{below}block_begin"].astype(np.int64)
            blocks = np.repeat(blocks, block(sizes["widest"][len(orders) - 1]))
            begins = blocks[: len(orders[-1]) + 1] + weights[f"{below}begin"]
            parent = np.repeat(np.arange(len(orders[-1])), np.diff(begins))
            word = weights[f"{table}word"]
        else:
            parent, word = np.zeros(count, dtype=np.int32), np.arange(count)
        backoff = weights.get(f"{table}backoff")
        backoff = np.zeros(count) if backoff is None else levels[backoff]
        orders.append(Order(parent.astype(np.int32), word.astype(np.int32), log_p, backoff))
    return NGrams(orders, sizes["interpolated"])
