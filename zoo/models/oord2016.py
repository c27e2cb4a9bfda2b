"""WaveNet: A Generative Model for Raw Audio (van den Oord et al., 2016,
https://arxiv.org/abs/1609.03499), on text; and the tree that makemore's lectures build of it.

New in this paper: a convolution that sees the past alone and leaves steps out, two times as many in
each layer. So the context doubles with each layer while its cost grows by one layer, and training
reads all steps of a text at once, which no recurrent network can.

`units` chooses the layers:
  gated  The paper's: a gated unit, a residual connection around each layer, and a skip connection
         from each one to the output (sections 2.1, 2.3 and 2.4).
  tree   makemore's: pairs of letters are fused, then pairs of pairs, by a linear map, batch
         normalisation and tanh, until one vector is left of the window, which gives the logits.
         For one window that is a stack of convolutions whose dilation is 1, 2, 4, read at the last
         step; here they read all windows of a text at once.

Where this file departs from the paper, or from the lecture:
  symbols        Letters or words in place of 256 steps of a companded wave; nothing conditions.
  before a text  All that a model sees there is the start's symbol; WaveNets of sound see zeros.
  channels       The paper tells none.
  initialisation Normal with deviation 1/sqrt(inputs), as in the lecture; the paper is silent.
  dropout        0 in the paper, see `Arguments`.
  normalisation  In training each symbol of a text is counted once in mean and variance, where the
                 lecture counts it in each window that it is in. What pads a text is not counted:
                 the window before it is normalised by the running statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import ops

from zoo import typed
from zoo.layers import window
from zoo.layers.model import PaperModel
from zoo.layers.normalization import BatchNormalization

UNITS = ("gated", "tree")


def _normal(inputs: float) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=inputs**-0.5)


@keras.saving.register_keras_serializable("paperzoo.oord2016")
class CausalConvolution(keras.layers.Layer):
    """y_t = b + W_0 x_t-(k-1)d + ... + W_k-1 x_t, which sees no step after t (section 2.1).

    Args:
        inputs, outputs: channels.
        size: k, number of steps that it sees.
        dilation: d, steps from one of them to the next.
        bias: whether there is b.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, dilation: int, bias: bool = True, **kwargs
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.inputs = inputs
        self.outputs = outputs
        self.size = size
        self.dilation = dilation
        self.use_bias = bias

    @property
    def reach(self) -> int:
        """How many steps before the first one it needs."""
        return (self.size - 1) * self.dilation

    def build(self, input_shape=None) -> None:
        rows = self.size * self.inputs  # W_0 above W_1 and so on
        self.kernel = self.add_weight(
            shape=(rows, self.outputs), initializer=_normal(rows), name="kernel"
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.outputs,), initializer="zeros", name="bias")
        self.built = True

    def call(self, x, past):
        """Return y, [batch, time, outputs].

        Args:
            x: [batch, time, inputs].
            past: [batch, reach, inputs], the steps before x.
        """
        x, past = (ops.cast(part, self.compute_dtype) for part in (x, past))
        both, last = ops.concatenate([past, x], axis=1), self.size - 1
        seen = [both[:, i * self.dilation : -(last - i) * self.dilation] for i in range(last)]
        seen = ops.concatenate([*seen, x], axis=-1)  # [batch, time, size * inputs]
        y = ops.matmul(seen, ops.cast(self.kernel, self.compute_dtype))
        return y if self.bias is None else y + ops.cast(self.bias, self.compute_dtype)


@keras.saving.register_keras_serializable("paperzoo.oord2016")
class SymbolConvolution(keras.layers.Layer):
    """A causal convolution of symbols, one-hot: each W_i x is a row of a table.

    Args:
        vocabulary, outputs, size: see `CausalConvolution`, whose dilation is 1.
    """

    def __init__(self, vocabulary: int, outputs: int, size: int, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        self.vocabulary = vocabulary
        self.outputs = outputs
        self.size = size

    def build(self, input_shape=None) -> None:
        self.embeddings = self.add_weight(
            shape=(self.size, self.vocabulary, self.outputs), initializer=_normal(self.size),
            name="embeddings",
        )  # fmt: skip
        self.bias = self.add_weight(shape=(self.outputs,), initializer="zeros", name="bias")
        self.built = True

    def call(self, tokens, past):
        """Return [batch, time, outputs] of int32 tokens [batch, time].

        Args:
            past: int32 [batch, size - 1], the tokens before them.
        """
        both, last = ops.concatenate([past, tokens], axis=1), self.size - 1
        y = ops.cast(self.bias, self.compute_dtype)
        for i in range(self.size):
            rows = ops.take(self.embeddings[i], both[:, i : -(last - i) or None], axis=0)
            y = y + ops.cast(rows, self.compute_dtype)
        return y


@keras.saving.register_keras_serializable("paperzoo.oord2016")
class GatedBlock(keras.layers.Layer):
    """z = tanh(W_f * x) . s(W_g * x) (equation 2); x + W_r z goes on, W_s z to the output.

    W_f and W_g lie side by side in `dilated`, W_r and W_s in `projection`. The last block's W_r
    leads nowhere, as in the paper's figure 4.

    Args:
        width, gate, skip: channels of x, z and W_s z.
        size, dilation: see `CausalConvolution`.
    """

    def __init__(
        self, width: int, gate: int, skip: int, size: int, dilation: int, **kwargs
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        common = {"dtype": self.dtype_policy}
        self.width = width
        self.gate = gate
        self.dilated = CausalConvolution(width, 2 * gate, size, dilation, **common)
        self.projection = keras.layers.Dense(
            width + skip, kernel_initializer=_normal(gate), **common
        )

    def build(self, input_shape=None) -> None:
        self.dilated.build()
        self.projection.build((None, self.gate))
        self.built = True

    def call(self, x, past, real=None, training=False):
        """Return x of the next block, [batch, time, width], and W_s z, [batch, time, skip]."""
        both = self.dilated(x, past)
        z = ops.tanh(both[..., : self.gate]) * ops.sigmoid(both[..., self.gate :])
        both = self.projection(z)
        return x + both[..., : self.width], both[..., self.width :]


@keras.saving.register_keras_serializable("paperzoo.oord2016")
class TreeBlock(keras.layers.Layer):
    """tanh(BN(W (x_t-d, x_t))): one level of the tree, for all windows of a text.

    Args:
        inputs, width: channels before and after it.
        size, dilation: see `CausalConvolution`.
    """

    def __init__(self, inputs: int, width: int, size: int, dilation: int, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        common = {"dtype": self.dtype_policy}
        self.dilated = CausalConvolution(inputs, width, size, dilation, bias=False, **common)
        self.normalization = BatchNormalization(width, **common)

    def build(self, input_shape=None) -> None:
        self.dilated.build()
        self.normalization.build()
        self.built = True

    def call(self, x, past, real=None, training=False):
        """Return x of the next block, [batch, time, width], twice: the last one is the output."""
        x = self.normalization(self.dilated(x, past), real, training=training)
        x = ops.cast(ops.tanh(x), self.compute_dtype)
        return x, x


@keras.saving.register_keras_serializable("paperzoo.oord2016")
class LanguageModel(PaperModel):
    """p(x_t | x_1 ... x_t-1) (equation 1), of the last symbols that its convolutions see.

    Its state is what they need of the past: of each layer the last inputs, a queue as long as the
    layer reaches back. So a step computes one vector in each layer, however long the text is.
    """

    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        vocabulary: int  # number of symbols, special ones included
        units: str = "gated"  # the paper's layers; or "tree", makemore's
        layers: int = 4  # of a stack; the dilation grows in it from layer to layer
        stacks: int = 1  # stacks one after the other, each from dilation 1 on
        size: int = 2  # steps that a convolution sees; the dilations of a tree are its powers
        width: int = 64  # channels from layer to layer
        gate: int = 64  # channels of a gated unit
        skip: int = 128  # channels of the output of gated layers
        embedding: int = 24  # channels of a symbol, of a tree
        dropout: float = 0.0  # on what the first layer and the output read
        start_id: int = 0  # all that is seen before a text; it pads texts in training too

    context = None  # what it sees of the past is its state

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        sizes = self.arguments
        if sizes.units not in UNITS:
            raise ValueError(f"units must be one of {', '.join(UNITS)}, not {sizes.units!r}")
        if sizes.size < 2:
            raise ValueError(f"size is {sizes.size}, and is at least 2: the last step and this one")
        if not sizes.layers or not sizes.stacks:
            raise ValueError("there is no layer: layers and stacks are at least 1")
        self.gated = sizes.units == "gated"
        common = {"dtype": self.dtype_policy}
        dilations = [(2 if self.gated else sizes.size) ** i for i in range(sizes.layers)]
        dilations *= sizes.stacks
        self.dropout = keras.layers.Dropout(sizes.dropout, **common)
        if self.gated:
            width, gate, skip = sizes.width, sizes.gate, sizes.skip
            self.front = SymbolConvolution(sizes.vocabulary, width, sizes.size, **common)
            self.blocks = [
                GatedBlock(width, gate, skip, sizes.size, dilation, **common)
                for dilation in dilations
            ]
            self.head = keras.layers.Dense(skip, kernel_initializer=_normal(skip), **common)
            last = _normal(skip)
        else:
            self.embedding = keras.layers.Embedding(
                sizes.vocabulary, sizes.embedding, _normal(1.0), **common
            )
            widths = [sizes.embedding, *[sizes.width] * len(dilations)]
            self.blocks = [
                TreeBlock(widths[i], widths[i + 1], sizes.size, dilation, **common)
                for i, dilation in enumerate(dilations)
            ]
            last = _normal(100.0 * sizes.width)  # a tenth of 1/sqrt(width), as in the lecture
        self.output_layer = keras.layers.Dense(sizes.vocabulary, kernel_initializer=last, **common)

    def build(self, input_shape=None) -> None:
        sizes = self.arguments
        (self.front if self.gated else self.embedding).build()
        for block in self.blocks:
            block.build()
        if self.gated:
            self.head.build((None, sizes.skip))
        self.output_layer.build((None, sizes.skip if self.gated else sizes.width))
        self.built = True

    @property
    def window(self) -> int:
        """How many symbols a prediction sees."""
        front = self.arguments.size - 1 if self.gated else 0
        return 1 + front + sum(block.dilated.reach for block in self.blocks)

    def initial_state(self, batch):
        """Return what is seen before a text: the start's symbol, in all layers.

        "symbols", float32 [batch, size - 1], of gated layers alone; "past_0" and so on, the last
        inputs of each layer, float32 [batch, reach, its channels].
        """
        sizes, state = self.arguments, {}
        if self.gated:
            past = ops.full((1, sizes.size - 1), sizes.start_id, dtype="int32")
            x = self.front(past[:, :1], past)
            symbols = ops.full((batch, sizes.size - 1), sizes.start_id, dtype="float32")
            state["symbols"] = symbols
        else:
            x = self.embedding(ops.full((1, 1), sizes.start_id, dtype="int32"))
        for i, block in enumerate(self.blocks):
            reach, channels = block.dilated.reach, x.shape[-1]
            shape = (batch, reach, channels)
            state[f"past_{i}"] = ops.broadcast_to(ops.cast(x, "float32"), shape)
            x, _ = block(x, ops.broadcast_to(x, (1, reach, channels)), training=False)
        return state

    def read(self, tokens, state, training=False):
        """Return float32 logits [batch, time, vocabulary] of the next symbols, and the state.

        Args:
            tokens: int32 [batch, time].
            state: of the preceding text, from `initial_state` or another `read`.
        """
        x, state = self.convolve(tokens, state, training=training)
        return self.logits(x, training), state

    def convolve(self, tokens, state, lengths=None, training=False):
        """Return what the output reads, [batch, time, ...], and the state after the tokens.

        Args:
            tokens: int32 [batch, time].
            lengths: int32 [batch], how many tokens of each row are read, its first ones; None reads
                all. What is returned of the others is arbitrary.
        """
        after, outputs, real = {}, [], None
        if training and not self.gated:
            real = self._real(tokens)
        if self.gated:
            x = self.front(tokens, ops.cast(state["symbols"], "int32"))
            after["symbols"] = window.last(state["symbols"], tokens, lengths)
        else:
            x = self.embedding(tokens)
        x = self.dropout(x, training=training)
        for i, block in enumerate(self.blocks):
            past = state[f"past_{i}"]
            after[f"past_{i}"] = window.last(past, x, lengths)
            x, output = block(x, past, real, training=training)
            outputs.append(output)
        return sum(outputs[1:], outputs[0]) if self.gated else x, after

    def _real(self, tokens):
        """Return 1 at tokens that are no padding on the right, float32 [batch, time]."""
        places = typed.arange(ops.shape(tokens)[1])[None]
        ends = ops.where(tokens != self.arguments.start_id, places, 0)
        last = ops.max(ends, axis=1, keepdims=True)  # a text's first token may be that id
        return ops.cast(places <= last, "float32")

    def logits(self, x, training=False):
        """Return float32 logits [..., vocabulary] of what `convolve` returns."""
        if self.gated:  # ReLU, 1 x 1, ReLU, 1 x 1 (figure 4)
            x = ops.relu(self.head(ops.relu(x)))
        x = self.dropout(x, training=training)
        return ops.cast(self.output_layer(x), "float32")

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
            tokens, lengths = prompt
            _, state = self.convolve(tokens, state, lengths)
        return {}, state

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, vocabulary] after token [batch], and the state."""
        logits, state = self.read(ops.expand_dims(token, 1), state)
        return logits[:, 0], state
