"""Fit a model to arrays: Keras fit underneath, resumable, with checkpoints at epoch boundaries."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.config.recipe import Recipe
from zoo.data.arrays import Arrays, Documents
from zoo.data.batches import Batch, Batches
from zoo.data.document_batches import DocumentBatches
from zoo.data.stream import Stream
from zoo.errors import CheckpointError
from zoo.optim.asgd import ASGD
from zoo.optim.optimizers import optimizer
from zoo.tasks.likelihood import IGNORED, stream_loss
from zoo.tasks.losses import LabelSmoothedCrossEntropy
from zoo.tasks.metrics import softmax
from zoo.tasks.reading import logits
from zoo.text import Tokenizer
from zoo.training import checkpoints
from zoo.training.callbacks import Keeper, Progress
from zoo.training.streaming import Carried, run_epoch


@dataclass(frozen=True)
class FitResult:
    """What a fit measured; the final weights are in the model.

    Attributes:
        history: a row for each fit-epoch: step, loss, val_loss, seconds.
        chosen: which weights were taken: "average of the last N" or "step N".
        val_loss: of these weights on the validation set: smoothed cross-entropy, in nats per token
            or sentence, as the recipe's train.loss has it; the mean squared error of numbers.
    """

    history: list[dict[str, float]]
    chosen: str
    val_loss: float


class Window(keras.utils.PyDataset):
    """`length` consecutive batches from a step on, in the form that Keras fit reads.

    On TensorFlow, Keras infers which dimensions vary from the first two batches alone. If these
    two are of one bucket, the second trades places with the next one of another bucket.
    """

    def __init__(self, batches: Batches, first: int, length: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.batches = batches
        self.steps = list(range(first, first + length))
        buckets = [batches.members_of(step)[0] for step in self.steps]
        other = next((i for i, bucket in enumerate(buckets) if bucket != buckets[0]), 1)
        if other > 1:
            self.steps[1], self.steps[other] = self.steps[other], self.steps[1]

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int) -> Batch:
        return self.batches.batch(self.steps[index])


def batches(arrays: Arrays, recipe: Recipe, tokenizer: Tokenizer, training: bool = True) -> Batches:
    """Return the recipe's batches of some arrays: shuffled by its seed, or in one fixed order."""
    return Batches(
        arrays,
        batch_tokens=recipe.train.batch_tokens,
        batch_sentences=recipe.train.batch_sentences,
        buckets=recipe.train.buckets,
        seed=recipe.seed if training else None,
        start_id=tokenizer.start_id,
        pad_id=tokenizer.pad_id,
    )


def fit(
    model: keras.Model,
    recipe: Recipe,
    train: Arrays | Documents,
    valid: Arrays | Documents,
    run_folder: Path,
    tokenizer: Tokenizer,
    resume: bool = False,
) -> FitResult:
    """Train a built model by its recipe; afterwards it holds the best weights found.

    Checkpoints go to `run_folder`; with `resume` the run
    goes on from the newest of them, and ends with the very weights of a run that never stopped.

    Args:
        tokenizer: the target's, for its start and padding ids.

    Raises:
        TrainingError: the loss is no longer a number; names the last good weights.
        CheckpointError: a checkpoint cannot be written or resumed from.
    """
    settings = recipe.train
    course = _course(model, recipe, train, valid, tokenizer)
    trained = course.model
    state: dict[str, Any] = {"history": [], "best": None, "best_loss": None}
    first = _begin(run_folder, trained, state, resume)
    keeper = Keeper(run_folder, recipe, state)
    # Epoch by epoch: the batches of one are a window on the endless row of steps, and nothing but
    # the checkpointed state is carried from one to the next. Keras' number of an epoch is the step
    # that it begins at; the last one may be shorter.
    progress = Progress(course.data, recipe)
    with progress.bar:
        for step in range(first, settings.updates, settings.updates_per_epoch):
            if keeper.out_of_patience:
                break
            length = min(settings.updates_per_epoch, settings.updates - step)
            course.epoch(step, length, [keeper, progress])
    return _choose(trained, run_folder, state, settings.average, course.validate)


class _Paired:
    """Training a translator on batches of pairs, by Keras fit."""

    def __init__(
        self, model: keras.Model, recipe: Recipe, train: Any, valid: Any, tokenizer: Tokenizer
    ) -> None:
        self.model = model
        self.data = batches(train, recipe, tokenizer)
        held_out = batches(valid, recipe, tokenizer, training=False)
        self.validation = Window(held_out, 0, held_out.per_pass)
        compile_for(model, recipe, tokenizer.pad_id)

    def epoch(self, first: int, length: int, callbacks: list[keras.callbacks.Callback]) -> None:
        self.model.fit(
            Window(self.data, first, length),
            validation_data=self.validation,
            initial_epoch=first,
            epochs=first + 1,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )

    def validate(self) -> float:
        return float(np.asarray(self.model.evaluate(self.validation, verbose=0)))


class _Classified:
    """Training a model that tells labels, answers or numbers, on batches of documents."""

    def __init__(
        self,
        model: keras.Model,
        recipe: Recipe,
        train: Documents,
        valid: Documents,
        tokenizer: Tokenizer,
    ) -> None:
        self.model = model
        self.data = document_batches(train, recipe, tokenizer)
        self.held_out = [valid[i] for i in range(len(valid))]
        self.labels = valid.labels
        self.regression = recipe.regression
        self.pad_id = tokenizer.pad_id
        self.rows = recipe.evaluate.batch_size
        model.compile(
            optimizer=optimizer(recipe, model),
            loss=keras.losses.MeanSquaredError()
            if self.regression
            else keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=_jit(recipe.train.jit),
        )
        model.optimizer.build(model.trainable_variables)

    def epoch(self, first: int, length: int, callbacks: list[keras.callbacks.Callback]) -> None:
        called = keras.callbacks.CallbackList(callbacks, model=self.model)
        run_epoch(self.model, self.data, first, length, called, self.validate)

    def validate(self) -> float:
        found = logits(self.model, self.held_out, self.pad_id, self.rows)
        if self.regression:
            return float(np.mean((found[:, 0] - self.labels) ** 2))
        chosen = softmax(found)[np.arange(len(found)), self.labels]
        return -float(np.log(np.maximum(chosen, 1e-300)).mean())


class _Streamed:
    """Training a language model on a stream that it reads on from batch to batch."""

    def __init__(
        self, model: keras.Model, recipe: Recipe, train: Documents, valid: Documents
    ) -> None:
        settings = recipe.train
        self.data = stream(train, recipe)
        self.held_out = valid.texts.ids
        self.rows = recipe.evaluate.batch_size
        self.language_model = model
        assert settings.batch_sentences is not None  # the recipe's own check has seen to it
        self.model = Carried(
            model, settings.batch_sentences, settings.activation, settings.temporal
        )
        lengths = self.data.lengths(settings.updates) if settings.vary_bptt else None
        self.model.compile(
            optimizer=optimizer(recipe, model, lengths),
            loss=LabelSmoothedCrossEntropy(settings.label_smoothing, padding_id=IGNORED),
            jit_compile=_jit(settings.jit),
        )
        self.model.optimizer.build(self.model.trainable_variables)

    def epoch(self, first: int, length: int, callbacks: list[keras.callbacks.Callback]) -> None:
        called = keras.callbacks.CallbackList(callbacks, model=self.model)
        run_epoch(self.model, self.data, first, length, called, self.validate)

    def validate(self) -> float:
        rule = self.model.optimizer
        swapped = rule.swapped if isinstance(rule, ASGD) else contextlib.nullcontext
        with swapped(self.model.trainable_variables):
            return stream_loss(self.language_model, self.held_out, self.rows)


def _course(
    model: keras.Model, recipe: Recipe, train: Any, valid: Any, tokenizer: Tokenizer
) -> _Paired | _Classified | _Streamed:
    if recipe.task == "generate":
        return _Streamed(model, recipe, train, valid)
    if recipe.task != "translate":
        return _Classified(model, recipe, train, valid, tokenizer)
    return _Paired(model, recipe, train, valid, tokenizer)


def document_batches(documents: Documents, recipe: Recipe, tokenizer: Tokenizer) -> DocumentBatches:
    """Return the recipe's batches of labelled texts, none longer than the model's context."""
    assert recipe.train.batch_sentences is not None  # the recipe's own check has seen to it
    buckets = recipe.train.buckets
    context = recipe.resolved().model.arguments.get("context", buckets[-1])
    return DocumentBatches(
        documents,
        rows=recipe.train.batch_sentences,
        buckets=sorted({min(bucket, context) for bucket in buckets}),
        seed=recipe.seed,
        pad_id=tokenizer.pad_id,
    )


def stream(documents: Documents, recipe: Recipe) -> Stream:
    """Return the recipe's stream of some texts."""
    settings = recipe.train
    assert settings.bptt is not None  # the recipe's own check has seen to these two
    assert settings.batch_sentences is not None
    return Stream(
        documents.texts,
        rows=settings.batch_sentences,
        bptt=settings.bptt,
        vary=settings.vary_bptt,
        shuffle=settings.shuffle,
        seed=recipe.seed,
    )


def compile_for(model: keras.Model, recipe: Recipe, padding_id: int) -> None:
    """Give a built model the recipe's optimizer and loss, as Keras fit needs them."""
    model.compile(
        optimizer=optimizer(recipe, model),
        loss=LabelSmoothedCrossEntropy(recipe.train.label_smoothing, padding_id, recipe.train.loss),
        jit_compile=_jit(recipe.train.jit),
    )
    model.optimizer.build(model.trainable_variables)


def _begin(folder: Path, model: keras.Model, state: dict[str, Any], resume: bool) -> int:
    """Return the step to begin at; with `resume`, restore the newest checkpoint."""
    last = checkpoints.latest(folder)
    if last is None:
        return 0
    if not resume:
        raise CheckpointError(
            f"{folder} already holds a run, up to {last.name}",
            "go on with --resume, choose another --out, or delete that folder",
        )
    restored = checkpoints.restore(last, model)
    state.update({key: restored[key] for key in state})
    return restored["step"]


def _jit(wanted: bool | None) -> bool | str:
    """XLA or not; off on TensorFlow: compiling is slow and bfloat16 has no fast path on CPUs."""
    if wanted is not None:
        return wanted
    return False if keras.backend.backend() == "tensorflow" else "auto"


def _choose(
    model: keras.Model,
    folder: Path,
    state: dict[str, Any],
    count: int,
    validate: Callable[[], float],
) -> FitResult:
    """Load the better of the average of the last checkpoints and the best single one."""
    paths = checkpoints.found(folder)
    best = folder / f"{checkpoints.PREFIX}{state['best']:08d}"
    checkpoints.restore_weights(best, model)
    result = FitResult(state["history"], f"step {state['best']}", state["best_loss"])
    if count > 1 and len(paths) > 1:
        last = paths[-count:]
        checkpoints.average(last, model)
        loss = validate()
        if loss <= result.val_loss:
            return FitResult(state["history"], f"average of the last {len(last)}", loss)
        checkpoints.restore_weights(best, model)
    return result
