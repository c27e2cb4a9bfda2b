"""Neural Machine Translation by Jointly Learning to Align and Translate (Bahdanau, Cho, Bengio,
ICLR 2015, https://arxiv.org/abs/1409.0473).

New in this paper: attention. The encoder, a bidirectional GRU, makes an annotation of every source
word. Before the decoder writes a word, a small network compares its state with each annotation; the
decoder reads the mean of the annotations under the resulting weights. No sentence has to fit into
one vector, and the weights align both sentences softly.

This file is the paper's RNNsearch (appendix A) in the paper's letters. Open points and departures:
  biases         The paper leaves them out "to increase readability" and starts them at zero. Here
                 every activation, the maxout and the softmax have one under them.
  first word     The first embedding that the decoder reads is zero, as in the authors' code.
  decoder        "conditional" is the decoder of dl4mt and Nematus and reads their public weights:
                 a GRU step on the last word, attention from the resulting state, a GRU step on the
                 context. The initial state comes from the mean annotation; the readout is a tanh
                 layer on the new state, without maxout. In all GRUs, the encoder's too, the reset
                 gate works after the product with U.
  dropout        On embeddings, annotations and readout; off by default, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import ops

from zoo import typed
from zoo.layers.initialisation import Blocks
from zoo.layers.model import PaperModel

SMALL, TINY = 0.01, 0.001  # standard deviations of appendix B.1


def _normal(deviation: float):
    return keras.initializers.RandomNormal(stddev=deviation)


class _Layer(keras.layers.Layer):
    """A layer that uses its weights outside of `call` too and so casts them by hand."""

    def weight(self, name: str, shape: tuple[int, ...], initializer="zeros"):
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def cast(self, *weights):
        return [ops.cast(weight, self.compute_dtype) for weight in weights]


class GRU(_Layer):
    """The gated recurrent unit of Cho et al. (2014), with this paper's sign of the update gate.

        h~  = tanh(W x + U [r * h] + b)         (after=True: tanh(W x + r * (U h) + b))
        z   = s(W_z x + U_z h + b_z)
        r   = s(W_r x + U_r h + b_r)
        h'  = (1 - z) * h + z * h~

    The three matrices on x lie side by side, W, W_z, W_r: one product serves a whole sentence.

    Args:
        inputs, width: sizes of x and h.
        after: apply the reset gate after the product with U.
        inner_bias: with `after`, gate b too: tanh(W x + r * (U h + b)).
    """

    def __init__(
        self, inputs: int, width: int, after: bool = False, inner_bias: bool = False, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.inputs = inputs
        self.width = width
        self.after = after
        self.inner_bias = inner_bias

    def build(self, input_shape=None) -> None:
        n = self.width
        self.W = self.weight("W", (self.inputs, 3 * n), _normal(SMALL))
        self.b = self.weight("b", (3 * n,))
        self.U = self.weight("U", (n, n), keras.initializers.Orthogonal())
        self.U_zr = self.weight("U_zr", (n, 2 * n), Blocks(keras.initializers.Orthogonal(), 2))
        self.built = True

    def project(self, x):
        """Return W x + b of all three matrices, [..., 3 width], for x [..., inputs]."""
        W, b = self.cast(self.W, self.b)
        x = ops.matmul(x, W)
        return x if self.inner_bias else x + b

    def recurrence(self):
        """Return a function (W x + b, h) -> h', each [batch, ...], for use in a loop."""
        U, U_zr, b = self.cast(self.U, self.U_zr, self.b)
        n = self.width
        b, b_zr = (b[:n], b[n:]) if self.inner_bias else (0.0, 0.0)

        def update(x, h):
            gates = ops.sigmoid(x[:, n:] + ops.matmul(h, U_zr) + b_zr)
            z, r = gates[:, :n], gates[:, n:]
            inner = r * (ops.matmul(h, U) + b) if self.after else ops.matmul(r * h, U)
            return (1.0 - z) * h + z * ops.tanh(x[:, :n] + inner)

        return update

    def call(self, x, mask):
        """Return all states [batch, time, width] of x [batch, time, inputs], starting from zero.

        The state stays as it is where the mask, bool [batch, time], is false.
        """
        update = self.recurrence()
        n = self.width
        x = self.project(x)
        # Scan over one array: the input, and whether it is a word.
        x = ops.concatenate([x, ops.cast(mask, x.dtype)[:, :, None]], axis=-1)

        def advance(h, x):
            real = x[:, 3 * n :]
            h = real * update(x[:, : 3 * n], h) + (1.0 - real) * h
            return h, h

        first = ops.zeros((ops.shape(x)[0], n), dtype=x.dtype)
        _, states = ops.scan(advance, first, ops.transpose(x, (1, 0, 2)))
        return ops.transpose(states, (1, 0, 2))


class Alignment(_Layer):
    """The alignment model (A.1.2): e_ij = v_a^T tanh(W_a s + U_a h_j), then a softmax over j.

    Args:
        state, annotation: widths of s and h_j.
        width: n', of the hidden layer.
    """

    def __init__(self, state: int, annotation: int, width: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.state = state
        self.annotation = annotation
        self.width = width

    def build(self, input_shape=None) -> None:
        self.W_a = self.weight("W_a", (self.state, self.width), _normal(TINY))
        self.U_a = self.weight("U_a", (self.annotation, self.width), _normal(TINY))
        self.b_a = self.weight("b_a", (self.width,))
        self.v_a = self.weight("v_a", (self.width,))
        self.built = True

    def keys(self, annotations):
        """Return U_a h_j + b_a [batch, source, width], which all steps share."""
        U_a, b_a = self.cast(self.U_a, self.b_a)
        return ops.matmul(annotations, U_a) + b_a

    def attend(self, memory: dict):
        """Return a function s -> context [batch, annotation], weights float32 [batch, source].

        Args:
            memory: "annotations" [batch, source, annotation], their "keys", and "mask", bool
                [batch, source], false at padding.
        """
        W_a, v_a = self.cast(self.W_a, self.v_a)

        def look(s):
            hidden = ops.tanh(ops.matmul(s, W_a)[:, None, :] + memory["keys"])
            e = ops.cast(ops.matmul(hidden, v_a[:, None])[:, :, 0], "float32")
            e = typed.where(memory["mask"], e, -1e9)
            weights = ops.ones_like(e) if e.shape[-1] == 1 else ops.softmax(e, axis=-1)
            context = ops.matmul(ops.cast(weights, s.dtype)[:, None, :], memory["annotations"])
            return context[:, 0], weights

        return look


class Decoder(_Layer):
    """The paper's decoder (A.2.2): attention compares s_i-1, the context enters all three gates.

        s_0 = tanh(W_s <-h_1 + b_s)
        s_i = GRU step from s_i-1, with W E y_i-1 + C c_i in place of W x
        t_i = maximum over pairs of U_o s_i-1 + V_o E y_i-1 + C_o c_i + b_o

    Args:
        embedding, width: m and n; annotations are 2 n wide.
        alignment: n', of the alignment model.
        maxout: l, the width of t_i.
    """

    reset_after = False

    def __init__(self, embedding: int, width: int, alignment: int, maxout: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.embedding = embedding
        self.width = width
        self.maxout = maxout
        policy = self.dtype_policy
        self.gru = GRU(embedding, width, self.reset_after, dtype=policy)
        self.alignment = Alignment(width, 2 * width, alignment, dtype=policy)

    def build(self, input_shape=None) -> None:
        self.gru.build()
        self.alignment.build()
        n = self.width
        summary, units = self.build_context()
        self.W_s = self.weight("W_s", (summary, n), _normal(SMALL))
        self.b_s = self.weight("b_s", (n,))
        self.U_o = self.weight("U_o", (n, units), _normal(SMALL))
        self.V_o = self.weight("V_o", (self.embedding, units), _normal(SMALL))
        self.C_o = self.weight("C_o", (2 * n, units), _normal(SMALL))
        self.b_o = self.weight("b_o", (units,))
        self.built = True

    def build_context(self) -> tuple[int, int]:
        """Build the context's own weights; return the widths of `summary` and of `sum`."""
        self.C = self.weight("C", (2 * self.width, 3 * self.width), _normal(SMALL))
        return self.width, 2 * self.maxout

    def summary(self, annotations, mask):
        """Return the input of the initial state: the backward state at the first word."""
        return annotations[:, 0, self.width :]

    def first(self, annotations, mask):
        """Return s_0 [batch, width] for annotations [batch, source, 2 width]."""
        W_s, b_s = self.cast(self.W_s, self.b_s)
        return ops.tanh(ops.matmul(self.summary(annotations, mask), W_s) + b_s)

    def advance(self, memory: dict):
        """Return a function (W E y + b, s_i-1) -> s_i, context, weights, for use in a loop."""
        update, look = self.gru.recurrence(), self.alignment.attend(memory)
        (C,) = self.cast(self.C)

        def step(x, s):
            context, weights = look(s)
            return update(x + ops.matmul(context, C), s), context, weights

        return step

    def readout(self, before, after, embedded, context):
        """Return t_i [..., maxout] of s_i-1, s_i, E y_i-1 and c_i, each [..., its width]."""
        t = self.sum(before, embedded, context)
        pairs = ops.reshape(t, (*ops.shape(t)[:-1], self.maxout, 2))
        return ops.max(pairs, axis=-1)

    def sum(self, s, embedded, context):
        U_o, V_o, C_o, b_o = self.cast(self.U_o, self.V_o, self.C_o, self.b_o)
        return ops.matmul(s, U_o) + ops.matmul(embedded, V_o) + ops.matmul(context, C_o) + b_o


class ConditionalDecoder(Decoder):
    """The decoder of dl4mt and Nematus: attention between two GRU steps (module's docstring).

    s_0 = tanh(W_s mean_j h_j + b_s)
    s'  = GRU step from s_i-1 on E y_i-1, for attention
    s_i = GRU step from s' on the context
    t_i = tanh(U_o s_i + V_o E y_i-1 + C_o c_i + b_o)
    """

    reset_after = True

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        n, policy = self.width, self.dtype_policy
        self.context_gru = GRU(2 * n, n, after=True, inner_bias=True, dtype=policy)

    def build_context(self) -> tuple[int, int]:
        self.context_gru.build()
        return 2 * self.width, self.maxout

    def summary(self, annotations, mask):
        real = ops.cast(mask, annotations.dtype)[:, :, None]
        return ops.sum(annotations * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1.0)

    def advance(self, memory: dict):
        update, look = self.gru.recurrence(), self.alignment.attend(memory)
        read = self.context_gru.recurrence()

        def step(x, s):
            s = update(x, s)
            context, weights = look(s)
            return read(self.context_gru.project(context), s), context, weights

        return step

    def readout(self, before, after, embedded, context):
        return ops.tanh(self.sum(after, embedded, context))


DECODERS = {"paper": Decoder, "conditional": ConditionalDecoder}


@keras.saving.register_keras_serializable("paperzoo")
class RNNSearch(PaperModel):
    """p(y_i | y_1 ... y_i-1, x) = g(y_i-1, s_i, c_i) (equation 4), c_i the context of step i.

    Sources end with the end-of-sentence id and are padded on the right. Targets, the decoder's
    input, begin with the start id, in whose place the decoder reads zeros.
    """

    inputs_by_name = ("source", "target")

    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        source_vocabulary: int  # words of each language, special ids included
        target_vocabulary: int
        embedding: int = 620  # m, width of the word embeddings
        width: int = 1000  # n, of the decoder's state and of each direction of the encoder
        alignment: int = 1000  # n', hidden width of the alignment model
        maxout: int = 500  # l, width of the readout
        dropout: float = 0.0  # this and the next: see the module's docstring
        decoder: str = "paper"  # or "conditional"
        padding_id: int = 0  # marks padding in the source

    max_length = None

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        sizes = self.arguments
        embedding, width, words = sizes.embedding, sizes.width, sizes.target_vocabulary
        if sizes.decoder not in DECODERS:
            raise ValueError(f"decoder must be one of {', '.join(DECODERS)}, not {sizes.decoder!r}")
        decoder = DECODERS[sizes.decoder]
        policy = {"dtype": self.dtype_policy}

        def table(rows: int) -> keras.layers.Embedding:
            return keras.layers.Embedding(rows, embedding, _normal(SMALL), **policy)

        self.source_embedding = table(sizes.source_vocabulary)
        self.target_embedding = table(words)
        self.encoder_forward = GRU(embedding, width, decoder.reset_after, **policy)
        self.encoder_backward = GRU(embedding, width, decoder.reset_after, **policy)
        self.decoder = decoder(embedding, width, sizes.alignment, sizes.maxout, **policy)
        self.softmax = keras.layers.Dense(words, kernel_initializer=_normal(SMALL), **policy)
        self.dropout = keras.layers.Dropout(sizes.dropout, **policy)

    def build(self, input_shape=None) -> None:
        encoder = self.source_embedding, self.encoder_forward, self.encoder_backward
        for layer in (*encoder, self.target_embedding, self.decoder):
            layer.build()
        self.softmax.build((None, self.arguments.maxout))
        self.built = True

    # Teacher forcing ---------------------------------------------------------------------------

    def encode(self, source, training=False):
        """Return each step's memory: "annotations" [batch, source, 2 width], "keys", "mask"."""
        mask = ops.not_equal(source, self.arguments.padding_id)
        x = self.dropout(self.source_embedding(source), training=training)
        forward = self.encoder_forward(x, mask)
        backward = self.encoder_backward(ops.flip(x, axis=1), ops.flip(mask, axis=1))
        # h_j = [->h_j; <-h_j] (A.2.1)
        annotations = ops.concatenate([forward, ops.flip(backward, axis=1)], axis=-1)
        annotations = self.dropout(annotations, training=training)
        keys = self.decoder.alignment.keys(annotations)
        return {"annotations": annotations, "keys": keys, "mask": mask}

    def decode(self, target, memory, training=False):
        """Return the readout [batch, target, maxout] and the weights [batch, target, source]."""
        embedded = self.dropout(self.target_embedding(target), training=training)
        later = typed.arange(ops.shape(target)[1]) > 0  # the first word follows no other
        embedded = typed.where(later[None, :, None], embedded, 0.0)
        first = self.decoder.first(memory["annotations"], memory["mask"])
        step = self.decoder.advance(memory)

        def advance(carry, x):
            carry = step(x, carry[0])
            return carry, carry

        context = ops.zeros_like(memory["annotations"][:, 0])
        carry = first, context, ops.zeros_like(memory["mask"], dtype="float32")
        x = self.decoder.gru.project(embedded)
        _, steps = ops.scan(advance, carry, ops.transpose(x, (1, 0, 2)))
        after, context, weights = (ops.transpose(part, (1, 0, 2)) for part in steps)
        before = ops.concatenate([first[:, None], after[:, :-1]], axis=1)
        return self.decoder.readout(before, after, embedded, context), weights

    def call(self, inputs, training=False):
        """Return float32 logits [batch, target, target_vocabulary].

        Args:
            inputs: {"source": int32 [batch, source], "target": int32 [batch, target]}.
        """
        memory = self.encode(inputs["source"], training)
        readout, _ = self.decode(inputs["target"], memory, training)
        return ops.cast(self.softmax(self.dropout(readout, training=training)), "float32")

    def attention(self, inputs):
        """Return alpha_ij over the source, [batch, 1, target, source]."""
        memory = self.encode(inputs["source"])
        return self.decode(inputs["target"], memory)[1][:, None]

    # One step at a time ------------------------------------------------------------------------

    def start(self, inputs, max_length: int):
        """Read the source; return its annotations and the first state."""
        memory = self.encode(inputs["source"])
        return memory, {"s": self.decoder.first(memory["annotations"], memory["mask"])}

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, target_vocabulary] after token [batch], and the state."""
        embedded = self.target_embedding(token)
        embedded = typed.where(ops.convert_to_tensor(position) > 0, embedded, 0.0)
        before = state["s"]
        x = self.decoder.gru.project(embedded)
        after, context, _ = self.decoder.advance(memory)(x, before)
        readout = self.decoder.readout(before, after, embedded, context)
        return ops.cast(self.softmax(readout), "float32"), {"s": after}
