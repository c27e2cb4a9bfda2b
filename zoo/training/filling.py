"""Train a masked language model on the hidden places of its texts alone."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable("paperzoo")
class Filling(keras.Model):
    """A masked language model whose call gives the logits of hidden places.

    Args:
        model: built, see `Filler` in zoo/models/contracts.py.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__(dtype=model.dtype_policy, autocast=False)
        self.model = model
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [rows, places, vocabulary].

        Args:
            inputs: "tokens" and "places" of `MaskedBatches`.
        """
        return self.model.fill(inputs["tokens"], inputs["places"], training)
