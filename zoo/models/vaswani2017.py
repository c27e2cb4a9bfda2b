"""Attention Is All You Need (Vaswani et al., NIPS 2017, https://arxiv.org/abs/1706.03762).

New in this paper: an encoder-decoder without recurrence or convolution. Every position of a
sentence attends to every other by multi-head scaled dot-product attention; sinusoids added to the
embeddings tell positions apart; each sub-layer has dropout, a residual connection and layer
normalisation (post-norm).

This file is the paper's model. Later papers share its block, zoo/layers/transformer.py, attention
(section 3.2), zoo/layers/attention.py, and sinusoids (3.5), zoo/layers/positions.py. Departures,
all off by default:
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

from dataclasses import dataclass

import keras
from keras import ops

from zoo import typed
from zoo.layers import attention
from zoo.layers.embedding import TiedEmbedding
from zoo.layers.model import PaperModel
from zoo.layers.positions import sinusoid
from zoo.layers.transformer import Block


@keras.saving.register_keras_serializable("paperzoo")
class Transformer(PaperModel):
    """The encoder-decoder of section 3, with one shared matrix for embeddings and logits.

    Sources end with the end-of-sentence id and are padded on the right. Targets, the decoder's
    input, begin with the start id.
    """

    inputs_by_name = ("source", "target")

    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        vocabulary: int  # of source and target together
        width: int = 512  # d_model
        encoder_layers: int = 6  # N of each stack
        decoder_layers: int = 6
        heads: int = 8  # h, which must divide the width
        feed_forward: int = 2048  # d_ff
        dropout: float = 0.1  # P_drop, on sub-layer outputs and on embeddings plus positions
        attention_dropout: float = 0.0  # for this and the next five see the module's docstring
        activation: str = "relu"
        attention_bias: bool = False
        positions: str = "interleaved"
        first_position: int = 0
        output_bias: bool = False
        epsilon: float = 1e-6  # of layer normalisation
        padding_id: int = 0  # marks padding in the source
        max_length: int = 512  # longest source or target, in pieces, that has positions

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        sizes = self.arguments
        self.max_length = sizes.max_length
        common = {"dtype": self.dtype_policy}
        self.embedding = TiedEmbedding(sizes.vocabulary, sizes.width, sizes.output_bias, **common)
        self.dropout = keras.layers.Dropout(sizes.dropout, **common)

        def block(cross_attention: bool) -> Block:
            return Block(
                sizes.width, sizes.heads, sizes.feed_forward, dropout=sizes.dropout,
                attention_dropout=sizes.attention_dropout, activation=sizes.activation,
                epsilon=sizes.epsilon, attention_bias=sizes.attention_bias,
                cross_attention=cross_attention, **common,
            )  # fmt: skip

        self.encoder_layers = [block(False) for _ in range(sizes.encoder_layers)]
        self.decoder_layers = [block(True) for _ in range(sizes.decoder_layers)]
        self._positions = sinusoid(
            sizes.max_length, sizes.width, sizes.positions, sizes.first_position
        )

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
        table = ops.convert_to_tensor(self._positions)
        # A length that only a run fixes cannot cut a table on JAX.
        fixed = isinstance(length, int)
        rows = table[:length] if fixed else ops.take(table, typed.arange(length), axis=0)
        return self.dropout(
            self.embedding(ids) + ops.cast(rows, self.compute_dtype), training=training
        )

    def encode(self, source, training=False):
        """Return the encoder's output [batch, source, width] and its mask [batch, 1, 1, source]."""
        mask = ops.not_equal(source, self.arguments.padding_id)[:, None, None, :]
        x = self.embed(source, training)
        for layer in self.encoder_layers:
            x, _, _ = layer(x, mask, training=training)
        return x, mask

    def decode(self, target, source, mask, training=False):
        """Return the decoder's output [batch, target, width] and the last cross-attention."""
        before = attention.causal(ops.shape(target)[1])
        x, weights = self.embed(target, training), None
        for layer in self.decoder_layers:
            x, _, weights = layer(x, before, source, mask, training=training)
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
        """Read the source; return its keys and values and an empty cache for max_length steps."""
        source, mask = self.encode(inputs["source"])
        memory, own = {"mask": mask}, self.decoder_layers[0].self_attention
        for i, layer in enumerate(self.decoder_layers):
            keys, values = layer.cross_attention.keys_values(source)
            memory[f"keys_{i}"], memory[f"values_{i}"] = keys, values
        room = (ops.shape(source)[0], own.heads, max_length, own.head_dim)
        return memory, attention.empty_cache(len(self.decoder_layers), room, self.compute_dtype)

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, vocabulary] after token [batch], and the state."""
        place = ops.take(ops.convert_to_tensor(self._positions), position, axis=0)
        x = self.embedding(token)[:, None, :] + ops.cast(place, self.compute_dtype)
        before = attention.so_far(state, position)
        for i, layer in enumerate(self.decoder_layers):
            queries, key, value = layer.queries_keys_values(x)  # [batch, heads, 1, head_dim]
            state = attention.written(state, i, position, key, value)
            own = (state[f"keys_{i}"], state[f"values_{i}"], before)
            source = (memory[f"keys_{i}"], memory[f"values_{i}"], memory["mask"])
            x, _ = layer.attend(x, queries, [own], source)
        return self.embedding.logits(x[:, 0]), state

    def grow(self, state, max_length: int):
        """Return the cache with room for max_length steps."""
        return attention.grown(state, max_length)
