"""Improving Language Understanding by Generative Pre-Training (Radford et al., OpenAI 2018): the
models that GPT becomes by fine-tuning (sections 3.2 and 3.3).

One network serves all tasks: their inputs are written as one sequence or several, each between a
start and an extract token, and a linear layer reads the state of the last one. Where the paper
leaves things open or this file departs from it:
  specials   Start, delimiter and extract token are rows of their own; in the code they are more
             rows of the word embedding. Logits of the auxiliary objective are over both, as there.
  loss       The auxiliary loss is a mean over the positions of each sequence, then over sequences,
             as in the code.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.models.gpt1 import Decoder, normal

# Start, delimiter and extract token.
SPECIALS = 3


@keras.saving.register_keras_serializable("paperzoo.gpt1")
class Classifier(keras.Model):
    """P(y | x_1 ... x_m) = softmax(h_m W_y + b_y), h_m being the extract token's (equation 3).

    The decoder with three special tokens, and a linear layer on the state of the last one. Texts
    are classified by one sequence, and pairs whose order says something, as in entailment; for the
    similarity of two texts there are two, one for each order, whose states are added.

    Args:
        vocabulary, context, width, layers, heads, feed_forward, dropout, attention_dropout,
            epsilon: those of `LanguageModel`.
        classes: number of labels; 1 for a number in place of a label.
        dropout_head: on the state before the linear layer.
        auxiliary: lambda, what the language model's loss is multiplied by (equation 5).
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        classes: int,
        context: int = 512,
        width: int = 768,
        layers: int = 12,
        heads: int = 12,
        feed_forward: int = 3072,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        epsilon: float = 1e-5,
        dropout_head: float = 0.1,
        auxiliary: float = 0.5,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        sizes: dict[str, Any] = {
            "vocabulary": vocabulary, "context": context, "width": width, "layers": layers,
            "heads": heads, "feed_forward": feed_forward, "dropout": dropout,
            "attention_dropout": attention_dropout, "epsilon": epsilon,
        }  # fmt: skip
        own = {"classes": classes, "dropout_head": dropout_head, "auxiliary": auxiliary}
        self.arguments = {**sizes, **own}
        self.context = context
        self.auxiliary = auxiliary
        #: ids of the start, the delimiter and the extract token
        self.specials = tuple(range(vocabulary, vocabulary + SPECIALS))
        self.decoder = Decoder(**sizes, specials=SPECIALS, dtype=self.dtype_policy)
        self.head_dropout = keras.layers.Dropout(dropout_head, dtype="float32")
        self.head = keras.layers.Dense(classes, kernel_initializer=normal(), dtype="float32")

    def build(self, input_shape=None) -> None:
        self.decoder.build()
        self.head.build((None, self.arguments["width"]))
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [batch, classes].

        Args:
            inputs: int32 [batch, time] or [batch, sequences, time], padded on the left with -1.
        """
        if len(inputs.shape) == 2:
            inputs = inputs[:, None, :]
        state = ops.sum(self.extract(inputs, training), axis=1)
        return self.head(self.head_dropout(state, training=training))

    def extract(self, sequences, training=False):
        """Return the states of the last tokens, float32 [batch, sequences, width].

        In training it adds the auxiliary loss, lambda * L1 (equation 5).

        Args:
            sequences: int32 [batch, sequences, time], padded on the left with -1.
        """
        _, count, time = ops.shape(sequences)
        ids = ops.reshape(sequences, (-1, time))
        hidden, _ = self.decoder(ids, training=training)
        if training and self.auxiliary:
            self.add_loss(self.auxiliary * self._language_loss(ids, hidden))
        last = ops.cast(hidden[:, -1], "float32")
        return ops.reshape(last, (-1, count, self.arguments["width"]))

    def _language_loss(self, ids, hidden):
        """Return -log P of a token, the mean of each sequence, the mean of these."""
        logits = self.decoder.logits(hidden[:, :-1])
        labels = ops.maximum(ids[:, 1:], 0)
        each = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        present = ops.cast(ids[:, :-1] >= 0, "float32")
        return ops.mean(ops.sum(each * present, axis=1) / ops.maximum(ops.sum(present, axis=1), 1))

    def get_config(self) -> dict:
        return {**super().get_config(), **self.arguments}


@keras.saving.register_keras_serializable("paperzoo.gpt1")
class Chooser(Classifier):
    """One of several answers: a linear layer scores each, softmax compares them (section 3.3).

    Args: those of `Classifier`; classes is 1, the score.
    """

    def call(self, inputs, training=False):
        """Return float32 logits [batch, answers].

        Args:
            inputs: int32 [batch, answers, time], padded on the left with -1.
        """
        states = self.head_dropout(self.extract(inputs, training), training=training)
        return self.head(states)[..., 0]
