"""The variables that carry a language model's state from one batch of a stream to the next."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("paperzoo")
class Carried(keras.Model):
    """A language model that goes on where the batch before ended.

    It owns the variables that hold the state between two batches, in which no gradient flows; the
    language model itself takes and returns its state. In training, AR and TAR are added to the loss
    (merity2017, section 4.6): alpha * mean(h^2) of the dropped output h of the last layer, and
    beta * mean((h_t - h_t-1)^2) of the same without dropout.

    Args:
        model: a built language model with `zero_state` and `read`.
        rows: of every batch.
        activation, temporal: alpha and beta.
    """

    def __init__(
        self, model: keras.Model, rows: int, activation: float = 0.0, temporal: float = 0.0
    ) -> None:
        super().__init__(dtype=model.dtype_policy, autocast=False)
        self.model = model
        self.activation = activation
        self.temporal = temporal
        self.names = list(model.zero_state(1))
        self.carried = [
            self.add_weight(
                shape=(rows, each.shape[1]), initializer="zeros", trainable=False, dtype="float32",
                autocast=False, name=name,
            )
            for name, each in model.zero_state(1).items()
        ]  # fmt: skip
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [rows, time, vocabulary].

        Args:
            inputs: what a `Stream` gives: "tokens" int32 [rows, time], and "carry" float [rows, 1],
                0 where a text begins anew.
        """
        carry = ops.cast(inputs["carry"], "float32")
        state = {
            name: ops.copy(variable) * carry
            for name, variable in zip(self.names, self.carried, strict=True)
        }
        logits, raw, dropped, state = self.model.read(inputs["tokens"], state, training)
        for name, variable in zip(self.names, self.carried, strict=True):
            variable.assign(ops.stop_gradient(state[name]))
        if training and self.activation:
            dropped = ops.cast(dropped, "float32")
            self.add_loss(self.activation * ops.mean(ops.square(dropped)))
        if training and self.temporal and raw.shape[0] != 1:  # one step is no change
            change = ops.cast(raw[1:] - raw[:-1], "float32")
            self.add_loss(self.temporal * ops.mean(ops.square(change)))
        return logits
