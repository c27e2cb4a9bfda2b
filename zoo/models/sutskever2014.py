"""Sequence to Sequence Learning with Neural Networks (Sutskever, Vinyals, Le, NIPS 2014,
https://arxiv.org/abs/1409.3215).

New in this paper: two deep LSTMs alone translate a sentence. The first reads the source into a
vector of fixed size, its final state; the second starts from that state and writes the target. The
words of the source come in reversed order, which puts the first words of both sentences near each
other and makes the long memory easy to learn (section 3.3).

This file is the paper's model. The data do the reversal: `reverse_source = true` in a recipe
reverses the words of each source and leaves its end id and padding in place. Open points and
departures:
  the LSTM       The paper cites Graves (2013), who uses peepholes, without saying whether it keeps
                 them. This LSTM has none, and one bias for each gate.
  biases         The paper's 384 million parameters are the weights without biases.
  initialisation "All of the LSTM's parameters" are uniform in +-0.08 (section 3.4); so are
                 embeddings and softmax here, of which the paper says nothing.
  forget gate    Its bias begins like all others; `unit_forget_bias` begins it at 1 (Gers et al.,
                 2000), without which a short training hardly learns to remember.
  end of source  The encoder reads the source's end id before the decoder reads its start id; in
                 the paper's figure 1 one <EOS> does both.
  dropout        On embeddings and on the output of each layer; off by default, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import ops

from zoo import typed
from zoo.layers.model import PaperModel


@keras.saving.register_keras_serializable("paperzoo")
class SequenceToSequence(PaperModel):
    """p(y_1 ... y_T' | x_1 ... x_T) = prod_t p(y_t | v, y_1 ... y_t-1) (equation 1), v the state of
    the encoder after its last word.

    With x_t the input of a layer at time t, s the logistic function and * the product of elements:

        i, f, o = s(W x_t + U h_t-1 + b), each with its own W, U, b
        c_t     = f * c_t-1 + i * tanh(W_c x_t + U_c h_t-1 + b_c)
        h_t     = o * tanh(c_t)

    Sources end with the end-of-sentence id and are padded on the right. Targets, the decoder's
    input, begin with the start id.
    """

    inputs_by_name = ("source", "target")

    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        source_vocabulary: int  # words of each language, special ids included
        target_vocabulary: int
        embedding: int = 1000  # width of the word embeddings
        width: int = 1000  # cells of each LSTM layer
        layers: int = 4  # LSTM layers of the encoder and of the decoder
        dropout: float = 0.0  # see the module's docstring
        initial_range: float = 0.08  # weights begin uniform between minus and plus this
        unit_forget_bias: bool = False  # see the module's docstring
        padding_id: int = 0  # marks padding in the source

    max_length = None

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        sizes = self.arguments
        common = {"dtype": self.dtype_policy}

        def uniform():
            return keras.initializers.RandomUniform(-sizes.initial_range, sizes.initial_range)

        def table(words):
            return keras.layers.Embedding(words, sizes.embedding, uniform(), **common)

        def lstm():
            return keras.layers.LSTM(
                sizes.width, kernel_initializer=uniform(), recurrent_initializer=uniform(),
                bias_initializer=uniform(), unit_forget_bias=sizes.unit_forget_bias,
                return_sequences=True, return_state=True, **common,
            )  # fmt: skip

        self.source_embedding = table(sizes.source_vocabulary)
        self.target_embedding = table(sizes.target_vocabulary)
        self.encoder_layers = [lstm() for _ in range(sizes.layers)]
        self.decoder_layers = [lstm() for _ in range(sizes.layers)]
        self.softmax = keras.layers.Dense(
            sizes.target_vocabulary, kernel_initializer=uniform(), bias_initializer=uniform(),
            name="softmax", **common,
        )  # fmt: skip
        self.dropout = keras.layers.Dropout(sizes.dropout, **common)

    def build(self, input_shape=None) -> None:
        for embedding in (self.source_embedding, self.target_embedding):
            embedding.build()
        for layers in (self.encoder_layers, self.decoder_layers):
            for i, layer in enumerate(layers):
                layer.build((None, None, self.arguments.width if i else self.arguments.embedding))
        self.softmax.build((None, self.arguments.width))
        self.built = True

    # Teacher forcing ---------------------------------------------------------------------------

    def encode(self, source, training=False):
        """Return (h, c) of every layer after the last word, each [batch, width]; skip padding."""
        # A row of padding alone, which fills up a batch, reads one id: cuDNN refuses empty rows.
        first = typed.arange(ops.shape(source)[1]) == 0
        mask = ops.logical_or(ops.not_equal(source, self.arguments.padding_id), first)
        x = self.dropout(self.source_embedding(source), training=training)
        states = []
        for layer in self.encoder_layers:
            x, h, c = layer(x, mask=mask, training=training)
            x = self.dropout(x, training=training)
            states.append((h, c))
        return states

    def call(self, inputs, training=False):
        """Return float32 logits [batch, target, target_vocabulary].

        Args:
            inputs: {"source": int32 [batch, source], "target": int32 [batch, target]}.
        """
        states = self.encode(inputs["source"], training)
        x = self.dropout(self.target_embedding(inputs["target"]), training=training)
        for layer, state in zip(self.decoder_layers, states, strict=True):
            x, _, _ = layer(x, initial_state=list(state), training=training)
            x = self.dropout(x, training=training)
        return ops.cast(self.softmax(x), "float32")

    # One step at a time ------------------------------------------------------------------------

    def start(self, inputs, max_length: int):
        """Read the source; return {} and its final state, from which the decoder starts."""
        state = {}
        for i, (h, c) in enumerate(self.encode(inputs["source"])):
            state[f"h_{i}"], state[f"c_{i}"] = h, c
        return {}, state

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, target_vocabulary] after token [batch], and the state."""
        x, state = self.target_embedding(token), dict(state)
        for i, layer in enumerate(self.decoder_layers):
            x, (state[f"h_{i}"], state[f"c_{i}"]) = layer.cell(
                x, [state[f"h_{i}"], state[f"c_{i}"]]
            )
        return ops.cast(self.softmax(x), "float32"), state
