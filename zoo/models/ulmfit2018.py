"""Universal Language Model Fine-tuning for Text Classification (Howard, Ruder, ACL 2018,
https://arxiv.org/abs/1801.06146): ULMFiT.

New in this paper: transfer learning for text in three stages. An AWD-LSTM language model, the class
of merity2017, learns general text, then the texts of a task; then a classifier on top of it learns
the labels. Each layer has its own learning rate, rates rise and fall in a slanted triangle, and
layers join the training one by one from the top; see zoo/optim/discriminative.py and the schedule
"slanted_triangular".

This file is the classifier (section 3.3). Open points and departures:
  head           Batch normalisation, dropout, linear, ReLU; then the same without ReLU, as in the
                 authors' code, with its dropouts of 0.4 and 0.1 and its 50 units.
  pooling        Of real positions only; the authors' first code pooled padding too.
  BPT3C          Gradients do not flow through the state from a chunk of `chunk` words to the
                 previous one, as in the code; every chunk of the last `kept` words gets gradients
                 from the pooled states. Earlier words only feed the state. Chunks count from a
                 document's end; the code counts from its padded beginning.
  dropout masks  One for a whole document; the code draws new ones for each chunk. Pooling takes the
                 last LSTM's output without the language model's output dropout, as in the code.
  padding        On the left, as in the code, so that a document's last word is the last position.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import ops

from zoo import typed
from zoo.layers.model import PaperModel
from zoo.models.merity2017 import Encoder, LanguageModel

__all__ = ["Classifier", "LanguageModel"]

# Below every hidden state: these are between -1 and 1.
LOWEST = -2.0


@keras.saving.register_keras_serializable("paperzoo")
class Head(keras.layers.Layer):
    """Two blocks of batch normalisation, dropout and a linear layer, ReLU between them, float32.

    Args:
        inputs, width, classes: sizes of the input, the hidden layer and the output.
        dropout, final_dropout: of the first and the second block.
    """

    def __init__(
        self, inputs: int, width: int, classes: int, dropout: float, final_dropout: float
    ) -> None:
        super().__init__(dtype="float32")
        self.inputs = inputs

        def norm():
            return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype="float32")

        self.first_norm, self.second_norm = norm(), norm()
        self.first_dropout = keras.layers.Dropout(dropout, dtype="float32")
        self.second_dropout = keras.layers.Dropout(final_dropout, dtype="float32")
        self.hidden = keras.layers.Dense(width, activation="relu", dtype="float32")
        self.output_layer = keras.layers.Dense(classes, dtype="float32")

    def build(self, input_shape=None) -> None:
        for layer in (self.first_norm, self.hidden):
            layer.build((None, self.inputs))
        for layer in (self.second_norm, self.output_layer):
            layer.build((None, self.hidden.units))
        self.built = True

    def call(self, x, training=False):
        """Return logits [batch, classes] of x [batch, inputs]."""
        x = self.first_dropout(self.first_norm(x, training=training), training=training)
        x = self.hidden(x)
        x = self.second_dropout(self.second_norm(x, training=training), training=training)
        return self.output_layer(x)


@keras.saving.register_keras_serializable("paperzoo")
class Classifier(PaperModel):
    """A language model's encoder, concat pooling and a head of two blocks (section 3.3).

    h_c = [h_T, maxpool(H), meanpool(H)], H the hidden states h_1 ... h_T.
    """

    @dataclass(frozen=True, kw_only=True)
    class Arguments(Encoder.Arguments):
        classes: int  # number of labels
        dropout_words: float = 0.05
        head_width: int = 50  # units between the two blocks of the head
        dropout_head: float = 0.4  # of its first block
        dropout_final: float = 0.1  # of its second block
        chunk: int = 70  # words after which gradients through the state end
        # The last words of a document, which are pooled and get gradients: a multiple of chunk.
        kept: int = 1400
        padding_id: int = 0

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        sizes = self.arguments
        if sizes.kept % sizes.chunk:
            raise ValueError(f"kept is {sizes.kept}, which is no multiple of chunk, {sizes.chunk}")
        self.kept = sizes.kept
        self.encoder = Encoder(sizes, softmax=False, dtype=self.dtype_policy)
        self.head = Head(
            3 * sizes.embedding, sizes.head_width, sizes.classes, sizes.dropout_head,
            sizes.dropout_final,
        )  # fmt: skip

    def build(self, input_shape=None) -> None:
        self.encoder.build()
        self.head.build()
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [batch, classes].

        Args:
            inputs: int32 tokens [batch, time], padded on the left.
        """
        batch, time = ops.shape(inputs)
        carry = self.initial_carry(batch)
        if isinstance(time, int) and time > self.kept:  # early words need no gradients
            early = inputs[:, : time - self.kept]
            carry = self.read(early, carry, pooled=False, training=training)
            carry = {name: ops.stop_gradient(leaf) for name, leaf in carry.items()}
            inputs, time = inputs[:, time - self.kept :], self.kept
        # Chunks end at the last word, so one begins with the first kept word.
        kept = ops.broadcast_to(typed.arange(time) >= time - self.kept, ops.shape(inputs))
        return self.decide(self.read(inputs, carry, kept, training), training)

    # A document in pieces ------------------------------------------------------------------------

    def initial_carry(self, batch):
        """Return the carry before the first piece.

        It is the encoder's state, "maximum" and "sum" of the pooled positions, float32 [batch,
        embedding], and their "count", float32 [batch, 1].
        """
        zeros = ops.zeros((batch, self.arguments.embedding), dtype="float32")
        pools = {"maximum": zeros + LOWEST, "sum": zeros, "count": zeros[:, :1]}
        return {**self.encoder.initial_state(batch), **pools}

    def read(self, tokens, carry, pooled=True, training=False):
        """Return the carry after a piece.

        Args:
            tokens: int32 [batch, time], padded on the left.
            carry: from `initial_carry` or another `read`.
            pooled: whether to pool the positions: a bool, or bool [batch, time].
        """
        mask = ops.not_equal(tokens, self.arguments.padding_id)
        state = {name: leaf for name, leaf in carry.items() if name[:2] in ("h_", "c_")}
        hidden, _, state = self.encoder(
            tokens, state, mask=mask, chunk=self.arguments.chunk, training=training
        )
        after = {**carry, **state}
        if pooled is False:
            return after
        counted = ops.transpose(mask if pooled is True else ops.logical_and(mask, pooled))
        real = ops.cast(counted, "float32")[:, :, None]  # [time, batch, 1]
        hidden = ops.cast(hidden, "float32")
        highest = ops.max(typed.where(counted[:, :, None], hidden, LOWEST), axis=0)
        return {
            **after,
            "maximum": ops.maximum(carry["maximum"], highest),
            "sum": carry["sum"] + ops.sum(hidden * real, axis=0),
            "count": carry["count"] + ops.sum(real, axis=0),
        }

    def decide(self, carry, training=False):
        """Return float32 logits [batch, classes] of fully read documents."""
        last = carry[f"h_{self.arguments.layers - 1}"]
        mean = carry["sum"] / ops.maximum(carry["count"], 1.0)
        pooled = ops.concatenate([last, carry["maximum"], mean], axis=-1)
        return self.head(pooled, training=training)

    def groups(self):
        """Return the variables of each group of layers: embedding, LSTMs, head."""
        return [*self.encoder.groups(), list(self.head.trainable_variables)]
