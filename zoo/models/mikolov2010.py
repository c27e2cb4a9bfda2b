"""Recurrent neural network based language model (Mikolov, Karafiat, Burget, Cernocky, Khudanpur,
Interspeech 2010): RNNLM, an Elman network that predicts words.

New in this paper: a hidden layer that reads its own last values beside the word replaces the fixed
window of bengio2003, so the network learns by itself how far back to look. No word has a vector
apart from the hidden layer, no weight is shared, and there are no biases.

How far an error goes back in time is an argument, `tau`. The paper's is 1: the last hidden layer is
one more input (Elman). Boden (A guide to recurrent neural networks and backpropagation, 2001) sends
the error of one output back through tau copies of the network and adds up their gradients; Mikolov
did so later, with tau about 5. Each output goes back by itself, so the k-th copies of all words are
one product of matrices, and nothing waits for the word before. The usual chunk, `tau = 0`, lets all
errors flow through all words that are read at a time, and ends there.

The authors' toolkit, RNNLM, also factors the output: log p(w) = log p(class) + log p(w | class). It
computes exp by a trick that is up to 4 % off, its files hold the hidden layer that a text begins
with, and unknown words feed nothing: `classes`, `fast_exponential`, `stored_start`, `unknown_id`.

Open points and departures:
  s(0)           0.1 for all units (section 2, "small values").
  initialisation Gaussian with variance 0.1 (section 2). The toolkit's has a deviation of 0.1, which
                 `deviation` sets.
  classes        By the square roots of 1 / rank, since words come in the order of frequency; the
                 toolkit takes the square roots of their counts.
  dropout        0 in the paper, see `Arguments`.
  rare words     Equation 7 shares one probability among them. Here the tokenizer has one symbol.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from zoo import typed
from zoo.layers.model import PaperModel


def fast_exponential(x):
    """Return exp(x) as RNNLM computes it, a straight line between powers of two.

    The toolkit writes 2^23 (x log2(e) + 126.94269504) into the bits of a float32: 8 bits of them
    are the exponent, the rest the fraction.
    """
    # 2.0 gives 2^-125: a logarithm follows, and XLA makes the least float32, 2^-126, zero.
    bits = ops.maximum(1.442695040 * x + 126.94269504, 2.0)
    exponent = ops.floor(bits)
    return ops.exp2(exponent - 127.0) * (1.0 + bits - exponent)


@keras.saving.register_keras_serializable("paperzoo")
class ElmanLayer(keras.layers.Layer):
    """s(t) = f(U w(t) + R s(t-1)), f the logistic function (equations 1, 2 and 4).

    U w(t), the row of a word, comes in as x. The paper's matrix of both inputs is U beside R.

    Args:
        arguments: those of its model.
    """

    def __init__(self, arguments, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)  # the state stays in float32
        self.width, self.tau = arguments.width, arguments.tau
        self.fast = arguments.fast_exponential
        self.stored_start = arguments.stored_start
        self.initializer = keras.initializers.RandomNormal(stddev=arguments.deviation)

    def build(self, input_shape=None) -> None:
        self.recurrent_kernel = self.add_weight(
            shape=(self.width, self.width), initializer=self.initializer, name="recurrent_kernel"
        )
        if self.stored_start:
            self.start = self.add_weight(
                shape=(self.width,), initializer=keras.initializers.Constant(0.1), trainable=False,
                name="start",
            )  # fmt: skip
        self.built = True

    def initial(self, batch):
        """Return s(0), float32 [batch, width]."""
        s = ops.full((batch, self.width), 0.1, dtype="float32")
        return ops.zeros_like(s) + ops.cast(self.start, "float32") if self.stored_start else s

    def step(self, x, s):
        """Return s(t) of x(t) and s(t-1), each [batch, width]."""
        return self._activated(x, s, ops.cast(self.recurrent_kernel, self.compute_dtype))

    def skipping(self, x, s, real):
        """Return the last s, which stays as it is where bool `real` [time, batch] is false."""
        # One array to scan over: what is read, and whether it is a word.
        real = ops.cast(real, "float32")[:, :, None]
        x = ops.concatenate([ops.cast(x, "float32"), real], axis=-1)

        def advance(s, x):
            s = ops.where(x[:, -1:] > 0, self.step(x[:, :-1], s), s)
            return s, s

        return ops.scan(advance, s, x)[0]

    def call(self, x, past):
        """Return s(t) of all words that are read, float32 [time, batch, width].

        Args:
            x: U w(t) [back + time, batch, width] of the `back` words before those that are read,
                and of these; back is tau - 1, or 0 for the chunk.
            past: s before all of these, then those of the `back` words: [back + 1, batch, width].
                It gets no gradient.
        """
        tau, back = self.tau, past.shape[0] - 1
        kernel = ops.cast(ops.convert_to_tensor(self.recurrent_kernel), self.compute_dtype)
        x, past = ops.cast(x, "float32"), ops.cast(past, "float32")

        # A backward pass of our own: it needs the states alone, and the kernel's gradient is one
        # large product.
        @ops.custom_gradient
        def run(x, kernel, past):
            def forward(s, x):
                s = self._activated(x, s, kernel)
                return s, s

            _, states = ops.scan(forward, past[-1], x[back:])

            def gradient(*args, upstream=None):
                upstream = ops.cast(args[0] if upstream is None else upstream, "float32")
                after = ops.concatenate([past[1:], states], axis=0)  # [back + time, ...]
                before = ops.concatenate([past, states[:-1]], axis=0)
                slopes = after * (1.0 - after)  # f' of the paper's f, also with the fast one
                transposed = ops.transpose(kernel)
                if tau == 0:
                    errors = _flowing(upstream, slopes, transposed)
                else:
                    errors = _each_alone(upstream, slopes, transposed, back)
                flat = ops.reshape(errors, (-1, self.width))
                inputs = ops.reshape(before, (-1, self.width))
                dkernel = ops.matmul(
                    ops.transpose(ops.cast(inputs, kernel.dtype)), ops.cast(flat, kernel.dtype)
                )
                return errors, dkernel, ops.zeros_like(past)

            return states, gradient

        return run(x, kernel, past)

    def _activated(self, x, s, kernel):
        total = ops.cast(x, "float32") + _product(s, kernel)
        if not self.fast:
            return ops.sigmoid(total)
        return 1.0 / (1.0 + fast_exponential(-ops.clip(total, -50.0, 50.0)))


def _product(left, right):
    return ops.cast(ops.matmul(ops.cast(left, right.dtype), right), "float32")


def _flowing(upstream, slopes, transposed):
    """Return the errors before f [time, batch, width], where each flows through all times."""
    width = transposed.shape[0]

    def backward(error, inputs):
        error = (inputs[:, :width] + _product(error, transposed)) * inputs[:, width:]
        return error, error

    both = ops.concatenate([upstream, slopes], axis=-1)  # scans take one array of unknown time
    return ops.scan(backward, ops.zeros_like(slopes[0]), both, reverse=True)[1]


def _each_alone(upstream, slopes, transposed, back: int):
    """Return the errors before f [back + time, ...] of outputs that go `back` steps back alone.

    The first term is each output's error at its own time, the next one what each sends one step
    back, and so on (Boden, section 4).
    """
    error = ops.pad(upstream, [[back, 0], [0, 0], [0, 0]]) * slopes
    total = error
    for _ in range(back):
        earlier = ops.pad(_product(error[1:], transposed), [[0, 1], [0, 0], [0, 0]])
        error = earlier * slopes
        total = total + error
    return total


@keras.saving.register_keras_serializable("paperzoo")
class RecurrentNetwork(PaperModel):
    """y(t) = softmax(V s(t)) gives the probabilities of w(t+1) (equations 3 and 5)."""

    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        vocabulary: int  # number of words, special ones included
        width: int = 100  # hidden units
        tau: int = 1  # steps that the error of each output goes back; 0: all that are read together
        deviation: float = 0.1**0.5  # of the first weights (section 2)
        dropout: float = 0.0  # on U w(t) and on what the output reads
        classes: int = 0  # classes of words that factor the output; 0: a plain softmax
        stored_start: bool = False  # whether s(0) is a stored weight, as in RNNLM's files
        fast_exponential: bool = False  # whether exp is RNNLM's approximation
        unknown_id: int = 0  # a word that feeds nothing to the hidden layer; 0: there is none

    context = None  # the state carries the whole text

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        settings, common = self.arguments, {"dtype": self.dtype_policy}

        def normal():
            return keras.initializers.RandomNormal(stddev=settings.deviation)

        self.embedding = keras.layers.Embedding(
            settings.vocabulary, settings.width, normal(), **common
        )  # U, of words
        self.dropout = keras.layers.Dropout(settings.dropout, **common)
        self.hidden = ElmanLayer(settings, **common)
        self.softmax = keras.layers.Dense(
            settings.vocabulary, use_bias=False, kernel_initializer=normal(), **common
        )  # V
        if settings.classes:
            self.class_softmax = keras.layers.Dense(
                settings.classes, use_bias=False, kernel_initializer=normal(), **common
            )

    def build(self, input_shape=None) -> None:
        settings = self.arguments
        self.embedding.build()
        self.hidden.build()
        self.softmax.build((None, settings.width))
        if settings.classes:
            self.class_softmax.build((None, settings.width))
            self.class_index = self.add_weight(  # the class of each word
                shape=(settings.vocabulary,), dtype="int32", trainable=False, autocast=False,
                initializer=lambda shape, dtype: classes_by_rank(shape[0], settings.classes),
                name="class_index",
            )  # fmt: skip
        self.built = True

    @property
    def back(self) -> int:
        """The words before a batch to which its outputs send errors."""
        return max(self.arguments.tau - 1, 0)

    def initial_state(self, batch):
        """Return the state before the first word of a text.

        "h" is s(0), [batch, width]. With errors that go back over a batch's first word, "past" has
        the hidden layers before "h", [batch, tau - 1, width], which are 0 before a text so that no
        error passes; "words" the ids that were read, [batch, tau - 1], -1 before a text.
        """
        state = {"h": self.hidden.initial(batch)}
        if self.back:
            shape = (batch, self.back, self.arguments.width)
            state["past"] = ops.zeros(shape, dtype="float32")
            state["words"] = ops.full(shape[:2], -1.0, dtype="float32")
        return state

    def read(self, tokens, state, training=False):
        """Return float32 logits [batch, time, vocabulary] of the next words, and the state.

        Args:
            tokens: int32 [batch, time].
            state: of the preceding text, from `initial_state` or another `read`.
        """
        past = state["h"][None]  # [1, batch, width]
        x = self.embed(ops.transpose(tokens))  # [time, batch, width]
        if self.back:
            words = ops.cast(ops.transpose(state["words"]), "int32")  # [back, batch]
            x = ops.concatenate([self.embed(words), x], axis=0)
            past = ops.concatenate([ops.transpose(state["past"], (1, 0, 2)), past], axis=0)
        states = self.hidden(self.dropout(x, training=training), past)
        after = {"h": states[-1]}
        if self.back:
            every = ops.concatenate([past, states], axis=0)[-1 - self.back : -1]
            after["past"] = ops.transpose(every, (1, 0, 2))
            ids = ops.concatenate([state["words"], ops.cast(tokens, "float32")], axis=1)
            after["words"] = ids[:, -self.back :]
        s = self.dropout(ops.transpose(states, (1, 0, 2)), training=training)
        return self.logits(s), after

    def call(self, inputs, training=False):
        """Return float32 logits [batch, time, vocabulary] of int32 tokens [batch, time]."""
        return self.read(inputs, self.initial_state(ops.shape(inputs)[0]), training)[0]

    def embed(self, tokens):
        """Return U w [..., width] of int32 tokens, 0 for those below 0 and for `unknown_id`."""
        read = ops.logical_and(tokens >= 0, tokens != (self.arguments.unknown_id or -1))
        rows = self.embedding(ops.maximum(tokens, 0))
        return rows * ops.cast(read, rows.dtype)[..., None]

    def logits(self, s):
        """Return float32 logits [..., vocabulary] of hidden states [..., width]."""
        z, fast = ops.cast(self.softmax(s), "float32"), self.arguments.fast_exponential
        if not self.arguments.classes:
            return _log_softmax(z, fast) if fast else z
        classes = ops.cast(self.class_softmax(s), "float32")  # [..., classes]
        of_class = ops.take(_log_softmax(classes, fast), self.class_index, axis=-1)
        return of_class + self._within_classes(z, fast)

    def _within_classes(self, z, fast: bool):
        """Return log p(w | class of w) of z [..., vocabulary]."""
        shape, count, index = ops.shape(z), self.arguments.classes, self.class_index
        rows = ops.transpose(ops.reshape(z, (-1, self.arguments.vocabulary)))  # [vocabulary, ...]
        largest = ops.segment_max(ops.stop_gradient(rows), index, count)
        rows = rows - ops.take(largest, index, axis=0)

        def log_sums(p):
            return ops.log(ops.take(ops.segment_sum(p, index, count), index, axis=0))

        log_p = rows - log_sums(ops.exp(rows))
        if fast:
            p = fast_exponential(rows)
            log_p = _with_gradient_of(log_p, ops.log(p) - log_sums(p))
        return ops.reshape(ops.transpose(log_p), shape)

    # One step at a time ------------------------------------------------------------------------

    def start(self, inputs, max_length: int):
        """Read a prompt except its last token, which `step` gets first.

        Args:
            inputs: "tokens", int32 [batch, time], padded on the left; "lengths", int32 [batch], the
                real tokens of each row, by default all; and "state", of the preceding text, from
                `initial_state` or another `start`.

        Steps need no gradients, so "past" and "words" stay as they are before a text.
        """
        tokens = inputs["tokens"]
        state = inputs.get("state") or self.initial_state(ops.shape(tokens)[0])
        time = ops.shape(tokens)[1]
        if not isinstance(time, int) or time > 1:
            lengths = inputs.get("lengths", ops.full_like(tokens[:, 0], time))
            real = typed.arange(time - 1)[:, None] >= time - lengths[None]  # [time - 1, batch]
            x = self.embed(ops.transpose(tokens[:, :-1]))
            state = {**state, "h": self.hidden.skipping(x, state["h"], real)}
        return {}, state

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, vocabulary] after token [batch], and the state."""
        s = self.hidden.step(self.embed(token), state["h"])
        return self.logits(s), {**state, "h": s}


def classes_by_rank(vocabulary: int, classes: int) -> np.ndarray:
    """Return the class of each word, int32 [vocabulary], for words in the order of frequency.

    Classes have about equal sums of the square roots of 1 / rank, as RNNLM's of counts.
    """
    share = np.cumsum(np.arange(1, vocabulary + 1) ** -0.5)
    return np.minimum(share / share[-1] * classes, classes - 1).astype("int32")


def _log_softmax(z, fast: bool):
    """Return log p over the last axis."""
    exact = ops.log_softmax(z, axis=-1)
    if not fast:
        return exact
    p = fast_exponential(z - ops.max(z, axis=-1, keepdims=True))
    return _with_gradient_of(exact, ops.log(p) - ops.log(ops.sum(p, axis=-1, keepdims=True)))


def _with_gradient_of(exact, fast):
    """Return `fast`, whose gradient is that of `exact`: RNNLM's own is that of a softmax too."""
    return exact + ops.stop_gradient(fast - exact)
