"""A Neural Probabilistic Language Model (Bengio, Ducharme, Vincent, Jauvin, JMLR 3, 2003,
https://www.jmlr.org/papers/v3/bengio03a.html): the feed-forward network of words.

New in this paper: each word has a vector, learnt together with the probability of the next word. A
sentence that was never seen gets its probability from sentences of similar words. Before, counts of
n words in a row could not tell that "cat" and "dog" have anything in common.

Where this file departs from the paper, or the paper is silent:
  before a text   The window is filled with one word, the start. The paper's corpora are one stream.
  initialisation  C normal, with the deviation of `Arguments`; H, U and W uniform in
                  +-1/sqrt(inputs); biases zero. The paper tells no scale.
  dropout         0 in the paper. It helps small corpora, which the paper's decay of weights hardly
                  does in a short run.
  new words       The vectors that section 5 proposes for words outside of the vocabulary are left
                  out, and so is the energy of section 5.1: no table of the paper has them.
The learning rate is the schedule `inverse_time`; weights without biases decay with
`optimizer.decay_vectors` off.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import ops

from zoo.layers import window
from zoo.layers.model import PaperModel


@keras.saving.register_keras_serializable("paperzoo.bengio2003")
class NeuralLanguageModel(PaperModel):
    """p(w_t | w_t-1 ... w_t-n+1) = softmax(b + W x + U tanh(d + H x)), equations 1 and 2.

    x = (C(w_t-1), C(w_t-2), ..., C(w_t-n+1)), the nearest word first.
    """

    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        vocabulary: int  # |V|, number of words, special ones included
        order: int = 5  # n: a word is predicted from the n - 1 words before it
        embedding: int = 60  # m, features of a word
        hidden: int = 50  # h, tanh units; with 0 the direct connections are the network
        direct: bool = False  # whether x reaches the output directly too, by W
        dropout: float = 0.0  # on x and on the hidden units; the paper has none
        deviation: float = 0.1  # of the features before training, which are normal
        start_id: int = 0  # fills the window before a text

    context = None  # the last n - 1 words are its state

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        sizes = self.arguments
        if sizes.order < 2:
            raise ValueError(f"order is {sizes.order}, and is at least 2: one word and the next")
        if not sizes.hidden and not sizes.direct:
            raise ValueError("without hidden units the output needs direct connections")
        self.inputs = (sizes.order - 1) * sizes.embedding  # of x
        common = {"dtype": self.dtype_policy}

        def dense(units: int, inputs: int, **options) -> keras.layers.Dense:
            uniform = keras.initializers.RandomUniform(-(inputs**-0.5), inputs**-0.5)
            return keras.layers.Dense(units, kernel_initializer=uniform, **options, **common)

        normal = keras.initializers.RandomNormal(stddev=sizes.deviation)
        self.embedding = keras.layers.Embedding(
            sizes.vocabulary, sizes.embedding, normal, **common
        )  # C
        self.dropout = keras.layers.Dropout(sizes.dropout, **common)
        if sizes.hidden:
            self.hidden_layer = dense(sizes.hidden, self.inputs, activation="tanh")  # H, d
            self.output_layer = dense(sizes.vocabulary, sizes.hidden)  # U, b
        if sizes.direct:  # W, and b where there is no U
            self.direct = dense(sizes.vocabulary, self.inputs, use_bias=not sizes.hidden)

    def build(self, input_shape=None) -> None:
        self.embedding.build()
        if self.arguments.hidden:
            self.hidden_layer.build((None, self.inputs))
            self.output_layer.build((None, self.arguments.hidden))
        if self.arguments.direct:
            self.direct.build((None, self.inputs))
        self.built = True

    def initial_state(self, batch):
        """Return the window before a text: "words", float32 [batch, n - 1], nearest word last."""
        shape = (batch, self.arguments.order - 1)
        return {"words": ops.full(shape, self.arguments.start_id, dtype="float32")}

    def read(self, tokens, state, training=False):
        """Return float32 logits [batch, time, vocabulary] of the next words, and the state.

        Args:
            tokens: int32 [batch, time].
            state: of the preceding text, from `initial_state` or another `read`.
        """
        seen = self.arguments.order - 1
        words = ops.concatenate([ops.cast(state["words"], "int32"), tokens], axis=1)
        vectors = self.embedding(words)  # [batch, n - 1 + time, m]
        # C(w_t-k) of all t is one slice of the vectors, from the nearest word to the farthest.
        parts = [vectors[:, seen - k : -k or None] for k in range(seen)]
        x = ops.concatenate(parts, axis=-1)  # [batch, time, (n - 1) m]
        x = self.dropout(x, training=training)
        return self.logits(x, training), {"words": window.last(state["words"], tokens)}

    def logits(self, x, training=False):
        """Return float32 b + W x + U tanh(d + H x), [..., vocabulary], of x [..., (n - 1) m]."""
        logits = 0.0
        if self.arguments.hidden:
            hidden = self.dropout(self.hidden_layer(x), training=training)
            logits += ops.cast(self.output_layer(hidden), "float32")
        if self.arguments.direct:
            logits += ops.cast(self.direct(x), "float32")
        return logits

    def call(self, inputs, training=False):
        """Return float32 logits [batch, time, vocabulary] of int32 tokens [batch, time]."""
        return self.read(inputs, self.initial_state(ops.shape(inputs)[0]), training)[0]

    # One step at a time ------------------------------------------------------------------------

    def start(self, inputs, max_length: int):
        """Read a prompt except its last token, which `step` gets first.

        Args:
            inputs: "tokens", int32 [batch, time], padded on the left. "lengths", int32 [batch],
                the real tokens of each row; by default all, which is right for rows that are padded
                with `start_id`. "state", of the preceding text, from `initial_state` or another
                `start`.
        """
        state = inputs.get("state") or self.initial_state(ops.shape(inputs["tokens"])[0])
        if (prompt := window.prompt(inputs)) is not None:
            state = {"words": window.last(state["words"], *prompt)}
        return {}, state

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, vocabulary] after token [batch], and the state."""
        logits, state = self.read(ops.expand_dims(token, 1), state)
        return logits[:, 0], state
