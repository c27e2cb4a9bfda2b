"""Generating Sequences With Recurrent Neural Networks (Graves, 2013,
https://arxiv.org/abs/1308.0850): the prediction network for text.

New in this paper: a network that predicts the next symbol can write long texts, a symbol at a time,
each drawn from its own prediction. It is a stack of LSTMs with peepholes; the input reaches every
layer and every layer reaches the output, so that a deep stack trains (section 2). Derivatives are
clipped where they enter a gate. Weight noise, another one for each sequence, keeps the network
from learning the training text by heart (section 3.1).

This file is the network with the clipping and the noise. SGD with momentum is in the recipes.
Open points and departures:
  null input     The paper reads a zero vector before the first symbol. Here a text begins with its
                 start symbol, which is also the end of the text before: `null_id` is read as zero.
                 The biases make up for it, so that no network is lost.
  one-hot input  W x of a symbol is a row of W.
  first weights  The paper does not give them: uniform in +-1/sqrt(width), biases zero, but one at
                 the forget gate, peepholes zero.
  layers         The paper's Wikipedia network has 7 layers of 700 cells and about 21.3M weights.
                 With all skip connections 5 layers have 21.25M, 7 have 30.5M: "hutter" has 5.
  clipping       At +-1, of derivatives of the loss summed over symbols, as the paper's is. Where
                 training takes a mean, `mean_of` symbols divide the bound as they divide the loss.
  weight noise   One draw for all rows of a batch.
  adaptive noise A variance learned for each weight (section 3.1) is not here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
from keras import ops

from zoo import typed
from zoo.errors import NotSupported
from zoo.layers import recurrence
from zoo.layers.model import PaperModel

PACKAGE = "paperzoo.graves2013"


class NoisyLayer(keras.layers.Layer):
    """A layer that adds Gaussian noise to its weights in training (section 3.1).

    Args:
        noise: standard deviation; the paper's is 0.075.
    """

    def __init__(self, noise: float, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)  # the state stays in float32
        self.noise = noise
        self.seed_generator = keras.random.SeedGenerator()

    def value(self, weight, training=False):
        """Return a weight in float32, with another noise at each call in training.

        The gradient of the weight is that at the point with noise.
        """
        value = ops.cast(weight, "float32")
        if training and self.noise:
            value = value + self.drawn(weight.shape)
        return value

    def drawn(self, shape):
        """Return noise of a shape."""
        return keras.random.normal(
            shape, stddev=self.noise, dtype="float32", seed=self.seed_generator
        )

    def product(self, x, matrix):
        """Return x @ matrix in float32, multiplied in the type of the layer's computation."""
        x, matrix = (ops.cast(factor, self.compute_dtype) for factor in (x, matrix))
        return ops.cast(ops.matmul(x, matrix), "float32")


@keras.saving.register_keras_serializable(PACKAGE)
class PeepholeLSTM(NoisyLayer):
    """An LSTM that reads a symbol and the layer below (equations 2, 7 to 11).

        i_t = s(W_xi x_t + W_hi h_t-1 + w_ci * c_t-1 + b_i)
        f_t = s(W_xf x_t + W_hf h_t-1 + w_cf * c_t-1 + b_f)
        c_t = f_t * c_t-1 + i_t * tanh(W_xc x_t + W_hc h_t-1 + b_c)
        o_t = s(W_xo x_t + W_ho h_t-1 + w_co * c_t + b_o)
        h_t = o_t * tanh(c_t)

    x_t is the symbol; above the first layer each gate also has a matrix for the h_t of the layer
    below. The matrices of i, f, c and o lie side by side. The peepholes w_c are diagonal matrices.

    Args:
        vocabulary: number of symbols.
        below: cells of the layer below, 0 for the first.
        width: cells.
        null_id: symbol that is read as a zero vector; None reads all.
        clip: largest derivative at the sums in the brackets; None clips nothing.
        mean_of: in training `clip` is divided by it.
        noise: see `NoisyLayer`.
    """

    def __init__(
        self,
        vocabulary: int,
        below: int,
        width: int,
        null_id: int | None = None,
        clip: float | None = None,
        mean_of: float = 1.0,
        noise: float = 0.0,
        **kwargs,
    ) -> None:
        super().__init__(noise, **kwargs)
        self.vocabulary, self.below, self.width = vocabulary, below, width
        self.null_id = null_id
        self.clip, self.mean_of = clip, mean_of
        self.supports_masking = True  # Keras warns of layers that take a mask and keep it

    def build(self, input_shape=None) -> None:
        width, bound = self.width, self.width**-0.5
        uniform = keras.initializers.RandomUniform(-bound, bound)
        shapes = {
            "embeddings": (self.vocabulary, 4 * width),
            "recurrent_kernel": (width, 4 * width),
        }
        if self.below:
            shapes["kernel"] = (self.below, 4 * width)
        for name, shape in shapes.items():
            weight = self.add_weight(shape=shape, initializer=uniform.clone(), name=name)
            setattr(self, name, weight)
        self.peepholes = self.add_weight(shape=(3, width), initializer="zeros", name="peepholes")
        self.bias = self.add_weight(shape=(4 * width,), initializer=_remember, name="bias")
        self.built = True

    def project(self, ids, below=None, training=False):
        """Return what the gates sum beside the layer's own state, float32 [..., 4 width].

        Args:
            ids: int32 [...].
            below: h_t of the layer below, [..., its width].
        """
        bias = self.value(self.bias, training)
        if isinstance(ids.shape[0], int) and self.vocabulary < math.prod(ids.shape):
            # All symbols at once are less work than each place.
            table = self.value(self.embeddings, training)
            table = self.without_null(table, typed.arange(self.vocabulary)) + bias
            x = ops.take(table, ids, axis=0)
        else:
            x = ops.cast(ops.take(self.embeddings, ids, axis=0), "float32")
            if training and self.noise:
                x = x + self.drawn_by_symbol(ids)
            x = self.without_null(x, ids) + bias
        if below is not None:
            x = x + self.product(below, self.value(self.kernel, training))
        return x

    def drawn_by_symbol(self, ids):
        """Return noise [..., 4 width], the same wherever a symbol stands, without a whole table."""
        shape = ops.shape(ids)
        count, flat = math.prod(shape), ops.reshape(ids, (-1,))
        last = ops.segment_max(typed.arange(count), flat, self.vocabulary)  # place of each symbol
        noise = ops.take(self.drawn((count, 4 * self.width)), ops.take(last, flat), axis=0)
        return ops.reshape(noise, (*shape, 4 * self.width))

    def without_null(self, rows, ids):
        """Return rows [..., 4 width] of symbols with zeros for the null input."""
        if self.null_id is None:
            return rows
        return rows * ops.cast(ops.not_equal(ids, self.null_id), "float32")[..., None]

    def call(self, ids, state, below=None, mask=None, training=False):
        """Return h_t [time, batch, width] and the final state (h, c), all float32.

        Args:
            ids: int32 [time, batch].
            state: (h, c), each [batch, width].
            below: h_t of the layer below, [time, batch, its width].
            mask: bool [time, batch], false where the layer reads nothing.
        """
        x = self.project(ids, below, training)
        kernel = ops.cast(self.value(self.recurrent_kernel, training), self.compute_dtype)
        peepholes = self.value(self.peepholes, training)
        clip = self.clip / self.mean_of if self.clip and training else self.clip
        h, c = state
        states = recurrence.lstm(
            x, kernel, h, c, mask=mask, peepholes=peepholes, clip=clip
        )  # [time, batch, 2 width]
        last = states[-1]
        return states[:, :, : self.width], (last[:, : self.width], last[:, self.width :])

    def compute_mask(self, inputs, previous_mask):
        """The mask is passed explicitly, so Keras must not pass one on."""

    def step(self, ids, state, below=None):
        """Return the state (h, c) after one symbol [batch]."""
        kernel = ops.cast(self.recurrent_kernel, self.compute_dtype)
        h, c = state
        return recurrence.step(self.project(ids, below), kernel, h, c, peepholes=self.peepholes)


def _remember(shape, dtype=None):
    """Return the first biases of the gates i, f, c, o: one at the forget gate, else zero."""
    return ops.concatenate([ops.full((shape[0] // 4,), n == 1, dtype=dtype) for n in range(4)])


@keras.saving.register_keras_serializable(PACKAGE)
class Softmax(NoisyLayer):
    """Logits of the next symbol: y^_t = b_y + sum_n W_h^n_y h^n_t (equation 3).

    Args:
        inputs: cells of all layers together.
        vocabulary: number of symbols.
        noise: see `NoisyLayer`.
    """

    def __init__(self, inputs: int, vocabulary: int, noise: float = 0.0, **kwargs) -> None:
        super().__init__(noise, **kwargs)
        self.inputs, self.vocabulary = inputs, vocabulary

    def build(self, input_shape=None) -> None:
        bound = self.inputs**-0.5
        uniform = keras.initializers.RandomUniform(-bound, bound)
        shape = (self.inputs, self.vocabulary)
        self.kernel = self.add_weight(shape=shape, initializer=uniform, name="kernel")
        self.bias = self.add_weight(shape=(self.vocabulary,), initializer="zeros", name="bias")
        self.built = True

    def call(self, hidden, training=False):
        """Return float32 logits [..., vocabulary] of h^1_t ... h^N_t, each [..., width]."""
        joined = ops.concatenate([*hidden, ops.ones_like(hidden[0][..., :1])], axis=-1)
        # The bias is one more row, read as one: a sum less of arrays as large as the logits.
        kernel, bias = self.value(self.kernel, training), self.value(self.bias, training)
        return self.product(joined, ops.concatenate([kernel, bias[None]], axis=0))


@keras.saving.register_keras_serializable(PACKAGE)
class PredictionNetwork(PaperModel):
    """P(x_t+1 | x_1 ... x_t) by a stack of LSTMs with skip connections (figure 1)."""

    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        vocabulary: int  # number of symbols, special ones included
        width: int = 1000  # cells of a layer
        layers: int = 1  # LSTM layers
        null_id: int | None = None  # symbol that is read as a zero vector: the one before a text
        clip: float | None = 1.0  # largest derivative of the loss at the sum that enters a gate
        mean_of: float = 1.0  # symbols whose mean loss is trained on: derivatives are as much less
        weight_noise: float = 0.0  # standard deviation of the noise on all weights in training

    context = None  # the state carries the whole text

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        own = self.arguments
        if own.layers < 1:
            raise ValueError(f"layers is {own.layers}, and is at least 1")
        if own.null_id is not None and not 0 <= own.null_id < own.vocabulary:
            raise ValueError(f"null_id is {own.null_id}, no symbol of {own.vocabulary:,}")
        if own.clip is not None and own.clip <= 0:
            raise ValueError(f"clip is {own.clip}, and is above 0, or None for no clipping")
        if own.mean_of < 1:
            raise ValueError(f"mean_of is {own.mean_of}, and is a number of symbols")
        if own.weight_noise < 0:
            raise ValueError(f"weight_noise is {own.weight_noise}, and is at least 0")
        common = {"noise": own.weight_noise, "dtype": self.dtype_policy}
        cell = {"null_id": own.null_id, "clip": own.clip, "mean_of": own.mean_of, **common}
        self.lstm_layers = [
            PeepholeLSTM(own.vocabulary, own.width if n else 0, own.width, **cell)
            for n in range(own.layers)
        ]
        self.softmax = Softmax(own.layers * own.width, own.vocabulary, **common)

    def build(self, input_shape=None) -> None:
        for layer in (*self.lstm_layers, self.softmax):
            layer.build()
        self.built = True

    def initial_state(self, batch):
        """Return the state before a text: h_n and c_n of each layer, zeros [batch, width]."""
        return {
            f"{name}_{n}": ops.zeros((batch, self.arguments.width), dtype="float32")
            for n in range(self.arguments.layers)
            for name in ("h", "c")
        }

    def hidden(self, tokens, state, mask=None, training=False):
        """Return h^n_t of all layers, each [time, batch, width], and the final state.

        Args:
            tokens: int32 [batch, time].
            state: of the preceding text.
            mask: bool [batch, time]; false skips a token and keeps the state. None reads all.
        """
        ids = ops.transpose(tokens)
        mask = None if mask is None else ops.transpose(mask)
        outputs, after, x = [], {}, None
        for n, layer in enumerate(self.lstm_layers):
            before = state[f"h_{n}"], state[f"c_{n}"]
            x, last = layer(ids, before, below=x, mask=mask, training=training)
            after[f"h_{n}"], after[f"c_{n}"] = last
            outputs.append(x)
        return outputs, after

    def read(self, tokens, state, training=False):
        """Return float32 logits [batch, time, vocabulary] of the next symbols, and the state.

        Training draws one noise for all rows and times of the call.

        Args:
            tokens: int32 [batch, time].
            state: of the preceding text, from `initial_state` or another `read`.

        Raises:
            NotSupported: training with clipped derivatives in "mixed_float16", where Keras scales
                the loss, and with it the derivatives, by a factor that changes.
        """
        if training and self.arguments.clip and self.dtype_policy.name == "mixed_float16":
            raise NotSupported(
                "mixed_float16 scales the derivatives that graves2013 clips: "
                'set train.precision to "mixed_bfloat16" or "float32"'
            )
        outputs, state = self.hidden(tokens, state, training=training)
        outputs = [ops.transpose(output, (1, 0, 2)) for output in outputs]  # [batch, time, width]
        return self.softmax(outputs, training=training), state

    def call(self, inputs, training=False):
        """Return float32 logits [batch, time, vocabulary] of int32 tokens [batch, time]."""
        return self.read(inputs, self.initial_state(ops.shape(inputs)[0]), training)[0]

    # One step at a time ------------------------------------------------------------------------

    def start(self, inputs, max_length: int):
        """Read a prompt except its last token, which `step` gets first.

        Args:
            inputs: "tokens", int32 [batch, time], padded on the left; "lengths", int32 [batch], the
                real tokens of each row; "state", of the preceding text, `initial_state` by default.
        """
        tokens = inputs["tokens"]
        state = inputs.get("state") or self.initial_state(ops.shape(tokens)[0])
        time = ops.shape(tokens)[1]
        if not isinstance(time, int) or time > 1:
            padding = time - ops.expand_dims(inputs["lengths"], 1)
            mask = ops.greater_equal(typed.arange(time - 1), padding)  # [batch, time - 1]
            _, state = self.hidden(tokens[:, :-1], state, mask)
        return {}, state

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, vocabulary] after token [batch], and the state."""
        outputs, after, x = [], {}, None
        for n, layer in enumerate(self.lstm_layers):
            x, after[f"c_{n}"] = layer.step(token, (state[f"h_{n}"], state[f"c_{n}"]), x)
            after[f"h_{n}"] = x
            outputs.append(x)
        return self.softmax(outputs), after
