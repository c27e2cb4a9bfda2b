"""Regularizing and Optimizing LSTM Language Models (Merity, Keskar, Socher, ICLR 2018,
https://arxiv.org/abs/1708.02182): AWD-LSTM.

New in this paper: the training of an ordinary network, three LSTMs and a softmax. Dropout hits the
recurrent matrices themselves (DropConnect), once for a whole pass, so that a fast LSTM stays a
black box; dropout masks are the same at all time steps; two losses keep activations and their
change in time small; and SGD begins to average its weights when the validation loss stops falling
(NT-ASGD).

This file is the network with its dropouts and its two losses of activations, AR and TAR (section
4). The random lengths of 4.1 are in zoo/data/stream.py, NT-ASGD (section 3) in zoo/optim/asgd.py.
Open points and departures:
  biases         One for each gate; the authors' code, on PyTorch, adds two.
  initialisation The paper's (section 5): embeddings in +-0.1, all else in +-1/sqrt(width) of the
                 layer's own width.
  softmax        Tied to the embedding (4.5), with a bias that begins at zero, as in the code.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import ops

from zoo import typed
from zoo.layers import recurrence
from zoo.layers.model import PaperModel


@keras.saving.register_keras_serializable("paperzoo")
class WordEmbedding(keras.layers.Layer):
    """Embedding and softmax with one matrix; training drops whole words (4.3, 4.5).

    A dropped word is zero at all its places in the batch, the others are divided by 1 - dropout.
    The softmax keeps all words.

    Args:
        vocabulary: number of words.
        width: of an embedding.
        dropout: share of the vocabulary to drop.
        softmax: whether to give `logits` its bias.
    """

    def __init__(
        self, vocabulary: int, width: int, dropout: float = 0.0, softmax: bool = True, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary = vocabulary
        self.width = width
        self.dropout = dropout
        self.softmax = softmax
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape=None) -> None:
        uniform = keras.initializers.RandomUniform(-0.1, 0.1)
        self.table = self.add_weight(
            shape=(self.vocabulary, self.width), initializer=uniform, name="table"
        )
        if self.softmax:
            self.bias = self.add_weight(shape=(self.vocabulary,), initializer="zeros", name="bias")
        self.built = True

    def call(self, ids, training=False):
        """Return embeddings [..., width] of int32 ids [...]."""
        rows = ops.cast(ops.take(self.table, ids, axis=0), self.compute_dtype)
        if training and self.dropout:
            ones = ops.ones((self.vocabulary, 1), dtype=self.compute_dtype)
            mask = keras.random.dropout(ones, self.dropout, seed=self.seed_generator)
            rows = rows * ops.take(mask, ids, axis=0)
        return rows

    def logits(self, hidden):
        """Return float32 logits [..., vocabulary] of hidden states [..., width]."""
        table = ops.cast(self.table, self.compute_dtype)
        logits = ops.matmul(ops.cast(hidden, self.compute_dtype), ops.transpose(table))
        return ops.cast(logits, "float32") + ops.cast(self.bias, "float32")


@keras.saving.register_keras_serializable("paperzoo")
class WeightDropLSTM(keras.layers.Layer):
    """An LSTM with dropout on its recurrent matrix, drawn once per pass (section 2, equation 2).

        i, f, o = s(W x_t + U h_t-1 + b), each with its own W, U, b
        g       = tanh(W_g x_t + U_g h_t-1 + b_g)
        c_t     = f * c_t-1 + i * g
        h_t     = o * tanh(c_t)

    W, U and b of the gates i, f, g, o lie side by side.

    Args:
        inputs, width: sizes of x and h.
        dropout: share of the elements of U that are zero during a pass, for all time steps and
            rows; the others are divided by 1 - dropout.
    """

    def __init__(self, inputs: int, width: int, dropout: float = 0.0, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        self.inputs = inputs
        self.width = width
        self.dropout = dropout
        self.seed_generator = keras.random.SeedGenerator()
        self.supports_masking = True  # Keras warns of layers that take a mask and keep it

    def build(self, input_shape=None) -> None:
        bound = self.width**-0.5
        uniform = keras.initializers.RandomUniform(-bound, bound)
        shapes = {
            "kernel": (self.inputs, 4 * self.width),
            "recurrent_kernel": (self.width, 4 * self.width),
            "bias": (4 * self.width,),
        }
        for name, shape in shapes.items():
            weight = self.add_weight(shape=shape, initializer=uniform.clone(), name=name)
            setattr(self, name, weight)
        self.built = True

    def project(self, x):
        """Return W x + b of all gates, float32 [..., 4 width], for x [..., inputs]."""
        kernel, x = (ops.cast(factor, self.compute_dtype) for factor in (self.kernel, x))
        return ops.cast(ops.matmul(x, kernel), "float32") + ops.cast(self.bias, "float32")

    def call(self, x, state, mask=None, chunk=None, training=False):
        """Return h_t [time, batch, width] and the final state (h, c), all float32.

        Args:
            x: [time, batch, inputs].
            state: (h, c), each [batch, width].
            mask: bool [time, batch], false where the layer reads nothing.
            chunk: see `zoo.layers.recurrence.lstm`.
        """
        kernel = ops.convert_to_tensor(self.recurrent_kernel)
        if training and self.dropout:
            kernel = keras.random.dropout(kernel, self.dropout, seed=self.seed_generator)
        kernel = ops.cast(kernel, self.compute_dtype)
        h, c = state
        states = recurrence.lstm(self.project(x), kernel, h, c, mask, chunk)
        last = states[-1]
        return states[:, :, : self.width], (last[:, : self.width], last[:, self.width :])

    def compute_mask(self, inputs, previous_mask):
        """The mask is passed explicitly, so Keras must not pass one on."""

    def step(self, x, state):
        """Return the state (h, c) after one x [batch, inputs]."""
        kernel = ops.cast(self.recurrent_kernel, self.compute_dtype)
        return recurrence.step(self.project(x), kernel, *state)


@keras.saving.register_keras_serializable("paperzoo")
class Encoder(keras.layers.Layer):
    """The language model without its softmax: words in, hidden states out, with all dropouts.

    Args:
        arguments: those of its model.
        dropout_output: on the output of the last layer.
        softmax: whether the model uses the softmax.
    """

    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        vocabulary: int  # number of words, special ones included
        embedding: int = 400  # width of the embeddings and of the last layer
        width: int = 1150  # cells of the other LSTM layers
        layers: int = 3  # LSTM layers
        dropout_words: float = 0.1  # share of the vocabulary dropped from the input (4.3)
        # Dropout on input, hidden states and output has one mask for all time steps (4.2).
        dropout_input: float = 0.4  # on the embedded words
        dropout_hidden: float = 0.3  # between LSTM layers
        dropout_weights: float = 0.5  # of the recurrent matrices (section 2)

    def __init__(
        self, arguments: Arguments, dropout_output: float = 0.0, softmax: bool = True, **kwargs
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True
        common = {"dtype": self.dtype_policy}
        layers, width = arguments.layers, arguments.embedding
        self.embedding = WordEmbedding(
            arguments.vocabulary, width, arguments.dropout_words, softmax, **common
        )
        # The last layer is as wide as the embedding, so that the softmax can share its matrix.
        sizes = [width, *[arguments.width] * (layers - 1), width]
        self.lstm_layers = [
            WeightDropLSTM(sizes[i], sizes[i + 1], arguments.dropout_weights, **common)
            for i in range(layers)
        ]

        def locked(rate):  # one mask for all time steps of [time, batch, width] (4.2)
            return keras.layers.Dropout(rate, noise_shape=(1, None, None), **common)

        self.input_dropout = locked(arguments.dropout_input)
        self.hidden_dropout = locked(arguments.dropout_hidden)
        self.output_dropout = locked(dropout_output)

    def build(self, input_shape=None) -> None:
        self.embedding.build()
        for layer in self.lstm_layers:
            layer.build()
        self.built = True

    def initial_state(self, batch):
        """Return the state before the first word: h_i and c_i of each layer, [batch, its width]."""
        return {
            f"{name}_{i}": ops.zeros((batch, layer.width), dtype="float32")
            for i, layer in enumerate(self.lstm_layers)
            for name in ("h", "c")
        }

    def call(self, tokens, state, mask=None, chunk=None, training=False):
        """Return the last layer's output without and with dropout, and the final state.

        Both outputs are [time, batch, embedding].

        Args:
            tokens: int32 [batch, time].
            state: from `initial_state` or another call.
            mask: bool [batch, time]; false skips a token and keeps the state. None reads all.
            chunk: number of steps after which gradients end; see `zoo.layers.recurrence.lstm`.
        """
        mask = None if mask is None else ops.transpose(mask)
        x = self.embedding(ops.transpose(tokens), training=training)  # [time, batch, embedding]
        x = self.input_dropout(x, training=training)
        after = {}
        for i, layer in enumerate(self.lstm_layers):
            if i:
                x = self.hidden_dropout(x, training=training)
            x, (after[f"h_{i}"], after[f"c_{i}"]) = layer(
                x, (state[f"h_{i}"], state[f"c_{i}"]), mask=mask, chunk=chunk, training=training
            )
        return x, self.output_dropout(x, training=training), after

    def compute_mask(self, inputs, previous_mask):
        """See `WeightDropLSTM.compute_mask`."""

    def groups(self):
        """Return the variables of each group of layers from the input up: embedding, LSTMs."""
        layers: list[keras.layers.Layer] = [self.embedding, *self.lstm_layers]
        return [list(layer.trainable_variables) for layer in layers]

    def step(self, token, state):
        """Return the output [batch, embedding] after token [batch], and the state."""
        x, after = self.embedding(token), {}
        for i, layer in enumerate(self.lstm_layers):
            x, after[f"c_{i}"] = layer.step(x, (state[f"h_{i}"], state[f"c_{i}"]))
            after[f"h_{i}"] = x
        return x, after


@keras.saving.register_keras_serializable("paperzoo")
class LanguageModel(PaperModel):
    """p(w_1 ... w_T) = prod_t p(w_t | w_1 ... w_t-1) with three weight-dropped LSTMs."""

    @dataclass(frozen=True, kw_only=True)
    class Arguments(Encoder.Arguments):
        dropout_output: float = 0.4  # on the output of the last layer
        ar_alpha: float = 0.0  # weight of AR, see `read`; the paper's is 2
        tar_beta: float = 0.0  # weight of TAR; the paper's is 1
        padding_id: int | None = 0  # pads prompts on the left; None means no padding

    context = None  # the state carries the whole text

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        dropout = self.arguments.dropout_output
        self.encoder = Encoder(self.arguments, dropout, dtype=self.dtype_policy)

    def build(self, input_shape=None) -> None:
        self.encoder.build()
        self.built = True

    @property
    def adds_loss(self) -> bool:
        """Whether training adds AR or TAR, see `read`."""
        return bool(self.arguments.ar_alpha or self.arguments.tar_beta)

    def initial_state(self, batch):
        """Return the state before the first word of a text; see `Encoder.initial_state`."""
        return self.encoder.initial_state(batch)

    def read(self, tokens, state, training=False):
        """Return float32 logits [batch, time, vocabulary] of the next words, and the state.

        Training adds the losses AR, ar_alpha * mean(h_t^2), and TAR, tar_beta *
        mean((h_t+1 - h_t)^2), of the last layer's output h, for AR after dropout (4.6).

        Args:
            tokens: int32 [batch, time].
            state: of the preceding text, from `initial_state` or another `read`.
        """
        raw, dropped, state = self.encoder(tokens, state, training=training)  # [time, batch, ...]
        alpha, beta = self.arguments.ar_alpha, self.arguments.tar_beta
        if training and alpha:
            self.add_loss(alpha * ops.mean(ops.square(ops.cast(dropped, "float32"))))
        if training and beta and raw.shape[0] != 1:  # a single step has no change in time
            change = ops.cast(raw[1:] - raw[:-1], "float32")
            self.add_loss(beta * ops.mean(ops.square(change)))
        return self.encoder.embedding.logits(ops.transpose(dropped, (1, 0, 2))), state

    def call(self, inputs, training=False):
        """Return float32 logits [batch, time, vocabulary] of int32 tokens [batch, time]."""
        return self.read(inputs, self.initial_state(ops.shape(inputs)[0]), training)[0]

    def groups(self):
        """Return the variables of each group of layers from the input up: LSTMs, softmax.

        The embedding's matrix belongs to the softmax' group, as in ULMFiT's code.
        """
        embedding, *layers = self.encoder.groups()
        return [*layers, embedding]

    # One step at a time ------------------------------------------------------------------------

    def start(self, inputs, max_length: int):
        """Read a prompt except its last token, which `step` gets first.

        Args:
            inputs: "tokens", int32 [batch, time], padded on the left. "lengths", int32 [batch],
                the real tokens of each row; by default all but `padding_id`, which fails for a
                prompt that begins with that id. "state", of the preceding text, from
                `initial_state` or another `start`; zero by default.
        """
        tokens = inputs["tokens"]
        state = inputs.get("state") or self.initial_state(ops.shape(tokens)[0])
        time = ops.shape(tokens)[1]
        if not isinstance(time, int) or time > 1:
            tokens = tokens[:, :-1]
            mask = None
            if "lengths" in inputs:
                padding = time - ops.expand_dims(inputs["lengths"], 1)
                mask = ops.greater_equal(typed.arange(time - 1), padding)
            elif self.arguments.padding_id is not None:
                mask = ops.not_equal(tokens, self.arguments.padding_id)
            _, _, state = self.encoder(tokens, state, mask=mask)
        return {}, state

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, vocabulary] after token [batch], and the state."""
        hidden, state = self.encoder.step(token, state)
        return self.encoder.embedding.logits(hidden), state
