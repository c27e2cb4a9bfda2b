"""BERT: Pre-training of Deep Bidirectional Transformers (Devlin et al., NAACL 2019): the models
that fine-tuning makes of BERT (section 3.2).

A text is [CLS] text [SEP], a pair [CLS] first [SEP] second [SEP]. A linear layer reads the pooled
state of [CLS], with dropout in training (section 4.1). A tagger's reads the state of every token;
the first piece of a word speaks for it (section 5.3). What answers questions reads them with
their context, and gives each token two logits (section 4.2).

The vectors of texts are of Sentence-BERT (Reimers and Gurevych, EMNLP 2019,
https://arxiv.org/abs/1908.10084), whose networks are BERT's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops

from zoo import typed
from zoo.layers.model import PaperModel
from zoo.models.bert2018 import Encoder, Sizes, normal, pooler


@keras.saving.register_keras_serializable("paperzoo.bert2018")
class Classifier(PaperModel):
    """P(y | x) = softmax(W tanh(W_p C + b_p) + b), C the state of the first token."""

    encoder_class: ClassVar[Any] = Encoder

    @dataclass(frozen=True, kw_only=True)
    class Arguments(Sizes):
        classes: int  # number of labels
        dropout_head: float = 0.1  # on the pooled state
        start_id: int = 101  # [CLS], which begins a sequence

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        sizes = self.arguments
        common = {"dtype": self.dtype_policy}
        self.context = sizes.context
        #: ids of the start, the delimiter and the last token
        self.specials = (sizes.start_id, sizes.separator_id, sizes.separator_id)
        self.encoder = self.encoder_class(sizes, **common)
        self.pooler = pooler(sizes.width, **common)
        self.head_dropout = keras.layers.Dropout(sizes.dropout_head, dtype="float32")
        self.head = keras.layers.Dense(sizes.classes, kernel_initializer=normal(), dtype="float32")

    def build(self, input_shape=None) -> None:
        self.encoder.build()
        for layer in (self.pooler, self.head):
            layer.build((None, self.arguments.width))
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [batch, classes].

        Args:
            inputs: int32 tokens [batch, time], padded on one side with `padding_id`.
        """
        states = self.encoder(inputs, training=training)
        present = ops.cast(inputs != self.arguments.padding_id, "int32")
        first = ops.argmax(present, axis=1)[:, None, None]
        pooled = self.pooler(ops.take_along_axis(states, first, axis=1)[:, 0])
        return self.head(self.head_dropout(ops.cast(pooled, "float32"), training=training))


@keras.saving.register_keras_serializable("paperzoo.bert2018")
class Embedder(PaperModel):
    """A vector for each text: the mean of its tokens' states (Sentence-BERT, section 3)."""

    @dataclass(frozen=True, kw_only=True)
    class Arguments(Sizes):
        pooling: str = "mean"  # "mean" of the states of all tokens, or the "first" one's state
        normalized: bool = True  # whether vectors have length 1
        scale: float = 1.0  # score of two equal texts: that of a pair is this times the cosine
        pooler: bool = False  # with the layer of the first state, for what trains these weights on
        start_id: int = 101  # [CLS], which begins a sequence

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        sizes = self.arguments
        if sizes.pooling not in ("mean", "first"):
            raise ValueError(f"pooling is '{sizes.pooling}', not 'mean' or 'first'")
        self.context, self.width = sizes.context, sizes.width
        #: ids of the start, the delimiter and the last token
        self.specials = (sizes.start_id, sizes.separator_id, sizes.separator_id)
        self.encoder = Encoder(sizes, dtype=self.dtype_policy)
        if sizes.pooler:
            self.pooler = pooler(sizes.width, dtype=self.dtype_policy)

    def build(self, input_shape=None) -> None:
        self.encoder.build()
        if self.arguments.pooler:
            self.pooler.build((None, self.arguments.width))
        self.built = True

    def call(self, inputs, training=False):
        """Return the vectors of texts, float32 [batch, width], or the scores of pairs, [batch, 1].

        Args:
            inputs: int32 [batch, time], or [batch, 2, time] of pairs, padded on one side with
                `padding_id`.
        """
        if len(inputs.shape) == 2:
            return self.embed(inputs, training=training)
        _, count, time = ops.shape(inputs)
        found = self.embed(ops.reshape(inputs, (-1, time)), training=training)
        vectors = ops.normalize(found, axis=-1)
        vectors = ops.reshape(vectors, (-1, count, self.arguments.width))
        cosine = ops.sum(vectors[:, 0] * vectors[:, 1], axis=-1, keepdims=True)
        return self.arguments.scale * cosine

    def encode(self, tokens, segments=None, training=False):
        """Return the states of all tokens, [batch, time, width]; see `Encoder`."""
        return self.encoder(tokens, segments, training=training)

    def embed(self, tokens, training=False):
        """Return the vectors of texts, float32 [batch, width].

        Args:
            tokens: int32 [batch, time], padded on one side with `padding_id`.
        """
        states = ops.cast(self.encode(tokens, training=training), "float32")
        present = ops.cast(tokens != self.arguments.padding_id, "float32")  # [batch, time]
        if self.arguments.pooling == "first":
            present = present * ops.cast(ops.cumsum(present, axis=1) == 1, "float32")
        total = ops.sum(states * present[:, :, None], axis=1)
        found = total / ops.maximum(ops.sum(present, axis=1, keepdims=True), 1.0)
        return ops.normalize(found, axis=-1) if self.arguments.normalized else found


@keras.saving.register_keras_serializable("paperzoo.bert2018")
class Tagger(PaperModel):
    """P(y_i | x) = softmax(W x_i + b), x_i the last state of token i (section 5.3)."""

    @dataclass(frozen=True, kw_only=True)
    class Arguments(Sizes):
        classes: int  # number of tags
        dropout_head: float = 0.1  # on the states

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        sizes = self.arguments
        self.context = sizes.context
        self.classes = sizes.classes
        self.encoder = Encoder(sizes, dtype=self.dtype_policy)
        self.head_dropout = keras.layers.Dropout(sizes.dropout_head, dtype="float32")
        self.head = keras.layers.Dense(sizes.classes, kernel_initializer=normal(), dtype="float32")

    def build(self, input_shape=None) -> None:
        self.encoder.build()
        self.head.build((None, None, self.arguments.width))
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [batch, time, classes].

        Args:
            inputs: int32 tokens [batch, time], padded on one side with `padding_id`.
        """
        states = ops.cast(self.encode(inputs, training=training), "float32")
        return self.head(self.head_dropout(states, training=training))

    def encode(self, tokens, segments=None, training=False):
        """Return the states of all tokens, [batch, time, width]; see `Encoder`."""
        return self.encoder(tokens, segments, training=training)


@keras.saving.register_keras_serializable("paperzoo.bert2018")
class Answerer(PaperModel):
    """The score of the answer from token i to token j is S T_i + E T_j, T_i the last state of
    token i (section 4.2): P(start = i | x) = softmax_i(S T_i + b_S), and the same for the end.

    As in the paper's code there is no dropout on the states, and both vectors have a bias, which
    cancels.
    """

    encoder_class: ClassVar[Any] = Encoder

    @dataclass(frozen=True, kw_only=True)
    class Arguments(Sizes):
        pass

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        self.context = self.arguments.context
        self.encoder = self.encoder_class(self.arguments, dtype=self.dtype_policy)
        self.head = keras.layers.Dense(2, kernel_initializer=normal(), dtype="float32")  # S, E

    def build(self, input_shape=None) -> None:
        self.encoder.build()
        self.head.build((None, None, self.arguments.width))
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [batch, 2, time], see `span_logits`."""
        return self.span_logits(inputs, training=training)

    def span_logits(self, tokens, training=False):
        """Return float32 logits [batch, 2, time] of starts and of ends; padding is neither.

        Args:
            tokens: int32 [batch, time], padded on one side with `padding_id`.
        """
        states = ops.cast(self.encode(tokens, training=training), "float32")
        logits = ops.transpose(self.head(states), (0, 2, 1))  # [batch, 2, time]
        present = (tokens != self.arguments.padding_id)[:, None, :]
        return typed.where(present, logits, -1e9)

    def encode(self, tokens, segments=None, training=False):
        """Return the states of all tokens, [batch, time, width]; see `Encoder`."""
        return self.encoder(tokens, segments, training=training)
