"""Random draws of the next token by keras_hub's samplers, inside the loop of search.py.

A draw is a pure function of the logits, the seed and the position, without a counter: the same call
gives the same text, and a compiled loop holds neither a seed nor a temperature. Backends draw
different numbers from one seed.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import operator
from typing import Any, NamedTuple, SupportsIndex

import keras
import numpy as np
from keras import ops

from zoo import starting
from zoo.errors import OptionError, check_count


class Strategy(NamedTuple):
    """The constants of a compiled draw."""

    top_k: int | None
    top_p: bool


@dataclasses.dataclass(frozen=True)
class Sampler:
    """How to draw.

    `top_k` comes before `top_p`, which counts the probabilities of the whole distribution. Top_p
    alone is slower: each step sorts the whole vocabulary.

    Attributes:
        temperature: divisor of the logits; below 1 probable tokens become more probable.
        top_k: number of most probable tokens to draw among.
        top_p: draw among the fewest most probable tokens whose probabilities sum to more than it.
        seed: the same seed gives the same draws, on one backend.

    Raises:
        OptionError: an option out of its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _check_number("temperature", self.temperature)
        if not np.finfo(np.float32).tiny <= self.temperature < math.inf:
            raise OptionError(
                f"temperature is {self.temperature}",
                "temperature is above 0; for the most probable words do not sample",
            )
        if self.top_k is not None:
            check_count("top_k", self.top_k)
        if self.top_p is not None:
            _check_number("top_p", self.top_p)
            if not 0 < self.top_p <= 1:
                raise OptionError(f"top_p is {self.top_p}", "top_p is above 0 and at most 1")
        check_seed(self.seed)

    @property
    def strategy(self) -> Strategy:
        # The whole distribution needs no sorting.
        top_p = self.top_p is not None and self.top_p < 1
        return Strategy(None if self.top_k is None else operator.index(self.top_k), top_p)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the variable options: "temperature" and "top_p" float32 [], "seed" int32 [2]."""
        # Positions count up from a seed's number, so neighbouring seeds must lie far apart.
        words = np.random.SeedSequence(operator.index(self.seed)).generate_state(2)
        return {
            "temperature": np.asarray(self.temperature, np.float32),
            "top_p": np.asarray(1.0 if self.top_p is None else self.top_p, np.float32),
            "seed": (words >> 1).astype(np.int32),
        }


def check_seed(seed: object) -> None:
    """Raise OptionError unless a seed is a whole number of at least 0."""
    if isinstance(seed, bool) or not isinstance(seed, SupportsIndex):
        raise OptionError(f"seed is {seed!r}", "seed is a whole number")
    if operator.index(seed) < 0:
        raise OptionError(f"seed is {seed}", "seed is at least 0")


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise OptionError(f"{name} is {value!r}", f"{name} is a number")


@functools.cache
def prepare(strategy: Strategy) -> Any:
    """Return keras_hub's sampler of a strategy.

    Call it before compiling: the sampler makes a variable for its own seed, which `draw` ignores.
    It is given, for a seed of its own choice would be drawn from the caller's random state.
    """
    # Imports TensorFlow on every backend, so only sampling waits for it.
    with starting.quietly():
        from keras_hub import samplers

    if strategy.top_p:
        return samplers.TopPSampler(k=strategy.top_k, seed=0)
    if strategy.top_k is not None:
        return samplers.TopKSampler(k=strategy.top_k, seed=0)
    return samplers.RandomSampler(seed=0)


# Compiled: arrays are tensors from here on -----------------------------------------------------


class FixedSeed(keras.random.SeedGenerator):
    """A seed generator without state that always returns one seed, a tensor [2]."""

    def __init__(self, seed) -> None:
        self.seed = seed  # without the variable that the parent makes

    def next(self, ordered=True):
        return self.seed


def draw(strategy: Strategy, options: dict, logits, position):
    """Return a token for each row, int32 [rows].

    Args:
        options: the tensors of `Sampler.arrays`.
        logits: [rows, vocabulary].
        position: scalar; each position has its own draws.
    """
    prepared = prepare(strategy)
    sampler = copy.copy(prepared)
    dtype = prepared.seed_generator.state.dtype  # each backend's type of seeds
    first, second = ops.unstack(ops.cast(options["seed"], dtype), 2)
    seed = ops.stack([first, second + ops.cast(position, dtype)])
    # An assignment would add it to a list that both samplers share, and its tensor would outlive
    # the trace.
    vars(sampler)["seed_generator"] = FixedSeed(seed)
    if strategy.top_p:
        sampler.p = options["top_p"]
    if strategy.top_k is not None:
        sampler.k = min(strategy.top_k, logits.shape[-1])
    logits = ops.cast(logits, "float32")
    # Subtract the maximum, so that a small temperature sends only improbable logits to -inf.
    logits = (logits - ops.max(logits, axis=-1, keepdims=True)) / options["temperature"]
    return sampler.get_next_token(ops.softmax(logits, axis=-1))


def sampler(
    temperature: float | None, top_k: int | None, top_p: float | None, seed: int | None
) -> Sampler | None:
    """Return a `Sampler`, with some seed for None; None if no option asks for sampling."""
    if temperature is None and top_k is None and top_p is None and seed is None:
        return None
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
    return Sampler(1.0 if temperature is None else temperature, top_k, top_p, seed)
