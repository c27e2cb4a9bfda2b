"""How probable texts of any length are to a language model, in compiled pieces of one shape."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from zoo import compiling
from zoo.models.contracts import LanguageModel
from zoo.tasks.batching import LENGTHS, ROWS, bucket, with_progress

# Tokens that each row of a recurrent model reads in one piece, and logits held at a time.
PIECE = 64
POSITIONS = 2048
IGNORED = -1


def log_probabilities(
    model: LanguageModel, sequences: Sequence[np.ndarray], progress: bool = False
) -> np.ndarray:
    """Return log P of all tokens of each sequence but its first, given those before: float64.

    A recurrent model's state is carried from piece to piece, so that a sequence may be of any
    length; nothing is compiled for another length. A model with a `context` reads a longer sequence
    in pieces of that length, and in each sees nothing of those before.

    Args:
        model: a language model.
        sequences: int32 [tokens] each, at least one token.
    """
    lengths = np.array([len(each) - 1 for each in sequences])
    order = np.argsort(-lengths, kind="stable")  # the longest first
    found = np.zeros(len(sequences), dtype=np.float64)
    for part in with_progress(_parts(model, order, lengths), progress):
        length = _piece_length(model, int(lengths[part].max()))
        rows = min(bucket(len(part), ROWS), max(1, POSITIONS // length))
        width = length * max(1, -(-int(lengths[part].max()) // length))
        tokens = np.zeros((rows, width), dtype=np.int32)
        labels = np.full((rows, width), IGNORED, dtype=np.int32)
        for row, index in enumerate(part):
            tokens[row, : lengths[index]] = sequences[index][:-1]
            labels[row, : lengths[index]] = sequences[index][1:]
        state: Any = {
            name: ops.convert_to_numpy(leaf) for name, leaf in model.initial_state(rows).items()
        }
        for first in range(0, width, length):
            piece = slice(first, first + length)
            arrays = {"tokens": tokens[:, piece], "labels": labels[:, piece], "state": state}
            sums, state = compiling.run(_piece, model, None, arrays)
            found[part] += ops.convert_to_numpy(sums)[: len(part)]
    return found


def _piece_length(model: LanguageModel, longest: int) -> int:
    """Return how many tokens of sequences of at most that length are read at once."""
    if model.context is None:
        return PIECE
    return min(bucket(max(1, longest), LENGTHS), model.context)


def _parts(model: LanguageModel, order: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Return which sequences are read together."""
    parts, first = [], 0
    while first < len(order):
        most = max(1, POSITIONS // _piece_length(model, int(lengths[order[first]])))
        parts.append(order[first : first + most])
        first += most
    return parts


def stream_loss(model: LanguageModel, ids: np.ndarray, rows: int, progress: bool = False) -> float:
    """Return the mean of -log P of all tokens of a stream but its first, in nats.

    The stream is read in `rows` parts side by side, each with a state of its own that begins at
    zero; with one row, as the papers measure, every token has all of the text before it.

    Args:
        ids: int32 [tokens], at least two.
    """
    ids = np.asarray(ids, dtype=np.int32)
    edges = np.linspace(0, len(ids) - 1, min(rows, len(ids) - 1) + 1).astype(int)
    parts = [ids[first : last + 1] for first, last in itertools.pairwise(edges)]
    return -float(log_probabilities(model, parts, progress).sum()) / (len(ids) - 1)


def _piece(model: LanguageModel, options: None, arrays: dict) -> Any:
    """Return log P [rows] of the labels, ignored ones left out, and the state after the tokens."""
    labels = arrays["labels"]
    logits, state = model.read(arrays["tokens"], arrays["state"])
    chosen = ops.take_along_axis(logits, ops.maximum(labels, 0)[:, :, None], axis=-1)[:, :, 0]
    each = chosen - ops.logsumexp(logits, axis=-1)
    return ops.sum(ops.where(labels == IGNORED, 0.0, each), axis=1), state
