"""Batch normalisation of texts, which leaves out what pads them."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("paperzoo")
class BatchNormalization(keras.layers.Layer):
    """Batch normalisation as torch and the lecture compute it, over batch and time.

    The variance is the unbiased one, in training too, and a tenth of it enters the running one.
    Keras' own layer has the biased one.

    Args:
        width: channels.
    """

    MOMENTUM, EPSILON = 0.1, 1e-5

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        self.width = width

    def build(self, input_shape=None) -> None:
        for name, first, trainable in (
            ("gamma", "ones", True), ("beta", "zeros", True),
            ("moving_mean", "zeros", False), ("moving_variance", "ones", False),
        ):  # fmt: skip
            weight = self.add_weight(
                shape=(self.width,), initializer=first, trainable=trainable, name=name,
                autocast=False,
            )  # fmt: skip
            setattr(self, name, weight)
        self.built = True

    def call(self, x, real=None, training=False):
        """Return x normalised, float32 [batch, time, width].

        Args:
            x: [batch, time, width].
            real: float32 [batch, time], 0 where x is not counted in training; None counts all.
        """
        x, gamma, beta, mean, variance = (
            ops.cast(each, "float32")
            for each in (x, self.gamma, self.beta, self.moving_mean, self.moving_variance)
        )
        if training:
            counted = ops.ones_like(x[:, :, :1]) if real is None else ops.expand_dims(real, 2)
            count = ops.sum(counted)
            mean = ops.sum(x * counted, axis=(0, 1)) / count
            squares = ops.sum(ops.square(x - mean) * counted, axis=(0, 1))
            variance = squares / ops.maximum(count - 1.0, 1.0)
            for running, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
                before = ops.cast(running, "float32")
                running.assign(before + self.MOMENTUM * (ops.stop_gradient(found) - before))
        return gamma * (x - mean) * ops.rsqrt(variance + self.EPSILON) + beta
