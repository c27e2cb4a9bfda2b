"""Dynamic evaluation: a language model goes on learning from what it has just predicted.

Mikolov et al. (2010, section 2) and Graves (2013, section 3.1) train on while they test: each piece
of the text is predicted first, then the weights take a step of plain gradient descent on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo import compiling, typed
from zoo.errors import NotSupported, OptionError, PredictionError, check_count
from zoo.models.contracts import LanguageModel
from zoo.tasks.batching import with_progress
from zoo.tasks.likelihood import IGNORED


@dataclass(frozen=True)
class Dynamic:
    """How a model learns from a text that it is measured on.

    Attributes:
        rate: the learning rate of each token: a step of a piece is along the sum of its gradients.
        chunk: tokens that are predicted, then learned from, at a time; a text's last piece may be
            shorter. Mikolov's is 1, with a rate of 0.1.

    Raises:
        OptionError: an invalid rate or chunk.
    """

    rate: float = 0.03
    chunk: int = 10

    def __post_init__(self) -> None:
        check_count("dynamic_chunk", self.chunk)
        rate = self.rate
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < math.inf:
            raise OptionError(f"dynamic_rate is {rate!r}", "dynamic_rate is a number above 0")

    def log_probabilities(
        self,
        model: keras.Model,
        sequences: Sequence[np.ndarray],
        progress: bool = False,
        given: int | None = None,
    ) -> list[np.ndarray]:
        """Return log P of each sequence's tokens after the first: float64 [tokens - 1] each.

        The sequences are read one after the other, each from the state before a text, by weights
        that have learned from all before. The model itself stays as it is.

        Args:
            sequences: int32 [tokens] each, at least one token.
            given: token whose probability does not count, and is not learned from: it is 0.

        Raises:
            PredictionError: the weights went beyond all numbers.
        """
        chunk = self.chunk
        found = [np.zeros(len(ids) - 1, dtype=np.float64) for ids in sequences]
        owners, places = [], []
        for owner, log_p in enumerate(found):
            for first in range(0, len(log_p), chunk):
                places.append(range(first, min(first + chunk, len(log_p))))
                owners.append(owner)
        weights = state = None
        for owner, place in zip(owners, with_progress(places, progress), strict=True):
            tokens = np.zeros((1, chunk), dtype=np.int32)
            labels = np.full((1, chunk), IGNORED, dtype=np.int32)
            ids = sequences[owner][place.start : place.stop + 1]
            tokens[0, : len(place)] = ids[:-1]
            labels[0, : len(place)] = (
                ids[1:] if given is None else np.where(ids[1:] == given, IGNORED, ids[1:])
            )
            if place.start == 0:
                state = model.initial_state(1)
            # What follows the end of a text changes a state that is read no further.
            arrays = {"tokens": tokens, "labels": labels, "state": state}
            (log_p, state), weights = compiling.descend(
                _learned, model, weights, float(self.rate), arrays
            )
            found[owner][place.start : place.stop] = ops.convert_to_numpy(log_p)[0, : len(place)]
            self.check(found[owner][place.start : place.stop])
        return found

    def check(self, numbers: np.ndarray | float) -> None:
        """Raise PredictionError if what was found is not a number, or infinite."""
        if not np.isfinite(numbers).all():
            raise PredictionError(
                f"with a rate of {self.rate} the weights left all bounds as they learned",
                "lower dynamic_rate",
            )


def chosen(
    model: keras.Model, dynamic: bool, rate: float | None, chunk: int | None
) -> Dynamic | None:
    """Return how a model is to learn as it is measured, None for not at all.

    Args:
        rate, chunk: None takes those of `Dynamic`.

    Raises:
        NotSupported: it carries no state, or has no weights that learn.
        OptionError: an invalid rate or chunk, or one without `dynamic`.
    """
    given = {"rate": rate, "chunk": chunk}
    given = {name: value for name, value in given.items() if value is not None}
    if not dynamic:
        for name in given:
            raise OptionError(f"dynamic_{name} is given and dynamic is not", "set dynamic too")
        return None
    _check(model)
    return Dynamic(**given)  # type: ignore[arg-type]


def _check(model: keras.Model) -> None:
    learns = bool(model.trainable_variables)
    if not isinstance(model, LanguageModel) or model.context is not None:
        raise NotSupported(
            f"{type(model).__name__} carries no state from one piece of a text to the next, so "
            "there is no dynamic evaluation of it",
            "leave `dynamic` out",
        )
    if not learns:
        raise NotSupported(
            f"{type(model).__name__} has no weights that gradients change, so there is no dynamic "
            "evaluation of it",
            "leave `dynamic` out",
        )


def _learned(model: Any, options: None, arrays: dict) -> Any:
    """Return the sum of -log P of the labels that count; log P of each, and the state."""
    labels = arrays["labels"]
    logits, state = model.read(arrays["tokens"], arrays["state"])
    chosen = ops.take_along_axis(logits, ops.maximum(labels, 0)[:, :, None], axis=-1)[:, :, 0]
    log_p = chosen - ops.logsumexp(logits, axis=-1)
    log_p = typed.where(labels == IGNORED, 0.0, log_p)
    return -ops.sum(log_p), (log_p, state)
