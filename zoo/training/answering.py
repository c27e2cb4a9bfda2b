"""Train a model that answers questions: predict where the answer starts and where it ends
(bert2018, section 4.2)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.config.recipe import Recipe
from zoo.data.batches import IGNORED
from zoo.data.encoded import Encoded
from zoo.data.spans import SPANS, SpanBatches
from zoo.tasks.answering import span_logits
from zoo.tasks.losses import LabelSmoothedCrossEntropy
from zoo.tasks.metrics import log_softmax
from zoo.text import Tokenizer
from zoo.training.trainers import PLAIN, ClassifierTrainer


class AnswerTrainer(ClassifierTrainer):
    """Predict start and end of the answer; a batch's loss is the mean of both over its windows.

    A window without the answer has both at [CLS].
    """

    @classmethod
    def make_batches(cls, recipe: Recipe, data: Encoded, tokenizer: Tokenizer) -> Any:
        """Return batches of windows, none longer than the model's context."""
        return cls.labelled_batches(SpanBatches, recipe, data, tokenizer)

    def loss(self) -> keras.losses.Loss:
        # Logits [rows, 2, time] and labels [rows, 2]: the mean over rows, starts and ends.
        return LabelSmoothedCrossEntropy(padding_id=IGNORED)

    def plain_loss(self) -> keras.metrics.Metric:
        return keras.metrics.MeanMetricWrapper(self.loss().call, name=PLAIN)

    def validate(self) -> float:
        """Return the mean of -log P of starts and ends in nats."""
        windows = [np.asarray(self.valid.tokens[i]) for i in range(len(self.valid))]
        size = self.recipe.evaluate.batch_size
        logits = span_logits(self.model, windows, self.tokenizer.pad_id, size)
        spans = self.valid.columns[SPANS]
        log_p = [log_softmax(rows)[[0, 1], np.asarray(spans[i])] for i, rows in enumerate(logits)]
        return -float(np.mean(log_p))
