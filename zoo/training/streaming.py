"""Training a language model on a stream: its state is carried from one batch to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from zoo.data.document_batches import DocumentBatches
from zoo.data.stream import Stream


@keras.saving.register_keras_serializable("paperzoo")
class Carried(keras.Model):
    """A language model that goes on where the batch before ended.

    It owns the variables that hold the state between two batches, in which no gradient flows; the
    language model itself takes and returns its state.

    Args:
        model: a built language model, see zoo/models/contracts.py.
        rows: of every batch.
    """

    def __init__(self, model: keras.Model, rows: int) -> None:
        super().__init__(dtype=model.dtype_policy, autocast=False)
        self.model = model
        state = model.initial_state(1)
        self.names = list(state)
        self.carried = [
            self.add_weight(
                shape=(rows, leaf.shape[1]), initializer="zeros", trainable=False, dtype="float32",
                autocast=False, name=name,
            )
            for name, leaf in state.items()
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
        logits, state = self.model.read(inputs["tokens"], state, training)
        for name, variable in zip(self.names, self.carried, strict=True):
            variable.assign(ops.stop_gradient(state[name]))
        return logits


def run_epoch(
    model: keras.Model,
    data: Stream | DocumentBatches,
    first: int,
    length: int,
    callbacks: keras.callbacks.CallbackList,
    validate: Callable[[], float],
) -> None:
    """Make `length` updates from step `first` on, in the data's order, then validate.

    Keras fit takes the first two batches of an epoch to tell which dimensions vary, which a stream,
    whose order may not change, cannot promise; so batches go in one at a time.
    """
    callbacks.on_epoch_begin(first)
    logs: dict[str, Any] = {}
    total = 0.0
    for step in range(first, first + length):
        inputs, labels = data.batch(step)
        # It returns the loss of this batch alone; told is the mean of the epoch so far, as in fit.
        logs = model.train_on_batch(inputs, labels, return_dict=True)
        total += float(logs["loss"])
        logs["loss"] = total / (step - first + 1)
        callbacks.on_train_batch_end(step - first, logs)
    callbacks.on_epoch_end(first, {**logs, "val_loss": validate()})
