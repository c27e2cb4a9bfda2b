"""ALBERT: A Lite BERT for Self-supervised Learning of Language Representations (Lan, Chen, Goodman,
Gimpel, Sharma, Soricut, ICLR 2020, https://arxiv.org/abs/1909.11942): ALBERT.

New in this paper: bert2018 with a fraction of its parameters (section 3.1). The tables of words,
positions and segments are E wide and a matrix turns their sum into states of width H; all layers
are one block, applied L times. And a second task that is about coherence, not topic: whether two
texts that follow each other come in their order or are swapped.

Open points and departures:
  GELU       The tanh approximation, as in the code and in the second version's checkpoints; the
             first version's are read with the exact one, as transformers reads them.
  heads      As in the released models: 16 of 128 units at xlarge, where the paper has H / 64. The
             number of parameters is the same.
  dropout    0, as in the second version of the released models; the first had 0.1 but at xxlarge.
  groups     One, of one block, as in the paper's models; the code can have several.
  the rest   See bert2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras

from zoo.models import bert2018
from zoo.models.bert2018 import Embeddings, block, mask_of, normal


@dataclass(frozen=True, kw_only=True)
class Sizes(bert2018.Sizes):
    """The arguments of all models of the paper."""

    embedding: int = 128  # E, of the tables
    dropout: float = 0.0  # on embeddings and on the outputs of attention and FFN
    attention_dropout: float = 0.0  # on the attention weights
    activation: str = "gelu_tanh"  # "gelu" is exact
    separator_id: int = 3  # [SEP], which ends each text


@keras.saving.register_keras_serializable("paperzoo.albert2019")
class Encoder(keras.layers.Layer):
    """Factorised embeddings and one block, applied `layers` times (section 3.1).

    Args:
        arguments: those of the model.
    """

    def __init__(self, arguments: Sizes, **kwargs) -> None:
        super().__init__(**kwargs)
        self.sizes = arguments
        self.repeats = arguments.layers
        common = {"dtype": self.dtype_policy}
        self.embeddings = Embeddings(arguments, arguments.embedding, **common)
        self.projection = keras.layers.Dense(arguments.width, kernel_initializer=normal(), **common)
        self.block = block(arguments, **common)

    def build(self, input_shape=None) -> None:
        self.embeddings.build()
        self.projection.build((None, None, self.embeddings.width))
        self.block.build()
        self.built = True

    def call(self, tokens, segments=None, training=False):
        """Return the states of all tokens, [batch, time, width]; for the arguments see bert2018."""
        mask = mask_of(tokens, self.sizes)
        x = self.projection(self.embeddings(tokens, segments, training=training))
        for _ in range(self.repeats):
            x, _, _ = self.block(x, mask, training=training)
        return x


@keras.saving.register_keras_serializable("paperzoo.albert2019")
class MaskedLanguageModel(bert2018.MaskedLanguageModel):
    """P(x_i | all x_j that are not hidden), for hidden tokens x_i, through states of width E.

    With `sentence_order`, also whether two texts stand in their order or swapped (section 3.1).
    """

    encoder_class = Encoder
    second_task = "sentence_order"

    @dataclass(frozen=True, kw_only=True)
    class Arguments(Sizes):
        sentence_order: bool = False  # with the pooled state and the head of the second task


# Keras reads a file of each model of the paper after one import, this file's.
from zoo.models import albert2019_tasks as albert2019_tasks  # noqa: E402
