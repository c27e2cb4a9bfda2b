"""Train a model of vectors on scored pairs (Sentence-BERT, section 3, the regression objective)."""

from __future__ import annotations

import keras
import numpy as np

from zoo.tasks.reading import classifier_logits
from zoo.training.trainers import PLAIN, ClassifierTrainer


class CosineTrainer(ClassifierTrainer):
    """Bring the cosine of two texts, times the model's scale, to their score."""

    def loss(self) -> keras.losses.Loss:
        return keras.losses.MeanSquaredError(dtype="float32")

    def plain_loss(self) -> keras.metrics.Metric:
        return keras.metrics.MeanSquaredError(name=PLAIN)

    def validate(self) -> float:
        """Return the mean squared error of the scores of the validation pairs."""
        pairs, scores = self.validation, self.valid.labels
        assert scores is not None, "pairs have scores"
        size = self.recipe.evaluate.batch_size
        rows = classifier_logits(self.model, pairs, self.tokenizer.pad_id, size)
        return float(np.mean((rows[:, 0] - scores) ** 2))
