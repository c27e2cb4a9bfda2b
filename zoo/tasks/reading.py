"""Logits of documents, read in pieces with a carried state or whole, in few shapes."""

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
from zoo.tasks.batching import LENGTHS, bucket, filled_up, with_progress

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

    A stateful classifier reads documents of any length in pieces of one compiled shape and carries
    its state from piece to piece. A sequence classifier reads each sequence at once, padded to one
    of few lengths within its context. Documents of similar length are read together.

    Args:
        documents: the sequences of each, int32 [ids]; a stateful classifier reads only one.

    Returns:
        A model with one logit for each sequence gives -inf where a document has fewer sequences
        than another.

    Raises:
        NotSupported: the model is neither of these two.
    """
    if not isinstance(model, StatefulClassifier | SequenceClassifier):
        raise NotSupported(f"{model.name} is no classifier", "see zoo/models/contracts.py")
    outputs: list[np.ndarray] = [np.zeros(0)] * len(documents)
    longest = np.array([max(map(len, sequences)) for sequences in documents])
    counts = np.array([len(sequences) for sequences in documents])
    order = np.lexsort((-longest, counts))  # the longest first, of each number of sequences
    batches = []
    for count in np.unique(counts):
        alike = order[counts[order] == count]
        batches += [alike[first : first + rows] for first in range(0, len(alike), rows)]
    read = _in_pieces if isinstance(model, StatefulClassifier) else _at_once
    for batch in with_progress(batches, progress):
        chosen = filled_up([documents[i] for i in batch], rows)
        values = ops.convert_to_numpy(read(model, chosen, int(longest[batch].max()), pad_id))
        for row, index in enumerate(batch):
            outputs[index] = values[row].astype(np.float64)
    table = np.full((len(outputs), max(map(len, outputs), default=0)), -np.inf)
    for cells, values in zip(table, outputs, strict=True):
        cells[: len(values)] = values
    return table


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
