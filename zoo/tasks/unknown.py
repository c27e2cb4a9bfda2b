"""Encode texts, and check that the tokenizer knows something of each."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from zoo.errors import InputError, ZooWarning, item_names
from zoo.text import Tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str], language: str) -> list[list[int]]:
    """Encode texts without start and end; warn of a text without a known word.

    It is only a warning because word-level models have seen unknown words in training.

    Args:
        language: the language that the model reads.

    Raises:
        InputError: an empty text, or one without a known character, by its number.
    """
    encoded = []
    for name, text in zip(item_names("text", len(texts)), texts, strict=True):
        ids = tokenizer.encode(text)
        if not ids or not text.strip():  # a line break may be a word
            raise InputError(f"{name} is empty", "give at least one word")
        encoded.append(ids)
        known = [i for i in {*ids} if i != tokenizer.unk_id]
        if not any(piece.strip("\u2581") for piece in tokenizer.pieces(known)):
            start = repr(text if len(text) <= 40 else text[:40] + "...")
            problem = f"{name} has only {tokenizer.unknown} that the model does not know: {start}"
            if tokenizer.unknown == "characters":
                raise InputError(problem, f"it reads language '{language}'")
            warnings.warn(problem, ZooWarning, stacklevel=4)
    return encoded
