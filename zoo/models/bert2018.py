"""BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding (Devlin, Chang,
Lee, Toutanova, NAACL 2019, https://arxiv.org/abs/1810.04805): BERT.

New in this paper: the encoder of a Transformer sees both sides of every word, because it learns to
guess words that were hidden from it, and not the next word (section 3.1, task 1); and whether one
text follows another (task 2). The block is that of vaswani2017, zoo/layers/transformer.py;
positions are learned, the activation is GELU, and the first text and the second have an embedding
each (figure 2).

Open points and departures:
  GELU       Exact, as in the code that made the first checkpoints and in transformers;
             "gelu_tanh" is the approximation that the code has had since February 2019.
  epsilon    1e-12, as in the code; layer normalisation is computed in float32 in any precision.
  segments   Counted, not given: all after the first separator is the second text. `encode` takes
             others.
  padding    On either side; positions count from a text's first token. Padding sees the text as all
             tokens do, and nothing sees it.
  logits     Of all places, or of those that are asked for (`fill`), as in the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops

from zoo.layers import attention, transformer
from zoo.layers.model import PaperModel


def normal() -> keras.initializers.Initializer:
    """N(0, 0.02), drawn again beyond two standard deviations, as in the code."""
    return keras.initializers.TruncatedNormal(stddev=0.02)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The arguments of all models of the paper."""

    vocabulary: int  # number of tokens
    context: int = 512  # the most tokens that the model reads
    width: int = 768  # H, of the states
    layers: int = 12  # L, blocks
    heads: int = 12  # A, must divide the width
    feed_forward: int = 3072  # units between the two layers of FFN
    segments: int = 2  # texts that an input may hold
    dropout: float = 0.1  # on embeddings and on the outputs of attention and FFN
    attention_dropout: float = 0.1  # on the attention weights
    activation: str = "gelu"  # "gelu" is exact, "gelu_tanh" the approximation
    epsilon: float = 1e-12  # of layer normalisation
    left_to_right: bool = False  # let a token see those before it alone (section 5.1)
    padding_id: int = 0  # [PAD]
    separator_id: int = 102  # [SEP], which ends each text


@keras.saving.register_keras_serializable("paperzoo.bert2018")
class Embeddings(keras.layers.Layer):
    """LayerNorm(word + position + segment), with dropout (figure 2).

    Args:
        arguments: those of the model.
        width: of the tables and their sum; None is that of the states.
    """

    def __init__(self, arguments: Sizes, width: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.sizes = {
            "words": arguments.vocabulary, "positions": arguments.context,
            "segments": arguments.segments,
        }  # fmt: skip
        self.width = width or arguments.width
        self.padding_id = arguments.padding_id
        self.separator_id = arguments.separator_id
        common = {"dtype": self.dtype_policy}
        self.norm = keras.layers.LayerNormalization(epsilon=arguments.epsilon, **common)
        self.dropout = keras.layers.Dropout(arguments.dropout, **common)

    def build(self, input_shape=None) -> None:
        for name, rows in self.sizes.items():
            table = self.add_weight(
                shape=(rows, self.width), initializer=normal(), name=name, autocast=False
            )
            setattr(self, name, table)
        self.norm.build((None, None, self.width))
        self.built = True

    def call(self, tokens, segments=None, training=False):
        """Return the sums, normalised: [batch, time, width].

        Args:
            tokens, segments: see `Encoder`.
        """
        counted = ops.cumsum(ops.cast(tokens != self.padding_id, "int32"), axis=1)
        positions = ops.maximum(counted - 1, 0)
        if segments is None:
            segments = self.segments_of(tokens)
        tables = ((self.words, tokens), (self.positions, positions), (self.segments, segments))
        total = sum(ops.take(table, rows, axis=0) for table, rows in tables)
        x = self.norm(ops.cast(total, self.compute_dtype))
        return self.dropout(x, training=training)

    def segments_of(self, tokens):
        """Return 0 up to the first separator and 1 after it, int32 [batch, time]."""
        ends = ops.cast(tokens == self.separator_id, "int32")
        before = ops.cumsum(ends, axis=1) - ends  # separators to the left of a place
        second = ops.logical_and(before > 0, tokens != self.padding_id)
        return ops.minimum(ops.cast(second, "int32"), self.sizes["segments"] - 1)


def block(arguments: Sizes, **options) -> transformer.Block:
    """Return a block of self-attention and FFN (section 3)."""
    return transformer.Block(
        arguments.width, arguments.heads, arguments.feed_forward,
        dropout=arguments.dropout, attention_dropout=arguments.attention_dropout,
        activation=arguments.activation, epsilon=arguments.epsilon, fused=True,
        initializer=normal(), **options,
    )  # fmt: skip


@keras.saving.register_keras_serializable("paperzoo.bert2018")
class Encoder(keras.layers.Layer):
    """Embeddings and blocks of self-attention over all tokens (section 3).

    Args:
        arguments: those of the model.
    """

    def __init__(self, arguments: Sizes, **kwargs) -> None:
        super().__init__(**kwargs)
        self.sizes = arguments
        common = {"dtype": self.dtype_policy}
        self.embeddings = Embeddings(arguments, **common)
        self.blocks = [block(arguments, **common) for _ in range(arguments.layers)]

    def build(self, input_shape=None) -> None:
        self.embeddings.build()
        for block in self.blocks:
            block.build()
        self.built = True

    def call(self, tokens, segments=None, training=False):
        """Return the states of all tokens, [batch, time, width].

        Args:
            tokens: int32 [batch, time], at most `context` long, padded on one side.
            segments: int32 [batch, time], 0 for the first text and 1 for the second; None counts
                them from the separators.
        """
        mask = mask_of(tokens, self.sizes)
        x = self.embeddings(tokens, segments, training=training)
        for block in self.blocks:
            x, _, _ = block(x, mask, training=training)
        return x


def mask_of(tokens, sizes: Sizes):
    """Return which tokens are seen, bool [batch, 1, 1 or time, time]: those that are no padding.

    Raises:
        ValueError: there are more of them than `context`.
    """
    time = ops.shape(tokens)[1]
    if isinstance(time, int) and time > sizes.context:
        raise ValueError(f"{time} tokens, but the context is {sizes.context}")
    mask = (tokens != sizes.padding_id)[:, None, None, :]
    return ops.logical_and(mask, attention.causal(time)) if sizes.left_to_right else mask


def pooler(width: int, **options) -> keras.layers.Dense:
    """Return the layer tanh(W C + b) of the first token's state C."""
    return keras.layers.Dense(width, activation="tanh", kernel_initializer=normal(), **options)


@keras.saving.register_keras_serializable("paperzoo.bert2018")
class MaskedLanguageModel(PaperModel):
    """P(x_i | all x_j that are not hidden), for hidden tokens x_i (section 3.1, task 1).

    With `next_sentence`, also whether the second text follows the first (task 2).
    """

    encoder_class: ClassVar[Any] = Encoder
    #: the argument that gives the model the head of the second task
    second_task: ClassVar[str] = "next_sentence"

    @dataclass(frozen=True, kw_only=True)
    class Arguments(Sizes):
        next_sentence: bool = False  # with the pooled state and the head of task 2

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        sizes = self.arguments
        common = {"dtype": self.dtype_policy}
        self.context = sizes.context
        self.encoder = self.encoder_class(sizes, **common)
        self.transform = keras.layers.Dense(
            self.encoder.embeddings.width, kernel_initializer=normal(),
            activation=transformer.activation_of(sizes.activation), **common,
        )  # fmt: skip
        self.transform_norm = keras.layers.LayerNormalization(epsilon=sizes.epsilon, **common)
        if self.judges:
            self.pooler = pooler(sizes.width, **common)
            self.follows = keras.layers.Dense(2, kernel_initializer=normal(), dtype="float32")

    @property
    def judges(self) -> bool:
        """Whether the model has the head of the second task."""
        return bool(getattr(self.arguments, self.second_task))

    @property
    def judging(self) -> list[keras.layers.Layer]:
        """The layers of the second task alone."""
        return [self.pooler, self.follows] if self.judges else []

    def build(self, input_shape=None) -> None:
        sizes = self.arguments
        self.encoder.build()
        self.transform.build((None, None, sizes.width))
        self.transform_norm.build((None, None, self.transform.units))
        self.output_bias = self.add_weight(
            shape=(sizes.vocabulary,), initializer="zeros", name="output_bias", autocast=False
        )
        if self.judges:
            self.pooler.build((None, sizes.width))
            self.follows.build((None, sizes.width))
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [batch, time, vocabulary] of the word at each place.

        Args:
            inputs: int32 tokens [batch, time], padded on one side with `padding_id`.
        """
        return self.logits(self.encode(inputs, training=training))

    def encode(self, tokens, segments=None, training=False):
        """Return the states of all tokens, [batch, time, width]; see `Encoder`."""
        return self.encoder(tokens, segments, training=training)

    def fill(self, tokens, places, training=False):
        """Return float32 logits [batch, places, vocabulary] of the words at some places.

        Args:
            tokens: int32 [batch, time].
            places: int32 [batch, places], counted from the left, padding included.
        """
        states = self.encode(tokens, training=training)
        return self.logits(ops.take_along_axis(states, places[:, :, None], axis=1))

    def fill_and_judge(self, tokens, places, training=False):
        """Return the logits of both tasks, those of `fill` and those of `judge`."""
        states = self.encode(tokens, training=training)
        words = self.logits(ops.take_along_axis(states, places[:, :, None], axis=1))
        return words, self.judge(states)

    def logits(self, states):
        """Return float32 logits [..., vocabulary] of states [..., width] (the tied table)."""
        hidden = self.transform_norm(self.transform(states))
        table = ops.cast(self.encoder.embeddings.words, hidden.dtype)
        found = ops.cast(ops.matmul(hidden, ops.transpose(table)), "float32")
        return found + ops.cast(self.output_bias, "float32")

    def pooled(self, states):
        """Return tanh(W C + b), [batch, width], C the state of a row's first token.

        Args:
            states: [batch, time, width], of tokens that are padded on the right.
        """
        return self.pooler(states[:, 0])

    def judge(self, states):
        """Return float32 logits [batch, 2]: the second text follows the first, or it does not.

        Args: see `pooled`.
        """
        return self.follows(ops.cast(self.pooled(states), "float32"))


# Keras reads a file of each model of the paper after one import, this file's.
from zoo.models import bert2018_tasks as bert2018_tasks  # noqa: E402
