"""Score and align targets by teacher forcing, in batches of few shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo import compiling, typed
from zoo.data.encoded import padded
from zoo.errors import InputError, counted
from zoo.tasks.base import listed_texts
from zoo.tasks.batching import ROWS, bucket
from zoo.text import Tokenizer

# Scoring holds the logits of this many target positions at a time.
SCORED_POSITIONS = 2048

# The ids of a source and of a target, each with its end id.
Pair = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True)
class Alignment:
    """The attention of a translation.

    Attributes:
        matrix: float32 [target, source], the attention of the decoder's last layer, the mean over
            its heads. Each row sums to 1.
        source: the source's pieces, the end token last; an unknown one as it stands in the text.
        target: the target's pieces, the end token last.
    """

    matrix: np.ndarray
    source: list[str]
    target: list[str]


def listed_pairs(texts: Any, targets: Any) -> tuple[bool, list[list[str]]]:
    """Return whether it is a single pair, and the sources and targets.

    Raises:
        InputError: targets are missing, or their number is not that of the sources.
    """
    one, sources = listed_texts(texts)
    if targets is None:
        raise InputError("there is no target", "a translator scores a target given its source")
    one_target, listed = listed_texts(targets)
    if one != one_target or len(sources) != len(listed):
        raise InputError(
            f"{counted(len(sources), 'source')}, but {counted(len(listed), 'target')}",
            "give two texts, or two lists of equal length",
        )
    return one, [sources, listed]


def log_probabilities(
    model: keras.Model,
    pairs: Sequence[Pair],
    tokenizers: tuple[Tokenizer, Tokenizer],
    padded_length: Callable[[int], int],
) -> np.ndarray:
    """Return the natural log-probability of each target given its source: float64 [pairs].

    Args:
        padded_length: maps the ids of a batch's longest row to its padded length.
    """
    lengths = [padded_length(max(map(len, pair))) for pair in pairs]
    scores = np.zeros(len(pairs), dtype=np.float64)
    for length in sorted(set(lengths)):
        indices = [i for i, padded_to in enumerate(lengths) if padded_to == length]
        rows = max(1, SCORED_POSITIONS // length)
        for first in range(0, len(indices), rows):
            batch = indices[first : first + rows]
            count = min(bucket(len(batch), ROWS), rows)
            arrays = _arrays([pairs[i] for i in batch], tokenizers, length, count)
            sums = compiling.run(_log_probability, model, tokenizers[1].pad_id, arrays)
            scores[batch] = ops.convert_to_numpy(sums)[: len(batch)]
    return scores


def attention(
    model: keras.Model, pair: Pair, tokenizers: tuple[Tokenizer, Tokenizer], length: int
) -> np.ndarray:
    """Return the last layer's attention, the mean over heads: float32 [target, source].

    Args:
        model: see `zoo.models.contracts.Aligner`.
        length: padded length of both sides.
    """
    source, target = pair
    arrays = _arrays([pair], tokenizers, length, 1)
    weights = ops.convert_to_numpy(compiling.run(_attention, model, None, arrays))
    return weights[0, : len(target), : len(source)].astype(np.float32)


def _arrays(
    pairs: Sequence[Pair], tokenizers: tuple[Tokenizer, Tokenizer], length: int, rows: int
) -> dict[str, np.ndarray]:
    """Return source, target (the decoder's input) and labels, int32 [rows, length]."""
    pairs = [*pairs, *[pairs[-1]] * (rows - len(pairs))]
    start, padding = tokenizers[1].start_id, tokenizers[1].pad_id
    targets = [target for _, target in pairs]
    return {
        "source": padded([source for source, _ in pairs], length, tokenizers[0].pad_id),
        "target": padded([[start, *target[:-1]] for target in targets], length, padding),
        "labels": padded(targets, length, padding),
    }


# Compiled -----------------------------------------------------------------------------------------


def _log_probability(model: keras.Model, padding: int, arrays: dict) -> Any:
    """Return log P [batch] of the labels without padding."""
    labels = arrays["labels"]
    logits = model({"source": arrays["source"], "target": arrays["target"]}, training=False)
    chosen = ops.take_along_axis(logits, labels[:, :, None], axis=-1)[:, :, 0]
    log_p = chosen - ops.logsumexp(logits, axis=-1)
    return ops.sum(typed.where(labels == padding, 0.0, log_p), axis=1)


def _attention(model: keras.Model, options: None, arrays: dict) -> Any:
    weights = model.attention({"source": arrays["source"], "target": arrays["target"]})
    return ops.mean(weights, axis=1)
