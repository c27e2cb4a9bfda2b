"""Carry a language model's state from one batch of a stream to the next."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("paperzoo")
class Carried(keras.Model):
    """A language model that goes on where the previous batch ended.

    It owns the variables that hold the state between batches, without gradients; the language
    model itself takes and returns its state.

    Args:
        model: a built language model, see zoo/models/contracts.py.
        rows: rows of every batch.
    """

    def __init__(self, model: keras.Model, rows: int) -> None:
        super().__init__(dtype=model.dtype_policy, autocast=False)
        self.model = model
        state = model.initial_state(1)
        self.names = list(state)
        self.carried = [
            self.add_weight(
                shape=(rows, *leaf.shape[1:]), initializer="zeros", dtype="float32", name=name,
                trainable=False, autocast=False,
            )
            for name, leaf in state.items()
        ]  # fmt: skip
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [rows, time, vocabulary].

        Args:
            inputs: a batch of a `Stream`: "tokens" int32 [rows, time], and "carry" float [rows, 1],
                0 at the beginning of a pass.
        """
        carry = ops.cast(inputs["carry"], "float32")
        first = self.model.initial_state(ops.shape(carry)[0])
        state = {}
        for name, variable in zip(self.names, self.carried, strict=True):
            on = ops.reshape(carry, (-1, *[1] * (len(variable.shape) - 1)))
            state[name] = ops.copy(variable) * on + first[name] * (1.0 - on)
        logits, state = self.model.read(inputs["tokens"], state, training)
        for name, variable in zip(self.names, self.carried, strict=True):
            variable.assign(ops.stop_gradient(state[name]))
        return logits
