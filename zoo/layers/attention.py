"""Scaled dot-product attention with several heads (vaswani2017, section 3.2)."""

from __future__ import annotations

import keras
from keras import ops


def grown(cache, max_length: int):
    """Return a cache of keys and values, [batch, heads, steps, head_dim], with room for more steps.

    Args:
        cache: the tensors by name, all with the same number of steps.
        max_length: steps that there is to be room for.
    """
    return {
        name: ops.pad(leaf, [[0, 0], [0, 0], [0, max_length - ops.shape(leaf)[2]], [0, 0]])
        for name, leaf in cache.items()
    }


@keras.saving.register_keras_serializable("paperzoo")
class MultiHeadAttention(keras.layers.Layer):
    """Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V for each head, concatenated, projected.

    The projections are separate calls, so that a decoder can keep keys and values:
    `keys_values` makes them once, `attend` reads them.

    Args:
        width: d_model; each head has width / heads dimensions.
        heads: number of heads; must divide the width.
        bias: give the four projections biases. The paper shows none.
        dropout: rate on the attention weights. The paper states none.
    """

    def __init__(
        self, width: int, heads: int, bias: bool = False, dropout: float = 0.0, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        if width % heads:
            raise ValueError(f"heads ({heads}) must divide width ({width})")
        self.width = width
        self.heads = heads
        self.head_dim = width // heads
        self.use_bias = bias
        self.dropout_rate = dropout
        # "projection" is W_O; Keras owns the attribute name "output".
        self.query = self._linear("query")
        self.key = self._linear("key")
        self.value = self._linear("value")
        self.projection = self._linear("projection")
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy) if dropout else None

    def _linear(self, name: str) -> keras.layers.Dense:
        return keras.layers.Dense(
            self.width, use_bias=self.use_bias, name=name, dtype=self.dtype_policy
        )

    def build(self, input_shape=None) -> None:
        for layer in (self.query, self.key, self.value, self.projection):
            layer.build((None, self.width))
        self.built = True

    def split_heads(self, x):
        """[batch, time, width] -> [batch, heads, time, head_dim]"""
        length = ops.shape(x)[1]
        x = ops.reshape(x, (-1, length, self.heads, self.head_dim))
        return ops.transpose(x, (0, 2, 1, 3))

    def keys_values(self, x):
        """Return keys and values [batch, heads, time, head_dim] of x [batch, time, width]."""
        return self.split_heads(self.key(x)), self.split_heads(self.value(x))

    def attend(self, x, keys, values, mask, training=False):
        """Return the output [batch, time, width] and the weights [batch, heads, time, memory].

        Args:
            x: what asks, [batch, time, width].
            keys, values: [batch, heads, memory, head_dim].
            mask: bool, true where x may look, broadcast to [batch, heads, time, memory].
        """
        queries = self.split_heads(self.query(x) * (self.head_dim**-0.5))
        scores = ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2)))
        # Softmax in float32 also under mixed precision; -1e9 leaves no weight on masked positions.
        scores = ops.where(mask, ops.cast(scores, "float32"), -1e9)
        # A single position gets all; Keras would warn of such a softmax.
        alone = scores.shape[-1] == 1
        weights = ops.ones_like(scores) if alone else ops.softmax(scores, axis=-1)
        kept = ops.cast(weights, self.compute_dtype)
        if self.dropout is not None:
            kept = self.dropout(kept, training=training)
        context = ops.matmul(kept, values)  # [batch, heads, time, head_dim]
        length = ops.shape(context)[2]
        context = ops.reshape(ops.transpose(context, (0, 2, 1, 3)), (-1, length, self.width))
        return self.projection(context), weights

    def call(self, x, memory, mask, training=False):
        """Return the output [batch, time, width] of x [batch, time, width] over memory."""
        keys, values = self.keys_values(memory)
        return self.attend(x, keys, values, mask, training)[0]

    def get_config(self) -> dict:
        config = super().get_config()
        return {
            **config,
            "width": self.width,
            "heads": self.heads,
            "bias": self.use_bias,
            "dropout": self.dropout_rate,
        }
