"""How weights begin: matrices side by side in one weight."""

from __future__ import annotations

import keras


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
