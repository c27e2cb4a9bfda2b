"""Regularizing and Optimizing LSTM Language Models (Merity, Keskar, Socher, ICLR 2018,
https://arxiv.org/abs/1708.02182): AWD-LSTM.

New in this paper: nothing in the network, three LSTMs and a softmax, but how it is trained. The
recurrent matrices are dropped themselves (DropConnect), once for a whole pass, so that a fast
LSTM stays a black box; dropout masks are the same at all time steps; activations and their change
in time are held small; and SGD begins to average its weights when the validation loss stops
falling (NT-ASGD).

This file is the network with its dropouts (section 4). What belongs to training, the random
lengths of 4.1, AR and TAR of 4.6 and NT-ASGD of section 3, is in zoo/training. Where the paper
leaves things open or this file departs from it:
  biases         One for each gate; the authors' code, on PyTorch, adds two.
  initialisation The paper's (section 5): embeddings in +-0.1, all else in +-1/sqrt(width), width
                 being the layer's own.
  softmax        Tied to the embedding (4.5), with a bias, which begins at zero as in the code.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.layers import recurrence


@keras.saving.register_keras_serializable("paperzoo")
class WordEmbedding(keras.layers.Layer):
    """Embedding and softmax with one matrix; in training whole words are dropped (4.3, 4.5).

    A dropped word is zero wherever it stands in the batch, the others are divided by 1 - dropout.
    The softmax keeps all words.

    Args:
        vocabulary: number of words.
        width: of an embedding.
        dropout: share of the vocabulary that is dropped.
        softmax: whether `logits` is used, which has a bias of its own.
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

    def get_config(self) -> dict:
        return {
            **super().get_config(), "vocabulary": self.vocabulary, "width": self.width,
            "dropout": self.dropout, "softmax": self.softmax,
        }  # fmt: skip


@keras.saving.register_keras_serializable("paperzoo")
class WeightDropLSTM(keras.layers.Layer):
    """An LSTM whose recurrent matrix is dropped once for each pass (section 2, equation 2).

        i, f, o = s(W x_t + U h_t-1 + b), each with its own W, U, b
        g       = tanh(W_g x_t + U_g h_t-1 + b_g)
        c_t     = f * c_t-1 + i * g
        h_t     = o * tanh(c_t)

    W, U and b of the gates i, f, g, o lie side by side.

    Args:
        inputs, width: sizes of x and h.
        dropout: share of the elements of U that are zero during one pass, at all its time steps
            and in all its rows; the others are divided by 1 - dropout.
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
        """Return W x + b of all gates, float32 [..., 4 width] of x [..., inputs]."""
        kernel, x = (ops.cast(each, self.compute_dtype) for each in (self.kernel, x))
        return ops.cast(ops.matmul(x, kernel), "float32") + ops.cast(self.bias, "float32")

    def call(self, x, state, mask=None, chunk=None, training=False):
        """Return h_t [time, batch, width] and the state (h, c) after the last one, all float32.

        Args:
            x: [time, batch, inputs].
            state: (h, c), each [batch, width].
            mask: bool [time, batch], false where nothing is read.
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
        """Return None: who needs the mask has it."""

    def step(self, x, state):
        """Return the state (h, c) after one x [batch, inputs]."""
        kernel = ops.cast(self.recurrent_kernel, self.compute_dtype)
        return recurrence.step(self.project(x), kernel, *state)

    def get_config(self) -> dict:
        sizes = {"inputs": self.inputs, "width": self.width, "dropout": self.dropout}
        return {**super().get_config(), **sizes}


@keras.saving.register_keras_serializable("paperzoo")
class Encoder(keras.layers.Layer):
    """The language model without its softmax: words in, hidden states out, with all dropouts.

    Args: those of `LanguageModel`, and whether its softmax is used.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding: int,
        width: int,
        layers: int,
        dropout_words: float,
        dropout_input: float,
        dropout_hidden: float,
        dropout_output: float,
        dropout_weights: float,
        softmax: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True
        self.arguments = {
            "vocabulary": vocabulary, "embedding": embedding, "width": width, "layers": layers,
            "dropout_words": dropout_words, "dropout_input": dropout_input,
            "dropout_hidden": dropout_hidden, "dropout_output": dropout_output,
            "dropout_weights": dropout_weights, "softmax": softmax,
        }  # fmt: skip
        common = {"dtype": self.dtype_policy}
        self.embedding = WordEmbedding(vocabulary, embedding, dropout_words, softmax, **common)
        # The last layer is as wide as the embedding, so that the softmax can share its matrix.
        sizes = [embedding, *[width] * (layers - 1), embedding]
        self.lstm_layers = [
            WeightDropLSTM(sizes[i], sizes[i + 1], dropout_weights, **common) for i in range(layers)
        ]

        def locked(rate):  # one mask for all time steps of [time, batch, width] (4.2)
            return keras.layers.Dropout(rate, noise_shape=(1, None, None), **common)

        self.input_dropout = locked(dropout_input)
        self.hidden_dropout = locked(dropout_hidden)
        self.output_dropout = locked(dropout_output)

    def build(self, input_shape=None) -> None:
        self.embedding.build()
        for layer in self.lstm_layers:
            layer.build()
        self.built = True

    def zero_state(self, batch):
        """Return the state before the first word: h_i and c_i of each layer, [batch, its width]."""
        return {
            f"{name}_{i}": ops.zeros((batch, layer.width), dtype="float32")
            for i, layer in enumerate(self.lstm_layers)
            for name in ("h", "c")
        }

    def call(self, tokens, state, mask=None, chunk=None, training=False):
        """Return the last layer's output without and with dropout, and the state after it.

        Both outputs are [time, batch, embedding].

        Args:
            tokens: int32 [batch, time].
            state: as `zero_state` gives it.
            mask: bool [batch, time], false where nothing is read and the state stays; None is true.
            chunk: gradients end after so many steps; see `zoo.layers.recurrence.lstm`.
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
        """Return None: who needs the mask has it."""

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

    def get_config(self) -> dict:
        return {**super().get_config(), **self.arguments}


@keras.saving.register_keras_serializable("paperzoo")
class LanguageModel(keras.Model):
    """p(w_1 ... w_T) = prod_t p(w_t | w_1 ... w_t-1) with three weight-dropped LSTMs.

    Args:
        vocabulary: number of words, special ones included.
        embedding: width of the embeddings and of the last layer.
        width: cells of the other LSTM layers.
        layers: LSTM layers.
        dropout_words: share of the vocabulary dropped from the input (4.3).
        dropout_input: on the embedded words; this and the next two have one mask for all time
            steps (4.2).
        dropout_hidden: between LSTM layers.
        dropout_output: on the output of the last layer.
        dropout_weights: of the recurrent matrices (section 2).
        padding_id: the id that fills up prompts on the left; None if there is none.
        ar_alpha: alpha of AR, the loss of large outputs; in training alone (4.6).
        tar_beta: beta of TAR, the loss of outputs that change; in training alone.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        embedding: int = 400,
        width: int = 1150,
        layers: int = 3,
        dropout_words: float = 0.1,
        dropout_input: float = 0.4,
        dropout_hidden: float = 0.3,
        dropout_output: float = 0.4,
        dropout_weights: float = 0.5,
        padding_id: int | None = 0,
        ar_alpha: float = 0.0,
        tar_beta: float = 0.0,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        sizes: dict[str, Any] = {
            "vocabulary": vocabulary, "embedding": embedding, "width": width, "layers": layers,
            "dropout_words": dropout_words, "dropout_input": dropout_input,
            "dropout_hidden": dropout_hidden, "dropout_output": dropout_output,
            "dropout_weights": dropout_weights,
        }  # fmt: skip
        rest = {"padding_id": padding_id, "ar_alpha": ar_alpha, "tar_beta": tar_beta}
        self.arguments = {**sizes, **rest}
        self.padding_id, self.ar_alpha, self.tar_beta = padding_id, ar_alpha, tar_beta
        self.encoder = Encoder(**sizes, dtype=self.dtype_policy)

    def build(self, input_shape=None) -> None:
        self.encoder.build()
        self.built = True

    def zero_state(self, batch):
        """Return the state before the first word of a text; see `Encoder.zero_state`."""
        return self.encoder.zero_state(batch)

    def read(self, tokens, state, training=False):
        """Return float32 logits [batch, time, vocabulary] of the words that follow, and more.

        Args:
            tokens: int32 [batch, time].
            state: of the text before, as `zero_state` or another `read` gives it.

        Returns:
            Logits; the last layer's output [time, batch, embedding] without and with dropout, which
            TAR and AR are made of (4.6); the state after the last token.
        """
        raw, dropped, state = self.encoder(tokens, state, training=training)
        hidden = ops.transpose(dropped, (1, 0, 2))
        return self.encoder.embedding.logits(hidden), raw, dropped, state

    def call(self, inputs, training=False):
        """Return float32 logits [batch, time, vocabulary] of a text's words from its first on.

        Args:
            inputs: int32 tokens [batch, time].
        """
        return self.read(inputs, self.zero_state(ops.shape(inputs)[0]), training)[0]

    def groups(self):
        """Return the variables of each group of layers from the input up: LSTMs, softmax.

        The embedding's matrix is the softmax', and goes with it, as in ULMFiT's code.
        """
        embedding, *layers = self.encoder.groups()
        return [*layers, embedding]

    # One step at a time ------------------------------------------------------------------------

    def start(self, inputs, max_length: int):
        """Read all of a prompt but its last token, which is the first that `step` gets.

        Args:
            inputs: "tokens", int32 [batch, time], padded on the left. "lengths", int32 [batch], how
                many tokens of each row are no padding; without them those that are not
                `padding_id`, which will not do where a prompt begins with that id. "state", what
                `zero_state` or another `start` gives, of the text before; zero without it.
        """
        tokens = inputs["tokens"]
        state = inputs.get("state") or self.zero_state(ops.shape(tokens)[0])
        time = tokens.shape[1]
        if time > 1:
            tokens = tokens[:, :-1]
            if "lengths" in inputs:
                padding = time - ops.expand_dims(inputs["lengths"], 1)
                mask = ops.greater_equal(ops.arange(time - 1), padding)
            elif self.padding_id is not None:
                mask = ops.not_equal(tokens, self.padding_id)
            else:
                mask = None
            _, _, state = self.encoder(tokens, state, mask=mask)
        return {}, state

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, vocabulary] after token [batch], and the state."""
        hidden, state = self.encoder.step(token, state)
        return self.encoder.embedding.logits(hidden), state

    def get_config(self) -> dict:
        return {**super().get_config(), **self.arguments}
