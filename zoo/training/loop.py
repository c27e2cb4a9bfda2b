"""The training loop: updates, and at the end of each fit-epoch validation and a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from zoo.config.recipe import Recipe
from zoo.errors import CheckpointError
from zoo.training import checkpoints
from zoo.training.callbacks import CheckpointCallback, ProgressCallback
from zoo.training.trainers import Trainer


@dataclass(frozen=True)
class FitResult:
    """What a fit measured; the final weights are in the model.

    Attributes:
        history: a row for each fit-epoch: step, loss, val_loss, seconds.
        chosen: which weights were taken: "average of the last N" or "step N".
        val_loss: of these weights, by the trainer's `validate`.
    """

    history: list[dict[str, float]]
    chosen: str
    val_loss: float


def fit(
    trainer: Trainer,
    recipe: Recipe,
    run_folder: Path,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> FitResult:
    """Train by the recipe; afterwards the trainer's model holds the best weights found.

    Checkpoints go to `run_folder`; with `resume` the run goes on from the newest of them, and ends
    with the very weights of a run that never stopped: the batch of a step depends on nothing but
    the seed, and all other state is in the checkpoint. Keras' number of an epoch is the step that
    it begins at; the last epoch may be shorter.

    Raises:
        TrainingError: the loss is no longer a number; names the last good weights.
        CheckpointError: a checkpoint cannot be written or resumed from.
    """
    model, settings = trainer.model, recipe.train
    state: dict[str, Any] = {"history": [], "best": None, "best_loss": None}
    first = _begin(run_folder, model, state, resume)
    saving = CheckpointCallback(run_folder, recipe, state)
    progress = ProgressCallback(trainer.batches, recipe)
    hooks = keras.callbacks.CallbackList([saving, progress, *callbacks], model=model)
    with progress.bar:
        for epoch in range(first, settings.updates, settings.updates_per_epoch):
            if saving.out_of_patience:
                break
            hooks.on_epoch_begin(epoch)
            total = 0.0
            for step in range(epoch, min(epoch + settings.updates_per_epoch, settings.updates)):
                total += trainer.update(step)
                logs = {"loss": total / (step - epoch + 1)}  # the mean of the epoch so far
                hooks.on_train_batch_end(step - epoch, logs)
            hooks.on_epoch_end(epoch, {**logs, "val_loss": trainer.validate()})
    return _choose(model, run_folder, state, settings.average, trainer.validate)


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
