"""Training objectives, one class each: the loss, an update, the validation.

To add an objective, subclass `Trainer` and name the class in a task, see `zoo.tasks.base.Task`.
"""

from __future__ import annotations

import contextlib
import functools
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import keras
import numpy as np

from zoo.config.choices import OPTIMIZERS, imported
from zoo.config.recipe import Recipe
from zoo.config.tasks import task_class
from zoo.data.batches import IGNORED, Batches, LabelledBatches, PairBatches
from zoo.data.encoded import Encoded
from zoo.data.mixture import MixedBatches, Mixture
from zoo.data.separate import SeparateTexts
from zoo.data.stream import Stream
from zoo.models.contracts import Regularised
from zoo.optim.asgd import ASGD
from zoo.optim.optimizers import optimizer
from zoo.tasks.likelihood import log_probabilities, stream_loss
from zoo.tasks.losses import LabelSmoothedCrossEntropy
from zoo.tasks.metrics import mean_loss, softmax
from zoo.tasks.reading import classifier_logits
from zoo.text import Tokenizer
from zoo.training.streaming import Carried

# The name of `Trainer.plain_loss`.
PLAIN = "plain_loss"


class Trainer:
    """One objective: a compiled model, its batches, an update and the validation loss.

    Args:
        model: a built model; it is trained in place.
        recipe: the optimizer, schedule, loss and batches.
        train, valid: the training and validation examples.
        tokenizer: the target's tokenizer, for its start and padding ids.

    Attributes:
        model: the compiled and checkpointed model.
        batches: the training batches.
        rows_at_least: the smallest batch that a run on few examples chooses.
        seconds: spent on training before the first update.
    """

    rows_at_least: ClassVar[int] = 2
    seconds: float = 0.0

    def __init__(
        self,
        model: keras.Model,
        recipe: Recipe,
        train: Encoded | Mixture,
        valid: Encoded,
        tokenizer: Tokenizer,
    ) -> None:
        self.recipe = recipe
        self.valid = valid
        self.tokenizer = tokenizer
        self.batches = self.make_batches(recipe, train, tokenizer)
        self.model = self.wrap(model)
        self.model.compile(
            optimizer=self.make_optimizer(model), loss=self.loss(), metrics=self.metrics(model),
            jit_compile=_jit(recipe.train.jit),
        )  # fmt: skip
        _keep_float32(self.model)
        self.model.optimizer.build(self.model.trainable_variables)

    @classmethod
    def make_batches(cls, recipe: Recipe, data: Any, tokenizer: Tokenizer) -> Batches:
        """Return the recipe's training batches of an `Encoded`, or a `Mixture` where it has one."""
        raise NotImplementedError

    @classmethod
    def rows(cls, recipe: Recipe, data: Encoded) -> int:
        """Return how many rows the examples could fill."""
        return len(data)

    def wrap(self, model: keras.Model) -> keras.Model:
        """Return the model to compile: the model itself, or a model around it."""
        return model

    def make_optimizer(self, model: keras.Model) -> keras.optimizers.Optimizer:
        """Return the recipe's optimizer for the model."""
        return optimizer(self.recipe, model)

    def loss(self) -> keras.losses.Loss:
        """Return the loss of a batch."""
        raise NotImplementedError

    def plain_loss(self) -> keras.metrics.Metric:
        """Return the validation loss as a metric of a training batch."""
        raise NotImplementedError

    def metrics(self, model: keras.Model) -> list[keras.metrics.Metric]:
        """Return the plain loss as a metric if the loss has more terms, such as AR and TAR."""
        return [self.plain_loss()] if isinstance(model, Regularised) and model.adds_loss else []

    def update(self, step: int) -> float:
        """Make one update on the batch of a step; return its loss, measured as `validate` does."""
        inputs, labels = self.batches.batch(step)
        logs = self.model.train_on_batch(inputs, labels, return_dict=True)
        return float(logs.get(PLAIN, logs["loss"]))

    def weight(self, step: int) -> float:
        """Return the weight of a batch in the mean of losses: what its loss is a mean of."""
        return float(self.batches.tokens(step))

    def validate(self) -> float:
        """Return the loss on the validation examples."""
        raise NotImplementedError

    def result(self, model: keras.Model) -> tuple[Recipe, keras.Model]:
        """Return what a bundle is made of: recipe and model; the data may decide their sizes.

        Args:
            model: the one that the trainer was given.
        """
        return self.recipe, model

    def measured_weights(self) -> AbstractContextManager:
        """Hold the weights to measure in the model during a block; with ASGD the averaged ones."""
        return contextlib.nullcontext()


class SequenceToSequenceTrainer(Trainer):
    """Predict the next piece of a target given its source and the pieces before it."""

    rows_at_least = 4

    @classmethod
    def make_batches(
        cls, recipe: Recipe, data: Encoded | Mixture, tokenizer: Tokenizer, training: bool = True
    ) -> PairBatches | MixedBatches:
        """Return batches shuffled by the recipe's seed, or in a fixed order for validation."""
        if isinstance(data, Mixture):
            parts = [cls.pair_batches(recipe, part, tokenizer) for part in data.parts]
            shares = [also.share for also in recipe.data.also]
            return MixedBatches(parts, shares, recipe.train.updates, recipe.seed)
        return cls.pair_batches(recipe, data, tokenizer, training)

    @staticmethod
    def pair_batches(
        recipe: Recipe, data: Encoded, tokenizer: Tokenizer, training: bool = True
    ) -> PairBatches:
        """Return the batches of one corpus."""
        return PairBatches(
            data, batch_tokens=recipe.train.batch_tokens,
            batch_sentences=recipe.train.batch_sentences, buckets=recipe.train.buckets,
            seed=recipe.seed if training else None, start_id=tokenizer.start_id,
            pad_id=tokenizer.pad_id,
        )  # fmt: skip

    def loss(self) -> keras.losses.Loss:
        settings = self.recipe.train
        return LabelSmoothedCrossEntropy(
            settings.label_smoothing, self.tokenizer.pad_id, settings.loss
        )

    @functools.cached_property
    def validation(self) -> PairBatches:
        """The validation batches."""
        return self.pair_batches(self.recipe, self.valid, self.tokenizer, training=False)

    def weight(self, step: int) -> float:
        return self._weight(self.batches, step)

    def _weight(self, batches: Any, step: int) -> float:
        if isinstance(batches, MixedBatches):
            batches, step = batches.place(step)
        if self.recipe.train.loss == "sentence":
            return float(len(batches.members_of(step)[1]))
        return float(batches.tokens(step))

    def validate(self) -> float:
        """Return the training loss in nats: the mean over tokens, or over sentences."""
        batches, total, weights = self.validation, 0.0, 0.0
        for step in range(batches.per_pass):
            inputs, labels = batches.batch(step)
            loss = self.model.test_on_batch(inputs, labels, return_dict=True)["loss"]
            weight = self._weight(batches, step)
            total, weights = total + float(loss) * weight, weights + weight
        return total / weights


class NextTokenTrainer(Trainer):
    """Predict the next token of a stream; the state passes from batch to batch."""

    @classmethod
    def make_batches(
        cls, recipe: Recipe, data: Encoded, tokenizer: Tokenizer
    ) -> Stream | SeparateTexts:
        settings = recipe.train
        assert settings.bptt is not None  # both are checked when the recipe is read
        assert settings.batch_sentences is not None
        if settings.separate:
            return SeparateTexts(
                data.tokens, rows=settings.batch_sentences, bptt=settings.bptt, seed=recipe.seed,
                start_id=tokenizer.start_id, end_id=tokenizer.end_id,
            )  # fmt: skip
        return Stream(
            data.tokens, rows=settings.batch_sentences, bptt=settings.bptt,
            vary=settings.vary_bptt, shuffle=settings.shuffle, seed=recipe.seed,
        )  # fmt: skip

    @classmethod
    def rows(cls, recipe: Recipe, data: Encoded) -> int:
        """Return how many rows of `train.bptt` tokens the text fills, or the number of texts."""
        assert recipe.train.bptt is not None
        if recipe.train.separate:
            return len(data)
        return (len(data.tokens.ids) - 1) // recipe.train.bptt

    def wrap(self, model: keras.Model) -> keras.Model:
        self.language_model = model
        settings = self.recipe.train
        assert settings.batch_sentences is not None
        return Carried(model, settings.batch_sentences)

    def make_optimizer(self, model: keras.Model) -> keras.optimizers.Optimizer:
        settings, lengths = self.recipe.train, None
        if settings.vary_bptt:
            assert isinstance(self.batches, Stream)  # separate texts have no length to vary
            lengths = self.batches.lengths(settings.updates)
        return optimizer(self.recipe, model, lengths)

    def loss(self) -> keras.losses.Loss:
        return LabelSmoothedCrossEntropy(self.recipe.train.label_smoothing, padding_id=IGNORED)

    def plain_loss(self) -> keras.metrics.Metric:
        return keras.metrics.MeanMetricWrapper(
            LabelSmoothedCrossEntropy(padding_id=IGNORED).call, name=PLAIN
        )

    def metrics(self, model: keras.Model) -> list[keras.metrics.Metric]:
        return [self.plain_loss()] if self.recipe.train.label_smoothing else super().metrics(model)

    def validate(self) -> float:
        """Return the model's own loss in nats a token; with ASGD, of the averaged weights."""
        with self.measured_weights():
            model, tokens = self.language_model, self.valid.tokens
            rows = self.recipe.evaluate.batch_size
            if isinstance(self.batches, SeparateTexts):
                texts = self.batches.framed(tokens)
                counted = sum(len(ids) - 1 for ids in texts)
                return -float(log_probabilities(model, texts, rows).sum()) / counted
            return stream_loss(model, tokens.ids, rows)

    def measured_weights(self) -> AbstractContextManager:
        asgd = self.model.optimizer
        if isinstance(asgd, ASGD):
            return asgd.swapped(self.model.trainable_variables)
        return super().measured_weights()


class ClassifierTrainer(Trainer):
    """Predict the label or number of an example: a text, two texts, a question with answers."""

    @classmethod
    def make_batches(cls, recipe: Recipe, data: Encoded, tokenizer: Tokenizer) -> LabelledBatches:
        """Return batches of labelled texts, none longer than the model's context."""
        return cls.labelled_batches(LabelledBatches, recipe, data, tokenizer)

    @staticmethod
    def labelled_batches(
        kind: type[LabelledBatches], recipe: Recipe, data: Encoded, tokenizer: Tokenizer
    ) -> LabelledBatches:
        """Return batches of a kind, of the recipe's rows and buckets."""
        assert recipe.train.batch_sentences is not None  # checked when the recipe is read
        buckets = recipe.train.buckets
        context = recipe.resolved().model.arguments.get("context", buckets[-1])
        return kind(
            data, rows=recipe.train.batch_sentences,
            buckets=sorted({min(bucket, context) for bucket in buckets}), seed=recipe.seed,
            pad_id=tokenizer.pad_id,
        )  # fmt: skip

    def loss(self) -> keras.losses.Loss:
        if self.recipe.regression:
            return keras.losses.MeanSquaredError(dtype="float32")
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float32")

    def plain_loss(self) -> keras.metrics.Metric:
        if self.recipe.regression:
            return keras.metrics.MeanSquaredError(name=PLAIN)
        return keras.metrics.SparseCategoricalCrossentropy(name=PLAIN, from_logits=True)

    def weight(self, step: int) -> float:
        return 1.0  # all batches have as many examples

    @functools.cached_property
    def validation(self) -> list[list[np.ndarray]]:
        """The validation examples, each with its sequences."""
        return [self.valid[i] for i in range(len(self.valid))]

    def validate(self) -> float:
        """Return the mean of -log P of the labels in nats, or the mean squared error of numbers."""
        texts, labels = self.validation, self.valid.labels
        assert labels is not None, "a classifier's examples have labels"
        size = self.recipe.evaluate.batch_size
        rows = classifier_logits(self.model, texts, self.tokenizer.pad_id, size)
        if self.recipe.regression:
            return float(np.mean((rows[:, 0] - labels) ** 2))
        return mean_loss(softmax(rows), labels)


def trainer_class(task: str) -> Any:
    """Return the trainer class of a task."""
    return imported(task_class(task).trainer)


def trainer_of(recipe: Recipe) -> Any:
    """Return the trainer class of a recipe: that of its optimizer, if it has one, or its task's."""
    own = OPTIMIZERS[recipe.optimizer.name].trainer
    return imported(own) if own else trainer_class(recipe.task)


def _keep_float32(model: keras.Model) -> None:
    """Let a compiled model compute and average its loss in float32.

    Keras does both in `keras.config.floatx()`, which in 16 bits would round a loss to three digits.
    It has no option for it; the names are private.
    """
    model._compile_loss._dtype = "float32"
    tracker = keras.metrics.Mean(name="loss", dtype="float32")
    object.__setattr__(model, "_loss_tracker", tracker)  # unseen by Keras, which lists it once


def _jit(setting: bool | None) -> bool | str:
    """Use XLA by default but on TensorFlow: it compiles slowly, and bfloat16 is slow on CPUs."""
    if setting is not None:
        return setting
    return False if keras.backend.backend() == "tensorflow" else "auto"
