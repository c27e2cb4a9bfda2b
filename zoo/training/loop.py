"""The training loop: updates, and after each fit-epoch a validation and a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
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
    """The result of a fit; the final weights are in the model.

    Attributes:
        history: a row for each fit-epoch: step, loss, val_loss, seconds.
        chosen: the weights that were chosen: "average of the last N" or "step N".
        val_loss: their validation loss, by the trainer's `validate`.
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
    """Train by the recipe and load the best weights into the trainer's model.

    Checkpoints go to `run_folder`; `resume` goes on from the newest one. A resumed run ends with
    the weights of an uninterrupted one: the batch of a step depends only on the seed and the step,
    and the checkpoint holds all other state.

    Raises:
        TrainingError: the loss is no longer a number; names the last good weights.
        CheckpointError: a checkpoint cannot be written or resumed from.
    """
    model, updates, per_epoch = trainer.model, recipe.train.updates, recipe.train.updates_per_epoch
    state: dict[str, Any] = {"history": [], "best": None, "best_loss": None}
    first_step = _restore(run_folder, model, state, resume)
    saving = CheckpointCallback(run_folder, recipe, state)
    progress = ProgressCallback(trainer.batches, recipe)
    hooks = keras.callbacks.CallbackList([saving, progress, *callbacks], model=model)
    with progress.bar:
        for epoch in range(first_step, updates, per_epoch):  # an epoch's number is its first step
            if saving.out_of_patience:
                break
            hooks.on_epoch_begin(epoch)
            total = 0.0
            for step in range(epoch, min(epoch + per_epoch, updates)):
                total += trainer.update(step)  # batch, forward, backward, optimizer
                logs = {"loss": total / (step - epoch + 1)}  # the mean of the epoch so far
                hooks.on_train_batch_end(step - epoch, logs)
            hooks.on_epoch_end(epoch, {**logs, "val_loss": trainer.validate()})  # and a checkpoint
    return _choose_weights(trainer, run_folder, state, recipe.train.average)


def _restore(folder: Path, model: keras.Model, state: dict[str, Any], resume: bool) -> int:
    """Restore the newest checkpoint if `resume` is set; return the step to begin at."""
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


def _choose_weights(trainer: Trainer, folder: Path, state: dict[str, Any], count: int) -> FitResult:
    """Load the better of the average of the last `count` checkpoints and the best one."""
    last = checkpoints.found(folder)[-count:]
    if count > 1 and len(last) > 1:
        checkpoints.average(last, trainer.model)
        loss = trainer.validate()
        if loss <= state["best_loss"]:
            return FitResult(state["history"], f"average of the last {len(last)}", loss)
    best = folder / f"{checkpoints.PREFIX}{state['best']:08d}"
    checkpoints.restore_weights(best, trainer.model)
    return FitResult(state["history"], f"step {state['best']}", state["best_loss"])
