"""How weights begin: matrices side by side in one weight; nothing drawn where a file follows."""

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


@keras.saving.register_keras_serializable("paperzoo")
class Blocks(keras.initializers.Initializer):
    """Draw several matrices one by one, to lie side by side in one weight.

    An orthogonal weight of two square blocks would not have orthogonal blocks.

    Args:
        initializer: how each block is drawn; it draws another one at each call.
        count: number of blocks along the last axis, of equal width.
    """

    def __init__(self, initializer: keras.initializers.Initializer, count: int) -> None:
        self.initializer = initializer
        self.count = count

    def __call__(self, shape, dtype=None):
        block = (*shape[:-1], shape[-1] // self.count)
        drawn = [self.initializer.clone()(block, dtype=dtype) for _ in range(self.count)]
        return keras.ops.concatenate(drawn, axis=-1)

    def get_config(self) -> dict:
        return {
            "initializer": keras.saving.serialize_keras_object(self.initializer),
            "count": self.count,
        }
