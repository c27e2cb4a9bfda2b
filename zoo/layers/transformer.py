"""The block of a Transformer (vaswani2017, section 3), as the papers after it vary it."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layers.attention import MultiHeadAttention, dense


def gelu_tanh(x):
    """GELU by its tanh approximation, as in the code of GPT; Keras' "gelu" is exact."""
    return keras.activations.gelu(x, approximate=True)


def activation_of(name: str) -> Any:
    """Return an activation: "gelu_tanh" or one of Keras'."""
    return gelu_tanh if name == "gelu_tanh" else keras.activations.get(name)


class FeedForward(keras.layers.Layer):
    """FFN(x) = activation(x W_1 + b_1) W_2 + b_2 at each position (section 3.3).

    Args: see `Block`.
    """

    def __init__(
        self,
        width: int,
        feed_forward: int,
        activation: str,
        initializer,
        residual_initializer,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.width = width
        common = {"dtype": self.dtype_policy}
        self.inner = dense(
            feed_forward, initializer, activation=activation_of(activation), **common
        )
        self.outer = dense(width, residual_initializer or initializer, **common)

    def build(self, input_shape=None) -> None:
        self.inner.build((None, self.width))
        self.outer.build((None, self.inner.units))
        self.built = True

    def call(self, x):
        return self.outer(self.inner(x))


class Block(keras.layers.Layer):
    """Self-attention, optional attention to an encoder, feed-forward.

    Each is a sub-layer with a residual connection and layer normalisation:

        post-norm  LayerNorm(x + Dropout(Sublayer(x)))
        pre-norm   x + Dropout(Sublayer(LayerNorm(x)))

    Args:
        width: of the states; each head has width / heads dimensions.
        heads: must divide the width.
        feed_forward: units between the two layers of FFN.
        dropout: on the outputs of sub-layers.
        attention_dropout: on the attention weights.
        activation: of FFN, "gelu_tanh" or one of Keras'.
        epsilon: of layer normalisation.
        attention_bias: give attention's projections biases.
        norm_first: pre-norm.
        cross_attention: attend to an encoder.
        fused: project to self-attention's queries, keys and values with one matrix.
        initializer: of the matrices.
        residual_initializer: of the last matrix of each sub-layer; None means `initializer`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        feed_forward: int,
        *,
        dropout: float,
        attention_dropout: float,
        activation: str,
        epsilon: float,
        attention_bias: bool = True,
        norm_first: bool = False,
        cross_attention: bool = False,
        fused: bool = False,
        initializer="glorot_uniform",
        residual_initializer=None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.norm_first = norm_first
        self.crosses = cross_attention
        common = {"dtype": self.dtype_policy}
        drawn = {"initializer": initializer, "residual_initializer": residual_initializer}

        def attention(fused: bool) -> MultiHeadAttention:
            return MultiHeadAttention(
                width, heads, attention_bias, attention_dropout, fused, **drawn, **common
            )

        self.self_attention = attention(fused)
        self.self_attention_norm = keras.layers.LayerNormalization(epsilon=epsilon, **common)
        if cross_attention:
            self.cross_attention = attention(fused=False)
            self.cross_attention_norm = keras.layers.LayerNormalization(epsilon=epsilon, **common)
        self.feed_forward = FeedForward(width, feed_forward, activation, **drawn, **common)
        self.feed_forward_norm = keras.layers.LayerNormalization(epsilon=epsilon, **common)
        self.dropout = keras.layers.Dropout(dropout, **common)

    def build(self, input_shape=None) -> None:
        sublayers: list[Any] = [(self.self_attention, self.self_attention_norm)]
        if self.crosses:
            sublayers.append((self.cross_attention, self.cross_attention_norm))
        for layer, norm in (*sublayers, (self.feed_forward, self.feed_forward_norm)):
            layer.build()
            norm.build((None, None, self.width))
        self.built = True

    def call(self, x, mask, source=None, source_mask=None, training=False):
        """Return the output [batch, time, width], x's keys and values, weights over the source.

        Args:
            x: [batch, time, width].
            mask: bool, true where x may look; broadcasts to [batch, heads, time, time].
            source: the encoder's output [batch, source, width].
            source_mask: the same for the source.
        """
        queries, keys, values = self.queries_keys_values(x)
        if source is not None:
            source = (*self.cross_attention.keys_values(source), source_mask)
        x, weights = self.attend(x, queries, [(keys, values, mask)], source, training)
        return x, (keys, values), weights

    def queries_keys_values(self, x):
        """Return self-attention's projections of x, each [batch, heads, time, head_dim]."""
        return self.self_attention.queries_keys_values(self._before(x, self.self_attention_norm))

    def attend(self, x, queries, own, source=None, training=False):
        """Return the output [batch, time, width] and the weights over the source, or None.

        Args:
            x, queries: [batch, time, width], and its queries.
            own: the `memory` of `MultiHeadAttention.attend`: x, a cache, a prompt.
            source: keys, values and mask of the source.
        """
        attended, _ = self.self_attention.attend(queries, own, training)
        x, weights = self._after(x, attended, self.self_attention_norm, training), None
        if source is not None:
            queries = self.cross_attention.queries(self._before(x, self.cross_attention_norm))
            attended, weights = self.cross_attention.attend(queries, [source], training)
            x = self._after(x, attended, self.cross_attention_norm, training)
        fed = self.feed_forward(self._before(x, self.feed_forward_norm))
        return self._after(x, fed, self.feed_forward_norm, training), weights

    def _before(self, x, norm):
        return norm(x) if self.norm_first else x

    def _after(self, x, sublayer, norm, training):
        if training:
            sublayer = self.dropout(sublayer, training=True)
        return x + sublayer if self.norm_first else norm(x + sublayer)
