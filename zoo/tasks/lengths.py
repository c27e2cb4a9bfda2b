"""Texts that are longer than a model was built for, or than those that it was trained on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from zoo.errors import ZooWarning
from zoo.text import Tokenizer


def warn(
    tokenizer: Tokenizer,
    named: Sequence[tuple[str, Sequence[int]]],
    longest: int | None,
    trained: int | None,
) -> None:
    """Warn once of texts that are cut, and once of texts that are longer than those of training.

    Args:
        named: the name of each text in messages, and its ids without the end token.
        longest: the most ids that the model reads, end token included; None for any number.
        trained: the most that it read in training.
    """
    cut = [(name, ids) for name, ids in named if longest is not None and len(ids) >= longest]
    if cut and longest is not None:
        name, ids = cut[0]
        end = tokenizer.decode(ids[: longest - 1])[-30:]
        _warn(
            f"{name} has {len(ids) + 1} pieces, the model was built for {longest}; "
            f"cut after '...{end}'",
            len(cut), len(named),
        )  # fmt: skip
    if trained is None:
        return
    limit = float("inf") if longest is None else longest
    long = [(name, ids) for name, ids in named if trained <= len(ids) < limit]
    if long:
        name, ids = max(long, key=lambda item: len(item[1]))
        _warn(
            f"{name} has {len(ids) + 1} pieces in one sentence or line, and no text of the model's "
            f"training had more than {trained}: its end may be lost",
            len(long), len(named),
        )  # fmt: skip


def _warn(message: str, count: int, total: int) -> None:
    more = f"; so it is for {count} of {total}" if count > 1 else ""
    warnings.warn(message + more, ZooWarning, stacklevel=6)
