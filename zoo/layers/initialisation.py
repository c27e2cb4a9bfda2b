"""Initialisation of a weight that holds several matrices side by side."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable("paperzoo")
class Blocks(keras.initializers.Initializer):
    """Draw the matrices of one weight separately and put them side by side.

    Drawn at once, an orthogonal weight of two square blocks would not have orthogonal blocks.

    Args:
        initializer: draws each block anew.
        count: number of blocks of equal width along the last axis.
    """

    def __init__(self, initializer: keras.initializers.Initializer, count: int) -> None:
        self.initializer = initializer
        self.count = count

    def __call__(self, shape, dtype=None):
        block = (*shape[:-1], shape[-1] // self.count)
        blocks = [self.initializer.clone()(block, dtype=dtype) for _ in range(self.count)]
        return keras.ops.concatenate(blocks, axis=-1)

    def get_config(self) -> dict:
        initializer = keras.saving.serialize_keras_object(self.initializer)
        return {"initializer": initializer, "count": self.count}
