"""Train a tagger: predict the tag of each word at its first piece (bert2018, section 5.3)."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

from zoo.config.recipe import Recipe
from zoo.config.tasks import mark_entities
from zoo.data.batches import IGNORED
from zoo.data.encoded import Encoded
from zoo.data.tagged import TaggedBatches, Window, examples
from zoo.tasks.losses import LabelSmoothedCrossEntropy
from zoo.tasks.metrics import mean_loss, softmax
from zoo.tasks.tagging import seqeval, tag_logits
from zoo.text import Tokenizer
from zoo.training.trainers import PLAIN, ClassifierTrainer


class TaggerTrainer(ClassifierTrainer):
    """Predict the tag of each word; a batch's loss is the mean over its words."""

    @classmethod
    def make_batches(cls, recipe: Recipe, data: Encoded, tokenizer: Tokenizer) -> Any:
        """Return batches of windows, none longer than the model's context.

        Raises NotSupported at the start of a run, and not at its end, if it cannot be measured.
        """
        if mark_entities(recipe.data.labels):
            seqeval()
        return cls.labelled_batches(TaggedBatches, recipe, data, tokenizer)

    def loss(self) -> keras.losses.Loss:
        return LabelSmoothedCrossEntropy(self.recipe.train.label_smoothing, padding_id=IGNORED)

    def plain_loss(self) -> keras.metrics.Metric:
        plain = LabelSmoothedCrossEntropy(padding_id=IGNORED)
        return keras.metrics.MeanMetricWrapper(plain.call, name=PLAIN)

    def metrics(self, model: keras.Model) -> list[keras.metrics.Metric]:
        return [self.plain_loss()] if self.recipe.train.label_smoothing else super().metrics(model)

    def weight(self, step: int) -> float:
        assert isinstance(self.batches, TaggedBatches)
        return float(self.batches.words(step))

    @functools.cached_property
    def held_out(self) -> tuple[list[list[Window]], np.ndarray]:
        """The validation windows, and the tags of all their words, one after the other."""
        found, tags = [], [np.zeros(0, dtype=np.int32)]
        for ids, row in examples(self.valid):
            places = np.flatnonzero(row != IGNORED)
            found.append([Window(np.asarray(ids), 0, places)])
            tags.append(row[places])
        return found, np.concatenate(tags)

    def validate(self) -> float:
        """Return the mean of -log P of the tags of words, in nats."""
        sentences, tags = self.held_out
        size = self.recipe.evaluate.batch_size
        logits = tag_logits(self.model, sentences, self.tokenizer.pad_id, size)
        return mean_loss(softmax(np.concatenate(logits)), tags)
