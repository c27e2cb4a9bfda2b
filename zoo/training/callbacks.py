"""Callbacks of the training loop: checkpoints, history, early stopping and progress."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import keras

from zoo import seeds
from zoo.config.choices import SCHEDULES
from zoo.config.recipe import Recipe
from zoo.data.batches import Batches
from zoo.errors import OptionError, TrainingError
from zoo.optim.asgd import stalled
from zoo.optim.schedules import halvings, schedule
from zoo.progress import Bar
from zoo.training import checkpoints


def measured(logs: dict) -> dict[str, float]:
    """Return the measured values among Keras' logs, which it sorts: the losses, then metrics."""
    names = sorted(logs, key=lambda name: ("loss" not in name, name))
    return {name: float(logs[name]) for name in names if name != "learning_rate"}


def checked(callbacks: Any) -> list[keras.callbacks.Callback]:
    """Return a user's Keras callbacks as a list; raise OptionError for anything else."""
    if callbacks is None:
        return []
    listed = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    for callback in listed:
        if not isinstance(callback, keras.callbacks.Callback):
            raise OptionError(
                f"callbacks has {callback!r}", "give a list of keras.callbacks.Callback objects"
            )
    return listed


class CheckpointCallback(keras.callbacks.Callback):
    """Write a checkpoint and a row of history at the end of each fit-epoch.

    Args:
        folder: the folder of checkpoints.
        state: {"history": rows, "best": step or None, "best_loss": float}; changed in place.
        step: the updates made before.
        changes: what differs from the beginning of the run, for the next row of history.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        state: dict[str, Any],
        step: int = 0,
        changes: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.folder = folder
        self.recipe = recipe
        self.state = state
        self.step = step
        self.changes = list(changes)
        self.started = 0.0

    @property
    def out_of_patience(self) -> bool:
        """Whether the validation loss ends the run.

        It has not fallen for `train.patience` epochs, or the schedule goes by it and is at its end.
        """
        patience, history = self.recipe.train.patience, self.state["history"]
        since_best = [row for row in history if row["step"] > (self.state["best"] or 0)]
        patient = patience is None or len(since_best) < patience
        return not patient or self._halvings()[1]

    def _halvings(self) -> tuple[int, bool]:
        """Return how often the rate is halved, and whether training ends, by validation losses."""
        settings = self.recipe.schedule
        if not SCHEDULES[settings.name].by_validation:
            return 0, False
        assert settings.improvement is not None  # checked when the recipe is read
        losses = [row["val_loss"] for row in self.state["history"]]
        return halvings(losses, settings.improvement)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started = time.monotonic()
        # PyTorch's dropout has a generator outside of the variables, and so of the checkpoint.
        seeds.dropout((self.recipe.seed + self.step) % 2**32)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.step += 1
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            last = checkpoints.latest(self.folder)
            raise TrainingError(
                f"the loss became {loss} in the epoch after step "
                f"{int(last.name.removeprefix(checkpoints.PREFIX)) if last else 0}",
                f"the last good weights are in {last}; lower the learning rate and start again in "
                "another folder"
                if last
                else "nothing was saved yet; lower the learning rate",
            )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs, step = logs or {}, self.step
        row: dict[str, Any] = {"step": step, **measured(logs)}
        row["seconds"] = round(time.monotonic() - self.started, 1)
        if self.changes:
            row["changed"], self.changes = "; ".join(self.changes), []
        if not math.isfinite(row["val_loss"]):
            raise TrainingError(
                f"the validation loss became {row['val_loss']} at step {step}",
                f"the last good weights are in {checkpoints.latest(self.folder)}",
            )
        self.state["history"].append(row)
        settings, optimizer = self.recipe.optimizer, self.model.optimizer
        if settings.nonmonotone is not None and not optimizer.averages:
            losses = [row["val_loss"] for row in self.state["history"]]
            if stalled(losses, settings.nonmonotone):
                optimizer.begin()
        if SCHEDULES[self.recipe.schedule.name].by_validation:
            first = float(schedule(self.recipe)(0))
            optimizer.learning_rate = first * 0.5 ** self._halvings()[0]
        if self.state["best"] is None or row["val_loss"] < self.state["best_loss"]:
            self.state["best"], self.state["best_loss"] = step, row["val_loss"]
        checkpoints.save(self.folder, step, self.model, self.state)
        checkpoints.prune(self.folder, self.recipe.train.average, self.state["best"])


class ProgressCallback(keras.callbacks.Callback):
    """Print loss, target tokens a second and the time left, a line for each fit-epoch.

    On a terminal a bar moves below the lines in a block `with progress.bar`.

    Args:
        step: the updates made before.
    """

    def __init__(
        self, batches: Batches, recipe: Recipe, step: int = 0, stream: TextIO | None = None
    ) -> None:
        super().__init__()
        self.batches = batches
        self.recipe = recipe
        self.bar = Bar("training", recipe.train.updates, stream)
        self.first = self.step = step
        self.tokens = 0
        self.started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started = self.started or time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.tokens += self.batches.tokens(self.step)
        self.step += 1
        self.bar.show(self.step, f"training  {self._measured(logs or {})}")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.bar.say(self.line(logs or {}))

    def line(self, logs: dict) -> str:
        """Return "step 500/4000  loss 4.812  val_loss 4.600  2,105 tokens/s  0:31:20 left"."""
        updates = self.recipe.train.updates
        took = time.monotonic() - self.started
        left = int(took / max(self.step - self.first, 1) * (updates - self.step))
        clock = f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"
        return f"step {self.step}/{updates}  {self._measured(logs)}  {clock} left"

    def _measured(self, logs: dict) -> str:
        values = [f"{name} {value:.3f}" for name, value in measured(logs).items()]
        speed = self.tokens / max(time.monotonic() - self.started, 1e-9)
        return "  ".join([*values, f"{speed:,.0f} tokens/s"])
