"""Prompts as the inputs of a language model's `start`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo import compiling
from zoo.data.encoded import left_padded
from zoo.tasks.batching import LENGTHS, bucket

# A prompt is padded to the next of these lengths; a longer one is read piece by piece.
PROMPTS = (8, 16, 32, 64)
PIECE = PROMPTS[-1]


def inputs(model: keras.Model, prompts: Sequence[np.ndarray], pad_id: int) -> dict[str, Any]:
    """Return the inputs of `model.start`.

    A model with a context reads whole prompts; a recurrent model the last piece, with a state that
    has read all pieces before it, in one shape.

    Args:
        prompts: int32 [tokens] each, at least one token.
    """
    counts = np.array([len(prompt) - 1 for prompt in prompts])  # `step` gets the last token
    if model.context is not None:
        width = min(bucket(int(counts.max()), LENGTHS), model.context)
        return {"tokens": left_padded(prompts, width + 1, pad_id)}
    width = bucket(int(counts.max()), PROMPTS)
    tokens = left_padded(prompts, width + 1, pad_id)
    state = model.initial_state(len(prompts))
    piece = min(width, PIECE)
    for end in range(piece, width + 1, piece):
        arrays = {
            # The last token is not read: it is the next piece's first.
            "tokens": tokens[:, end - piece : end + 1],
            "lengths": (np.clip(counts - (width - end), 0, piece) + 1).astype(np.int32),
            "state": state,
        }
        if end < width:
            state = compiling.run(_state_after, model, None, arrays)
    return arrays


def _state_after(model: keras.Model, options: None, arrays: dict) -> Any:
    return model.start(arrays, 0)[1]
