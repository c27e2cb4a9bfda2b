"""ALBERT: A Lite BERT for Self-supervised Learning (Lan et al., ICLR 2020): the models that
fine-tuning makes of ALBERT (section 4.1), as bert2018's.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras

from zoo.models import bert2018_tasks
from zoo.models.albert2019 import Encoder, Sizes


@keras.saving.register_keras_serializable("paperzoo.albert2019")
class Classifier(bert2018_tasks.Classifier):
    """P(y | x) = softmax(W tanh(W_p C + b_p) + b), C the state of the first token."""

    encoder_class = Encoder

    @dataclass(frozen=True, kw_only=True)
    class Arguments(Sizes):
        classes: int  # number of labels
        dropout_head: float = 0.1  # on the pooled state, the paper's classifier dropout
        start_id: int = 2  # [CLS], which begins a sequence


@keras.saving.register_keras_serializable("paperzoo.albert2019")
class Answerer(bert2018_tasks.Answerer):
    """The score of the answer from token i to token j is S T_i + E T_j, as in bert2018."""

    encoder_class = Encoder

    @dataclass(frozen=True, kw_only=True)
    class Arguments(Sizes):
        pass
