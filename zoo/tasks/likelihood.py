"""Log-probabilities of texts of any length, in compiled pieces of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from zoo import compiling, typed
from zoo.data.batches import IGNORED
from zoo.models.contracts import LanguageModel
from zoo.tasks.batching import LENGTHS, ROWS, bucket, with_progress

# Tokens that each row of a recurrent model reads in one piece, and positions with logits at a time.
PIECE = 64
POSITIONS = 2048
# A recurrent model reads a stream in parts of so many tokens, each after so many tokens before it.
PART, BEFORE = 8192, 1024

# The tokens of a text, and for each the token after it or IGNORED, int32 [tokens] both.
Pair = tuple[np.ndarray, np.ndarray]


def log_probabilities(
    model: LanguageModel,
    sequences: Sequence[np.ndarray],
    rows: int | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Return log P of each sequence's tokens after the first, given those before: float64.

    A recurrent model carries its state from piece to piece, so one compiled shape reads sequences
    of any length. A model with a `context` reads a longer sequence in pieces of that length, each
    without the pieces before it.

    Args:
        sequences: int32 [tokens] each, at least one token.
        rows: sequences, or pieces of them, that are read together; None takes as many as fit.
    """
    each = token_log_probabilities(model, sequences, rows, progress)
    return np.array([log_p.sum() for log_p in each], dtype=np.float64)


def token_log_probabilities(
    model: LanguageModel,
    sequences: Sequence[np.ndarray],
    rows: int | None = None,
    progress: bool = False,
) -> list[np.ndarray]:
    """Return log P of each token of `log_probabilities`: float64 [tokens - 1] of each sequence."""
    return _each(model, [(ids[:-1], ids[1:]) for ids in sequences], rows, progress)


def stream_log_probabilities(
    model: LanguageModel,
    ids: np.ndarray,
    rows: int | None = None,
    progress: bool = False,
    given: int | None = None,
) -> np.ndarray:
    """Return log P of a stream's tokens after the first, given those before: float64 [tokens - 1].

    A recurrent model reads parts of the stream side by side, each after the last tokens of the part
    before, which give it its state: on WikiText-2 the perplexity is that of reading the stream from
    end to end up to a relative 2e-6. The parts do not depend on `rows`.

    Args:
        ids: int32 [tokens], at least one.
        rows, progress: see `log_probabilities`.
        given: token whose probability does not count, such as the start of each text: it is 0.
    """
    ids = np.asarray(ids, dtype=np.int32)
    tokens, labels = ids[:-1], ids[1:]
    if given is not None:
        labels = np.where(labels == given, IGNORED, labels)
    if model.context is not None:
        return _each(model, [(tokens, labels)], rows, progress)[0]
    pairs = []
    for first in range(0, len(tokens), PART):
        begin, end = max(0, first - BEFORE), first + PART
        pairs.append((tokens[begin:end], labels[begin:end]))
    parts = _each(model, pairs, rows, progress)
    own = [part[min(BEFORE, number * PART) :] for number, part in enumerate(parts)]
    return np.concatenate([np.zeros(0), *own])


def stream_loss(model: LanguageModel, ids: np.ndarray, rows: int) -> float:
    """Return the mean of -log P of a stream's tokens after the first, in nats.

    Args:
        ids: int32 [tokens], at least two.
        rows: see `log_probabilities`.
    """
    return -float(stream_log_probabilities(model, ids, rows).sum()) / (len(ids) - 1)


def _each(
    model: LanguageModel, pairs: Sequence[Pair], rows: int | None, progress: bool
) -> list[np.ndarray]:
    """Return log P of each pair's labels, 0 for ignored ones: float64 [tokens] each."""
    context = model.context
    if context is None:
        return _read(model, pairs, rows, progress)
    pieces, owners = [], []
    for owner, (tokens, labels) in enumerate(pairs):
        for first in range(0, len(tokens), context):
            pieces.append((tokens[first : first + context], labels[first : first + context]))
            owners.append(owner)
    found: list[list[np.ndarray]] = [[np.zeros(0)] for _ in pairs]
    for owner, log_p in zip(owners, _read(model, pieces, rows, progress), strict=True):
        found[owner].append(log_p)
    return [np.concatenate(parts) for parts in found]


def _read(
    model: LanguageModel, pairs: Sequence[Pair], rows: int | None, progress: bool
) -> list[np.ndarray]:
    """Do the work of `_each`, for pairs no longer than the model's context."""
    lengths = np.array([len(tokens) for tokens, _ in pairs], dtype=int)
    order = np.argsort(-lengths, kind="stable")  # the longest first
    log_p = [np.zeros(length, dtype=np.float64) for length in lengths]
    for batch in with_progress(_batches(model, order, lengths, rows), progress):
        longest = int(lengths[batch].max())
        length = _piece_length(model, longest)
        count = min(bucket(len(batch), ROWS), _most(model, length, rows))
        width = length * max(1, -(-longest // length))
        tokens = np.zeros((count, width), dtype=np.int32)
        labels = np.full((count, width), IGNORED, dtype=np.int32)
        for row, index in enumerate(batch):
            tokens[row, : lengths[index]], labels[row, : lengths[index]] = pairs[index]
        state: Any = {
            name: ops.convert_to_numpy(leaf) for name, leaf in model.initial_state(count).items()
        }
        for first in range(0, width, length):
            piece = slice(first, first + length)
            arrays = {"tokens": tokens[:, piece], "labels": labels[:, piece], "state": state}
            each, state = compiling.run(_piece, model, None, arrays)
            for row, index in zip(ops.convert_to_numpy(each), batch, strict=False):
                own = log_p[index][piece]
                own[:] = row[: len(own)]
    return log_p


def _piece_length(model: LanguageModel, longest: int) -> int:
    """Return the length of the pieces in which sequences up to that length are read."""
    if model.context is None:
        return PIECE
    return min(bucket(max(1, longest), LENGTHS), model.context)


def _most(model: LanguageModel, length: int, rows: int | None) -> int:
    """Return how many pieces of a length are read together at most."""
    most = max(1, POSITIONS // length)
    return most if rows is None else min(most, rows)


def _batches(
    model: LanguageModel, order: np.ndarray, lengths: np.ndarray, rows: int | None
) -> list[np.ndarray]:
    """Return the indices of the sequences that are read together."""
    batches, first = [], 0
    while first < len(order):
        most = _most(model, _piece_length(model, int(lengths[order[first]])), rows)
        batches.append(order[first : first + most])
        first += most
    return batches


def _piece(model: LanguageModel, options: None, arrays: dict) -> Any:
    """Return log P [rows, time] of the labels, 0 of ignored ones, and the state after them."""
    labels = arrays["labels"]
    logits, state = model.read(arrays["tokens"], arrays["state"])
    chosen = ops.take_along_axis(logits, ops.maximum(labels, 0)[:, :, None], axis=-1)[:, :, 0]
    log_p = chosen - ops.logsumexp(logits, axis=-1)
    return typed.where(labels == IGNORED, 0.0, log_p), state
