"""A check for texts that a tokenizer does not know."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from zoo.errors import InputError, ZooWarning
from zoo.text import Tokenizer


def check(tokenizer: Tokenizer, ids: Sequence[int], text: str, name: str, language: str) -> None:
    """Warn of a text without a known word; word-level models have seen unknown words in training.

    Args:
        ids: the text's ids.
        name: the text's name in messages.
        language: the language that the model reads.

    Raises:
        InputError: the text has no known character.
    """
    known = [i for i in {*ids} if i != tokenizer.unk_id]
    if any(piece.strip("\u2581") for piece in tokenizer.pieces(known)):
        return
    problem = f"{name} has only {tokenizer.unknown} that the model does not know: {_short(text)}"
    if tokenizer.unknown == "characters":
        raise InputError(problem, f"it reads language '{language}'")
    warnings.warn(problem, ZooWarning, stacklevel=4)


def _short(text: str, most: int = 40) -> str:
    return repr(text if len(text) <= most else text[:most] + "...")
