"""The training loop: updates, and after each fit-epoch a validation and a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import seeds
from zoo.config.recipe import Recipe
from zoo.training import checkpoints, resuming
from zoo.training.callbacks import CheckpointCallback, ProgressCallback
from zoo.training.trainers import Trainer


@dataclass(frozen=True)
class FitResult:
    """The result of a fit; the final weights are in the model.

    Attributes:
        history: a row for each fit-epoch: step, loss, val_loss, what `measure` returned as val_...,
            seconds; after a resumption also what was changed.
        chosen: the weights that were chosen: "average of the last N", "step N", or "left by the
            callbacks".
        val_loss: their validation loss, by the trainer's `validate`.
    """

    history: list[dict[str, Any]]
    chosen: str
    val_loss: float

    @property
    def changes(self) -> dict[str, list[str]]:
        """What was changed when the run was resumed, as metrics have it: {} for nothing."""
        changed = [row["changed"] for row in self.history if "changed" in row]
        return {"changed": changed} if changed else {}


def fit(
    trainer: Trainer,
    recipe: Recipe,
    run_folder: Path,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    measure: Callable[[], Mapping[str, float]] = dict,
) -> FitResult:
    """Train by the recipe and load the best weights into the trainer's model.

    Checkpoints go to `run_folder`; `resume` goes on from the newest one. A resumed run ends with
    the weights of an uninterrupted one: the batch of a step depends only on the seed and the step,
    and the checkpoint holds all other state.

    Args:
        callbacks: a user's, called as Keras' own fit calls them. They may set `stop_training`; what
            they do to the weights at the end holds.
        measure: returns metrics of held-out examples after each epoch.

    Raises:
        TrainingError: the loss is no longer a number; names the last good weights.
        CheckpointError: a checkpoint cannot be written or resumed from.
    """
    model, updates, per_epoch = trainer.model, recipe.train.updates, recipe.train.updates_per_epoch
    state: dict[str, Any] = {"history": [], "best": None, "best_loss": None}
    changes = resuming.check(run_folder, recipe, resume)
    step = _restore(run_folder, model, state)
    resuming.write(run_folder, recipe)
    saving = CheckpointCallback(run_folder, recipe, state, step, changes)
    progress = ProgressCallback(trainer.batches, recipe, step)
    epochs = len(state["history"]) + -(-(updates - step) // per_epoch)
    hooks = keras.callbacks.CallbackList(
        [saving, progress, *callbacks], model=model, epochs=epochs, steps=per_epoch, verbose=0
    )
    model.stop_training = False
    hooks.on_train_begin()
    with progress.bar, seeds.training():
        while step < updates and not (saving.out_of_patience or model.stop_training):
            epoch, logs = len(state["history"]), {}
            hooks.on_epoch_begin(epoch)
            total = weight = 0.0
            for batch in range(min(per_epoch, updates - step)):
                hooks.on_train_batch_begin(batch)
                loss = trainer.update(step)  # batch, forward, backward, optimizer
                total += loss * trainer.weight(step)
                weight += trainer.weight(step)
                logs = {"loss": total / weight}  # the mean of the epoch so far
                hooks.on_train_batch_end(batch, logs)
                step += 1
                if model.stop_training:
                    break
            hooks.on_test_begin()
            held_out = {"loss": trainer.validate()}
            if math.isfinite(held_out["loss"]):  # else the checkpoint's callback ends the run
                held_out |= measure()
            hooks.on_test_end(held_out)
            logs |= {f"val_{name}": value for name, value in held_out.items()}
            rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
            hooks.on_epoch_end(epoch, {**logs, "learning_rate": rate})  # and a checkpoint
        if saving.changes and state["history"]:  # nothing was left to do
            state["history"][-1]["changed"] = "; ".join(saving.changes)
        result = _choose_weights(trainer, run_folder, state, recipe.train.average)
        before = _numbers(model) if callbacks else []
        hooks.on_train_end()
        if not all(map(np.array_equal, before, _numbers(model) if callbacks else [])):
            return FitResult(result.history, "left by the callbacks", trainer.validate())
    return result


def _restore(folder: Path, model: keras.Model, state: dict[str, Any]) -> int:
    """Restore the newest checkpoint, if there is one; return the step to begin at."""
    last = checkpoints.latest(folder)
    if last is None:
        return 0
    restored = checkpoints.restore(last, model)
    state.update({key: restored[key] for key in state})
    return restored["step"]


def _numbers(model: keras.Model) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights]


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
