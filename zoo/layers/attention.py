"""Scaled dot-product attention with several heads (vaswani2017, section 3.2), and its cache.

A cache, a decoder's state, holds the keys and values of each layer, "keys_0", "values_0", "keys_1"
and so on, [batch, heads, steps, head_dim].
"""

from __future__ import annotations

import functools

import keras
from keras import ops

from zoo import typed

# A score whose softmax is 0.
MASKED = -1e9


def empty_cache(layers: int, shape, dtype: str) -> dict:
    """Return a cache of zeros for a number of layers, with keys and values of that shape."""
    return {
        f"{name}_{i}": ops.zeros(shape, dtype=dtype)
        for i in range(layers)
        for name in ("keys", "values")
    }


def grown(cache: dict, max_length: int) -> dict:
    """Return a cache with room for max_length steps."""
    return {
        name: ops.pad(leaf, [[0, 0], [0, 0], [0, max_length - ops.shape(leaf)[2]], [0, 0]])
        for name, leaf in cache.items()
    }


def written(cache: dict, layer: int, position, keys, values) -> dict:
    """Write a layer's keys and values of one step, [batch, heads, 1, head_dim], into a cache."""
    start = (0, 0, position, 0)
    new = {f"keys_{layer}": keys, f"values_{layer}": values}
    return cache | {name: ops.slice_update(cache[name], start, new[name]) for name in new}


def so_far(cache: dict, position):
    """Return a mask of a cache's steps that is true up to a position: bool [1, 1, 1, steps]."""
    return (typed.arange(ops.shape(cache["keys_0"])[2]) <= position)[None, None, None, :]


def causal(length):
    """Return a mask that lets positions see themselves and earlier ones: [1, 1, time, time]."""
    index = typed.arange(length)
    return (index[:, None] >= index[None, :])[None, None]


def dense(units: int, initializer, **options) -> keras.layers.Dense:
    """Return a linear layer that draws its matrix with a copy of the initializer."""
    initializer = keras.initializers.get(initializer).clone()
    return keras.layers.Dense(units, kernel_initializer=initializer, **options)


@keras.saving.register_keras_serializable("paperzoo")
class MultiHeadAttention(keras.layers.Layer):
    """Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V for each head, concatenated, projected.

    The projections are separate calls, so that a decoder can keep keys and values. Queries, keys
    and values are [batch, heads, time, head_dim].

    Args:
        width: d_model; each head has width / heads dimensions.
        heads: number of heads; must divide the width.
        bias: give the projections biases.
        dropout: rate on the attention weights.
        fused: project to queries, keys and values with one matrix, side by side.
        initializer: of the matrices.
        residual_initializer: of the output projection; None means `initializer`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        bias: bool = False,
        dropout: float = 0.0,
        fused: bool = False,
        initializer="glorot_uniform",
        residual_initializer=None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if width % heads:
            raise ValueError(f"heads ({heads}) must divide width ({width})")
        self.width = width
        self.heads = heads
        self.head_dim = width // heads
        self.fused = fused

        common = {"use_bias": bias, "dtype": self.dtype_policy}
        if fused:
            self.query_key_value = dense(3 * width, initializer, **common)
        else:
            self.query, self.key, self.value = (dense(width, initializer, **common) for _ in "qkv")
        # W_O; Keras owns the attribute name "output".
        self.projection = dense(width, residual_initializer or initializer, **common)
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape=None) -> None:
        inputs = [self.query_key_value] if self.fused else [self.query, self.key, self.value]
        for layer in (*inputs, self.projection):
            layer.build((None, self.width))
        self.built = True

    def split_heads(self, x):
        """[batch, time, width] -> [batch, heads, time, head_dim]"""
        x = ops.reshape(x, (-1, ops.shape(x)[1], self.heads, self.head_dim))
        return ops.transpose(x, (0, 2, 1, 3))

    def queries(self, x):
        """Return queries of x [batch, time, width], if not `fused`."""
        return self.split_heads(self.query(x))

    def keys_values(self, x):
        """Return keys and values of x [batch, time, width], if not `fused`."""
        return self.split_heads(self.key(x)), self.split_heads(self.value(x))

    def queries_keys_values(self, x):
        """Return queries, keys and values of x [batch, time, width] for self-attention."""
        if not self.fused:
            return self.queries(x), *self.keys_values(x)
        x = self.query_key_value(x)
        x = ops.reshape(x, (-1, ops.shape(x)[1], 3, self.heads, self.head_dim))
        return ops.unstack(ops.transpose(x, (2, 0, 3, 1, 4)), 3)

    def attend(self, queries, memory, training=False):
        """Return the output [batch, time, width] and float32 weights [batch, heads, time, memory].

        Args:
            queries: [batch, heads, time, head_dim].
            memory: one part or several to attend to, each (keys, values, mask); the mask is true
                where a query may look and broadcasts to [batch, heads, time, memory].
        """
        queries = queries * self.head_dim**-0.5
        scores = []
        for keys, _, mask in memory:
            score = ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2)))
            # Softmax in float32 also under mixed precision.
            scores.append(typed.where(mask, ops.cast(score, "float32"), MASKED))
        scores = scores[0] if len(scores) == 1 else ops.concatenate(scores, axis=-1)
        # A single position gets all weight; Keras warns of such a softmax.
        alone = scores.shape[-1] == 1
        weights = ops.ones_like(scores) if alone else ops.softmax(scores, axis=-1)
        shares = ops.cast(weights, self.compute_dtype)
        if training:
            shares = self.dropout(shares, training=True)
        parts, first = [], 0
        for _, values, _ in memory:
            last = first + ops.shape(values)[2]
            share = shares if len(memory) == 1 else shares[..., first:last]
            parts.append(ops.matmul(share, values))  # [batch, heads, time, head_dim]
            first = last
        context = ops.transpose(functools.reduce(ops.add, parts), (0, 2, 1, 3))
        context = ops.reshape(context, (-1, ops.shape(context)[1], self.width))
        return self.projection(context), weights

    def call(self, x, memory, mask, training=False):
        """Return the output [batch, time, width] of x [batch, time, width] over memory."""
        keys, values = self.keys_values(memory)
        return self.attend(self.queries(x), [(keys, values, mask)], training)[0]
