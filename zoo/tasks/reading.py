"""Labelled documents through a model: in pieces with a carried state, or whole, in few shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo import compiling
from zoo.data.encoded import left_padded, padded_sequences
from zoo.errors import NotSupported
from zoo.models.contracts import SequenceClassifier, StatefulClassifier
from zoo.tasks.batching import LENGTHS, ROWS, bucket, with_progress

# Ids that each row reads in one piece.
PIECE = 64


def classifier_logits(
    model: keras.Model,
    documents: Sequence[Sequence[np.ndarray]],
    pad_id: int,
    rows: int = 32,
    progress: bool = False,
) -> np.ndarray:
    """Return the logits of whole documents, float64 [documents, classes].

    A stateful classifier reads them in pieces of one shape, with the state carried from piece to
    piece, so that one of any length is read to its end and nothing is compiled for another length.
    A sequence classifier reads each at once, padded to one of few lengths, none beyond its context.
    Those of similar length are read together.

    Args:
        documents: the sequences of each, int32 [ids]; in pieces only one.

    Returns:
        Where documents are told by one logit for each sequence and have different numbers of them,
        those that are not there are -inf.

    Raises:
        NotSupported: the model is neither of these two.
    """
    if not isinstance(model, StatefulClassifier | SequenceClassifier):
        raise NotSupported(f"{model.name} is no classifier", "see zoo/models/contracts.py")
    found: list[np.ndarray] = [np.zeros(0)] * len(documents)
    longest = np.array([max(map(len, each)) for each in documents])
    counts = np.array([len(each) for each in documents])
    order = np.lexsort((-longest, counts))  # the longest first, of each number of sequences
    parts = []
    for count in np.unique(counts):
        alike = order[counts[order] == count]
        parts += [alike[first : first + rows] for first in range(0, len(alike), rows)]
    read = _in_pieces if isinstance(model, StatefulClassifier) else _at_once
    for part in with_progress(parts, progress):
        chosen = [documents[i] for i in part]
        chosen += [chosen[-1]] * (min(bucket(len(part), ROWS), rows) - len(part))
        decided = ops.convert_to_numpy(read(model, chosen, int(longest[part].max()), pad_id))
        for row, index in enumerate(part):
            found[index] = decided[row].astype(np.float64)
    width = max(map(len, found), default=0)
    made = np.full((len(found), width), -np.inf)
    for index, each in enumerate(found):
        made[index, : len(each)] = each
    return made


def _in_pieces(
    model: keras.Model, documents: Sequence[Sequence[np.ndarray]], longest: int, pad_id: int
) -> Any:
    width = PIECE * -(-longest // PIECE)
    tokens = left_padded([ids for (ids,) in documents], width, pad_id)
    pooled = np.broadcast_to(np.arange(width) >= width - model.kept, tokens.shape)
    carry: Any = {
        name: ops.convert_to_numpy(leaf)
        for name, leaf in model.initial_carry(len(documents)).items()
    }
    for first in range(0, width, PIECE):
        piece = slice(first, first + PIECE)
        arrays = {"tokens": tokens[:, piece], "pooled": pooled[:, piece], "carry": carry}
        carry = compiling.run(_read, model, None, arrays)
    return compiling.run(_decide, model, None, {"carry": carry})


def _at_once(
    model: keras.Model, documents: Sequence[Sequence[np.ndarray]], longest: int, pad_id: int
) -> Any:
    width = min(bucket(longest, LENGTHS), model.context)
    tokens = padded_sequences(documents, width, pad_id)
    return compiling.run(_whole, model, None, {"tokens": tokens})


def _read(model: keras.Model, options: None, arrays: dict) -> Any:
    return model.read(arrays["tokens"], arrays["carry"], pooled=arrays["pooled"])


def _decide(model: keras.Model, options: None, arrays: dict) -> Any:
    return model.decide(arrays["carry"])


def _whole(model: keras.Model, options: None, arrays: dict) -> Any:
    return model(arrays["tokens"], training=False)
