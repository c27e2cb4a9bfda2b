"""Perplexity and its kin, from the probabilities of a text's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.config.tokenizers import TOKENIZERS
from zoo.text import Tokenizer


def measure(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    sequences: Sequence[np.ndarray],
    log_p: np.ndarray,
    skipped: int = 0,
) -> dict[str, Any]:
    """Return what `Generate.evaluate` does.

    Args:
        sequences: the ids of each text, from the start to the end.
        log_p: natural log P of each token after the starts.
        skipped: unknown words among them that do not count; their log P is 0.
    """
    total = -float(log_p.sum())
    tokens = sum(len(ids) - 1 for ids in sequences)
    words = sum(len(text.split()) + tokenizer.line_breaks(text) + 1 for text in texts)
    characters = tokens
    if TOKENIZERS[tokenizer.kind].unit != "character":
        characters = sum(len(text.strip()) + 1 for text in texts)
    unknown = sum(int(np.count_nonzero(ids == tokenizer.unk_id)) for ids in sequences)
    share = round(unknown / tokens, 4)
    if skipped:
        parts = [part for text in texts for part in tokenizer.unknown_parts(text)]
        characters -= sum(len(part) + 1 for part in parts)  # each with the space after it
        words, tokens = words - skipped, tokens - skipped
    return {
        "perplexity": float(np.exp(total / words)),
        "perplexity_per_token": float(np.exp(total / tokens)),
        "loss": total / tokens,
        "bits_per_character": total / characters / float(np.log(2.0)),
        "words": words,
        "tokens": tokens,
        "characters": characters,
        "unknown": share,
    }
