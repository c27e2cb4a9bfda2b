"""BERT: Pre-training of Deep Bidirectional Transformers (Devlin et al., NAACL 2019): the models
that fine-tuning makes of BERT (section 3.2).

A text is [CLS] text [SEP], a pair [CLS] first [SEP] second [SEP]. A linear layer reads the pooled
state of [CLS], with dropout in training (section 4.1). A tagger's reads the state of every token;
the first piece of a word speaks for it (section 5.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import ops

from zoo.layers.model import PaperModel
from zoo.models.bert2018 import Encoder, Sizes, normal, pooler


@keras.saving.register_keras_serializable("paperzoo.bert2018")
class Classifier(PaperModel):
    """P(y | x) = softmax(W tanh(W_p C + b_p) + b), C the state of the first token."""

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
        self.encoder = Encoder(sizes, **common)
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
