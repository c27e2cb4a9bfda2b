"""Building a model whose weights follow from a file, without drawing random ones first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def skipped() -> Iterator[None]:
    """Let every weight that is made inside this context start at zero.

    Drawing the random weights of a full-size model takes seconds, which are lost when a
    checkpoint overwrites them. Seed generators keep their own initialiser.
    """
    original = keras.layers.Layer.add_weight

    def add_weight(self, shape=None, initializer=None, *args, **kwargs):
        return original(self, shape, "zeros", *args, **kwargs)

    keras.layers.Layer.add_weight = add_weight
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = original
