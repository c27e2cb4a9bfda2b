"""Train a masked language model on the hidden places of its texts alone."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable("paperzoo")
class Filling(keras.Model):
    """A masked language model whose call gives the logits of hidden places.

    Args:
        model: built, see `Filler` and `Judge` in zoo/models/contracts.py.
        judges: give the logits of the second task too.
    """

    def __init__(self, model: keras.Model, judges: bool = False) -> None:
        super().__init__(dtype=model.dtype_policy, autocast=False)
        self.model = model
        self.judges = judges
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [rows, places, vocabulary].

        With `judges` they are "words", and "pairs" is float32 [rows, 2].

        Args:
            inputs: "tokens" and "places" of `MaskedBatches`.
        """
        if self.judges:
            words, pairs = self.model.fill_and_judge(inputs["tokens"], inputs["places"], training)
            return {"words": words, "pairs": pairs}
        return self.model.fill(inputs["tokens"], inputs["places"], training)
