"""Log-probabilities of texts of any length, in compiled pieces of one shape."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from zoo import compiling
from zoo.models.contracts import LanguageModel
from zoo.tasks.batching import LENGTHS, ROWS, bucket, with_progress

# Tokens that each row of a recurrent model reads in one piece, and positions with logits at a time.
PIECE = 64
POSITIONS = 2048
IGNORED = -1


def log_probabilities(
    model: LanguageModel, sequences: Sequence[np.ndarray], progress: bool = False
) -> np.ndarray:
    """Return log P of each sequence's tokens after the first, given those before: float64.

    A recurrent model carries its state from piece to piece, so one compiled shape reads sequences
    of any length. A model with a `context` reads a longer sequence in pieces of that length, each
    without the pieces before it.

    Args:
        sequences: int32 [tokens] each, at least one token.
    """
    lengths = np.array([len(sequence) - 1 for sequence in sequences])
    order = np.argsort(-lengths, kind="stable")  # the longest first
    log_p = np.zeros(len(sequences), dtype=np.float64)
    for batch in with_progress(_batches(model, order, lengths), progress):
        longest = int(lengths[batch].max())
        length = _piece_length(model, longest)
        rows = min(bucket(len(batch), ROWS), max(1, POSITIONS // length))
        width = length * max(1, -(-longest // length))
        tokens = np.zeros((rows, width), dtype=np.int32)
        labels = np.full((rows, width), IGNORED, dtype=np.int32)
        for row, index in enumerate(batch):
            tokens[row, : lengths[index]] = sequences[index][:-1]
            labels[row, : lengths[index]] = sequences[index][1:]
        state: Any = {
            name: ops.convert_to_numpy(leaf) for name, leaf in model.initial_state(rows).items()
        }
        for first in range(0, width, length):
            piece = slice(first, first + length)
            arrays = {"tokens": tokens[:, piece], "labels": labels[:, piece], "state": state}
            sums, state = compiling.run(_piece, model, None, arrays)
            log_p[batch] += ops.convert_to_numpy(sums)[: len(batch)]
    return log_p


def _piece_length(model: LanguageModel, longest: int) -> int:
    """Return the length of the pieces in which sequences up to that length are read."""
    if model.context is None:
        return PIECE
    return min(bucket(max(1, longest), LENGTHS), model.context)


def _batches(model: LanguageModel, order: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Return the indices of the sequences that are read together."""
    batches, first = [], 0
    while first < len(order):
        most = max(1, POSITIONS // _piece_length(model, int(lengths[order[first]])))
        batches.append(order[first : first + most])
        first += most
    return batches


def stream_loss(model: LanguageModel, ids: np.ndarray, rows: int, progress: bool = False) -> float:
    """Return the mean of -log P of a stream's tokens after the first, in nats.

    The stream is read in `rows` parts side by side, each with its own initial state; with one row,
    as the papers measure, every token has the whole text before it.

    Args:
        ids: int32 [tokens], at least two.
    """
    ids = np.asarray(ids, dtype=np.int32)
    edges = np.linspace(0, len(ids) - 1, min(rows, len(ids) - 1) + 1).astype(int)
    parts = [ids[first : last + 1] for first, last in itertools.pairwise(edges)]
    return -float(log_probabilities(model, parts, progress).sum()) / (len(ids) - 1)


def _piece(model: LanguageModel, options: None, arrays: dict) -> Any:
    """Return log P [rows] of the labels that are not ignored, and the state after the tokens."""
    labels = arrays["labels"]
    logits, state = model.read(arrays["tokens"], arrays["state"])
    chosen = ops.take_along_axis(logits, ops.maximum(labels, 0)[:, :, None], axis=-1)[:, :, 0]
    log_p = chosen - ops.logsumexp(logits, axis=-1)
    return ops.sum(ops.where(labels == IGNORED, 0.0, log_p), axis=1), state
