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

from dataclasses import dataclass

import keras
from keras import ops

from zoo.layers.model import PaperModel
from zoo.models.gpt1 import Decoder, LanguageModel, normal

# Start, delimiter and extract token.
SPECIALS = 3


@keras.saving.register_keras_serializable("paperzoo.gpt1")
class Classifier(PaperModel):
    """P(y | x_1 ... x_m) = softmax(h_m W_y + b_y), h_m being the extract token's (equation 3).

    The decoder with three special tokens, and a linear layer on the state of the last one. Texts
    are classified by one sequence, and pairs whose order says something, as in entailment; for the
    similarity of two texts there are two, one for each order, whose states are added.
    """

    @dataclass(frozen=True, kw_only=True)
    class Arguments(LanguageModel.Arguments):
        classes: int  # number of labels; 1 for a number in place of a label, or a score
        dropout_head: float = 0.1  # on the state before the linear layer
        auxiliary: float = 0.5  # lambda, the weight of the language model's loss (equation 5)

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        sizes = self.arguments
        self.context = sizes.context
        #: ids of the start, the delimiter and the extract token
        self.specials = tuple(range(sizes.vocabulary, sizes.vocabulary + SPECIALS))
        self.decoder = Decoder(sizes, SPECIALS, dtype=self.dtype_policy)
        self.head_dropout = keras.layers.Dropout(sizes.dropout_head, dtype="float32")
        self.head = keras.layers.Dense(sizes.classes, kernel_initializer=normal(), dtype="float32")

    def build(self, input_shape=None) -> None:
        self.decoder.build()
        self.head.build((None, self.arguments.width))
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
        if training and self.arguments.auxiliary:
            self.add_loss(self.arguments.auxiliary * self._language_loss(ids, hidden))
        last = ops.cast(hidden[:, -1], "float32")
        return ops.reshape(last, (-1, count, self.arguments.width))

    def _language_loss(self, ids, hidden):
        """Return -log P of a token, the mean of each sequence, the mean of these."""
        logits = self.decoder.logits(hidden[:, :-1])
        labels = ops.maximum(ids[:, 1:], 0)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        present = ops.cast(ids[:, :-1] >= 0, "float32")
        return ops.mean(
            ops.sum(losses * present, axis=1) / ops.maximum(ops.sum(present, axis=1), 1)
        )


@keras.saving.register_keras_serializable("paperzoo.gpt1")
class Chooser(Classifier):
    """One of several answers: a linear layer scores each, softmax compares them (section 3.3).

    Of its arguments, classes is 1, the score.
    """

    def call(self, inputs, training=False):
        """Return float32 logits [batch, answers].

        Args:
            inputs: int32 [batch, answers, time], padded on the left with -1.
        """
        states = self.head_dropout(self.extract(inputs, training), training=training)
        return self.head(states)[..., 0]
