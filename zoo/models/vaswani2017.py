"""Attention Is All You Need (Vaswani et al., NIPS 2017, https://arxiv.org/abs/1706.03762).

New in this paper: an encoder-decoder without recurrence or convolution. Every position of a
sentence looks at every other through multi-head scaled dot-product attention; positions are told
apart by sinusoids that are added to the embeddings; each sub-layer is wrapped in dropout, a
residual connection and layer normalisation (post-norm).

This file is the paper's model. Departures, each off unless asked for:
  attention_bias     biases in the attention projections (Marian, fairseq; the paper shows none)
  activation         any Keras activation in the feed-forward layer (Marian: swish; paper: ReLU)
  positions          "halves": all sines, then all cosines (Marian; the paper interleaves them);
                     "tensor2tensor": halves of other frequencies (tensor2tensor, fairseq)
  first_position     the number of the first position (fairseq: 2; the paper: 0)
  output_bias        a bias on the logits (Marian's final_logits_bias)
  attention_dropout  dropout on attention weights (tensor2tensor v2; the paper states none)
The paper gives no epsilon for layer normalisation; 1e-6 is tensor2tensor's.
"""

from __future__ import annotations

import keras
from keras import ops

from zoo.layers.attention import MultiHeadAttention, grown
from zoo.layers.embedding import TiedEmbedding
from zoo.layers.positions import sinusoid


class FeedForward(keras.layers.Layer):
    """FFN(x) = max(0, x W1 + b1) W2 + b2 (equation 2), at each position alike."""

    def __init__(self, width: int, feed_forward: int, activation: str = "relu", **kwargs) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.inner = keras.layers.Dense(
            feed_forward, activation=activation, name="inner", dtype=self.dtype_policy
        )
        self.outer = keras.layers.Dense(width, name="outer", dtype=self.dtype_policy)

    def build(self, input_shape=None) -> None:
        self.inner.build((None, self.width))
        self.outer.build((None, self.inner.units))
        self.built = True

    def call(self, x):
        return self.outer(self.inner(x))


class _Block(keras.layers.Layer):
    """What encoder and decoder layers have in common: LayerNorm(x + Dropout(Sublayer(x)))."""

    def __init__(
        self, width, heads, feed_forward, dropout, attention_dropout, activation, attention_bias,
        epsilon, **kwargs,
    ) -> None:  # fmt: skip
        super().__init__(**kwargs)
        self.width = width
        self._attention = {
            "width": width, "heads": heads, "bias": attention_bias,
            "dropout": attention_dropout, "dtype": self.dtype_policy,
        }  # fmt: skip
        self._norm = {"epsilon": epsilon, "dtype": self.dtype_policy}
        self.self_attention = MultiHeadAttention(**self._attention, name="self_attention")
        self.self_attention_norm = keras.layers.LayerNormalization(**self._norm)
        self.feed_forward = FeedForward(width, feed_forward, activation, dtype=self.dtype_policy)
        self.feed_forward_norm = keras.layers.LayerNormalization(**self._norm)
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape=None) -> None:
        for layer in (self.self_attention, self.feed_forward):
            layer.build()
        for norm in (self.self_attention_norm, self.feed_forward_norm):
            norm.build((None, None, self.width))
        self.built = True

    def residual(self, x, sublayer, norm, training):
        """LayerNorm(x + Dropout(Sublayer(x))) (section 5.4)"""
        return norm(x + self.dropout(sublayer, training=training))

    def feed(self, x, training):
        return self.residual(x, self.feed_forward(x), self.feed_forward_norm, training)


class EncoderLayer(_Block):
    """Self-attention, then feed-forward (section 3.1)."""

    def call(self, x, mask, training=False):
        """x [batch, source, width]; mask bool [batch, 1, 1, source], false at padding."""
        attended = self.self_attention(x, x, mask, training=training)
        x = self.residual(x, attended, self.self_attention_norm, training)
        return self.feed(x, training)


class DecoderLayer(_Block):
    """Causal self-attention, attention to the encoder's output, then feed-forward (section 3.1)."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.cross_attention = MultiHeadAttention(**self._attention, name="cross_attention")
        self.cross_attention_norm = keras.layers.LayerNormalization(**self._norm)

    def build(self, input_shape=None) -> None:
        self.cross_attention.build()
        self.cross_attention_norm.build((None, None, self.width))
        super().build(input_shape)

    def attend(self, x, own, own_mask, memory, memory_mask, training=False):
        """Return the layer's output and its cross-attention weights.

        Args:
            x: [batch, time, width].
            own: keys and values of the target so far, each [batch, heads, target, head_dim].
            memory: keys and values of the source, each [batch, heads, source, head_dim].
        """
        attended, _ = self.self_attention.attend(x, own[0], own[1], own_mask, training)
        x = self.residual(x, attended, self.self_attention_norm, training)
        attended, weights = self.cross_attention.attend(
            x, memory[0], memory[1], memory_mask, training
        )
        x = self.residual(x, attended, self.cross_attention_norm, training)
        return self.feed(x, training), weights

    def call(self, x, own_mask, source, memory_mask, training=False):
        """Teacher forcing: x [batch, target, width], source [batch, source, width]."""
        own = self.self_attention.keys_values(x)
        memory = self.cross_attention.keys_values(source)
        return self.attend(x, own, own_mask, memory, memory_mask, training)


@keras.saving.register_keras_serializable("paperzoo")
class Transformer(keras.Model):
    """The encoder-decoder of section 3, with one shared matrix for embeddings and logits.

    Args:
        vocabulary: size of the joint source and target vocabulary.
        width: d_model.
        encoder_layers, decoder_layers: N of each stack.
        heads: attention heads; must divide the width.
        feed_forward: d_ff.
        dropout: P_drop, on sub-layer outputs and on embeddings plus positions.
        max_length: longest source or target, in pieces, that the position table covers.
        padding_id: id that marks padding in the source.
        Others: see the module's docstring.

    Sources end with the end-of-sentence id and are padded on the right; targets are the decoder's
    input, so they begin with the start id.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        width: int = 512,
        encoder_layers: int = 6,
        decoder_layers: int = 6,
        heads: int = 8,
        feed_forward: int = 2048,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        activation: str = "relu",
        attention_bias: bool = False,
        positions: str = "interleaved",
        first_position: int = 0,
        epsilon: float = 1e-6,
        output_bias: bool = False,
        padding_id: int = 0,
        max_length: int = 512,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = {
            "vocabulary": vocabulary, "width": width, "encoder_layers": encoder_layers,
            "decoder_layers": decoder_layers, "heads": heads, "feed_forward": feed_forward,
            "dropout": dropout, "attention_dropout": attention_dropout,
            "activation": activation, "attention_bias": attention_bias, "positions": positions,
            "first_position": first_position, "epsilon": epsilon, "output_bias": output_bias,
            "padding_id": padding_id, "max_length": max_length,
        }  # fmt: skip
        self.padding_id = padding_id
        self.max_length = max_length
        self.embedding = TiedEmbedding(vocabulary, width, output_bias, dtype=self.dtype_policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        block = {
            "width": width, "heads": heads, "feed_forward": feed_forward, "dropout": dropout,
            "attention_dropout": attention_dropout, "activation": activation,
            "attention_bias": attention_bias, "epsilon": epsilon, "dtype": self.dtype_policy,
        }  # fmt: skip
        self.encoder_layers = [EncoderLayer(**block) for _ in range(encoder_layers)]
        self.decoder_layers = [DecoderLayer(**block) for _ in range(decoder_layers)]
        self._positions = sinusoid(max_length, width, positions, first_position)

    def build(self, input_shape=None) -> None:
        self.embedding.build()
        for layer in [*self.encoder_layers, *self.decoder_layers]:
            layer.build()
        self.built = True

    # Teacher forcing ---------------------------------------------------------------------------

    def embed(self, ids, training=False):
        """Return embeddings plus positions, with dropout (5.4): [batch, time, width]."""
        length = ops.shape(ids)[1]
        if isinstance(length, int) and length > self.max_length:
            raise ValueError(f"{length} pieces, but max_length is {self.max_length}")
        positions = ops.cast(ops.convert_to_tensor(self._positions)[:length], self.compute_dtype)
        return self.dropout(self.embedding(ids) + positions, training=training)

    def encode(self, source, training=False):
        """Return the encoder's output [batch, source, width] and its mask [batch, 1, 1, source]."""
        mask = ops.not_equal(source, self.padding_id)[:, None, None, :]
        x = self.embed(source, training)
        for layer in self.encoder_layers:
            x = layer(x, mask, training=training)
        return x, mask

    def decode(self, target, source, mask, training=False):
        """Return the decoder's output [batch, target, width] and the last cross-attention."""
        length = ops.shape(target)[1]
        index = ops.arange(length)
        causal = (index[:, None] >= index[None, :])[None, None]  # [1, 1, target, target]
        x, weights = self.embed(target, training), None
        for layer in self.decoder_layers:
            x, weights = layer(x, causal, source, mask, training=training)
        return x, weights

    def call(self, inputs, training=False):
        """Return float32 logits [batch, target, vocabulary].

        Args:
            inputs: {"source": int32 [batch, source], "target": int32 [batch, target]}.
        """
        source, mask = self.encode(inputs["source"], training)
        hidden, _ = self.decode(inputs["target"], source, mask, training)
        return self.embedding.logits(hidden)

    def attention(self, inputs):
        """Return the last layer's weights over the source [batch, heads, target, source]."""
        source, mask = self.encode(inputs["source"])
        return self.decode(inputs["target"], source, mask)[1]

    # One step at a time ------------------------------------------------------------------------

    def start(self, inputs, max_length: int):
        """Read the source; return what stays constant and an empty cache for max_length steps."""
        source, mask = self.encode(inputs["source"])
        memory, state = {"mask": mask}, {}
        batch = ops.shape(source)[0]
        for i, layer in enumerate(self.decoder_layers):
            keys, values = layer.cross_attention.keys_values(source)
            memory[f"keys_{i}"], memory[f"values_{i}"] = keys, values
            own = layer.self_attention
            empty = (batch, own.heads, max_length, own.head_dim)
            state[f"keys_{i}"] = ops.zeros(empty, dtype=self.compute_dtype)
            state[f"values_{i}"] = ops.zeros(empty, dtype=self.compute_dtype)
        return memory, state

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, vocabulary] after token [batch], and the state."""
        here = ops.take(ops.convert_to_tensor(self._positions), position, axis=0)
        x = self.embedding(token)[:, None, :] + ops.cast(here, self.compute_dtype)
        state = dict(state)
        steps = ops.arange(ops.shape(state["keys_0"])[2])
        seen = (steps <= position)[None, None, None, :]  # [1, 1, 1, max_length]
        for i, layer in enumerate(self.decoder_layers):
            key, value = layer.self_attention.keys_values(x)  # [batch, heads, 1, head_dim]
            where = (0, 0, position, 0)
            state[f"keys_{i}"] = ops.slice_update(state[f"keys_{i}"], where, key)
            state[f"values_{i}"] = ops.slice_update(state[f"values_{i}"], where, value)
            own = (state[f"keys_{i}"], state[f"values_{i}"])
            source = (memory[f"keys_{i}"], memory[f"values_{i}"])
            x, _ = layer.attend(x, own, seen, source, memory["mask"])
        return self.embedding.logits(x[:, 0]), state

    def grow(self, state, max_length: int):
        """Return the cache with room for max_length steps."""
        return grown(state, max_length)

    def get_config(self) -> dict:
        return {**super().get_config(), **self.arguments}
