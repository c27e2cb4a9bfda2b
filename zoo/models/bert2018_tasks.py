"""BERT: Pre-training of Deep Bidirectional Transformers (Devlin et al., NAACL 2019): the models
that fine-tuning makes of BERT (section 3.2).

A text is [CLS] text [SEP], a pair [CLS] first [SEP] second [SEP]. A linear layer reads the pooled
state of [CLS], with dropout in training (section 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops

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
