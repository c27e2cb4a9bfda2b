"""Improving Language Understanding by Generative Pre-Training (Radford et al., OpenAI 2018): the
models that fine-tuning makes of GPT (sections 3.2 and 3.3).

One network serves all tasks: an input is one sequence or several, each between a start and an
extract token, and a linear layer reads the state of the extract token. Open points and departures:
  specials   The special tokens have a matrix of their own; the code appends their rows to the word
             embedding. The auxiliary objective's logits cover both, as in the code.
  loss       The auxiliary loss is a mean over each sequence's positions, then over sequences, as in
             the code.
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
    """P(y | x_1 ... x_m) = softmax(h_m W_y + b_y), h_m the extract token's state (equation 3).

    A text is one sequence, and so is an ordered pair, as in entailment. The similarity of two texts
    takes two sequences, one for each order, and adds their states.
    """

    @dataclass(frozen=True, kw_only=True)
    class Arguments(LanguageModel.Arguments):
        classes: int  # number of labels; 1 for a number or a score
        dropout_head: float = 0.1  # on the state before the linear layer
        auxiliary: float = 0.5  # lambda, weight of the language model's loss (equation 5)

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

    @property
    def adds_loss(self) -> bool:
        """Whether training adds the auxiliary loss, see `extract`."""
        return bool(self.arguments.auxiliary)

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

        Training adds the auxiliary loss, lambda * L1 (equation 5).

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
        """Return the mean over sequences of each sequence's mean -log P of a token."""
        logits = self.decoder.logits(hidden[:, :-1])
        labels = ops.maximum(ids[:, 1:], 0)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        present = ops.cast(ids[:, :-1] >= 0, "float32")
        tokens = ops.maximum(ops.sum(present, axis=1), 1)
        return ops.mean(ops.sum(losses * present, axis=1) / tokens)


@keras.saving.register_keras_serializable("paperzoo.gpt1")
class Chooser(Classifier):
    """A linear layer scores each answer, softmax compares these (section 3.3); classes is 1."""

    axes = 3

    def call(self, inputs, training=False):
        """Return float32 logits [batch, answers].

        Args:
            inputs: int32 [batch, answers, time], padded on the left with -1.
        """
        states = self.head_dropout(self.extract(inputs, training), training=training)
        return self.head(states)[..., 0]
