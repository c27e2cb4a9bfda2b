"""A word embedding whose matrix also makes the logits."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("paperzoo")
class TiedEmbedding(keras.layers.Layer):
    """Embedding lookup and pre-softmax linear map with one matrix (vaswani2017, section 3.4).

    The lookup, not the linear map, multiplies by sqrt(width).

    Args:
        vocabulary: number of rows of the table.
        width: length of a row.
        bias: add a trained bias to the logits, as Marian does; the paper does not.
    """

    def __init__(self, vocabulary: int, width: int, bias: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.vocabulary = vocabulary
        self.width = width
        self.use_bias = bias

    def build(self, input_shape=None) -> None:
        # The paper is silent on initialisation; N(0, 1/sqrt(width)) is tensor2tensor's.
        self.table = self.add_weight(
            shape=(self.vocabulary, self.width),
            initializer=keras.initializers.RandomNormal(stddev=self.width**-0.5),
            name="table",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.vocabulary,), initializer="zeros", name="bias")
        self.built = True

    def call(self, ids):
        """Return the scaled embeddings [..., width] of int32 ids [...]."""
        rows = ops.take(self.table, ids, axis=0)
        return ops.cast(rows, self.compute_dtype) * (self.width**0.5)

    def logits(self, hidden):
        """Return float32 logits [..., vocabulary] of hidden states [..., width]."""
        table = ops.cast(self.table, self.compute_dtype)
        logits = ops.cast(ops.matmul(hidden, ops.transpose(table)), "float32")
        return logits if self.bias is None else logits + ops.cast(self.bias, "float32")
