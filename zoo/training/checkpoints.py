"""Checkpoints: everything that a run needs to go on as if it had never stopped.

A checkpoint is a folder `step-00001000` with the model's variables (seed generators among them),
the optimizer's, and the loop's own state. It is written aside and renamed, so that a kill or a
full disk leaves the one before it whole.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from zoo.errors import CheckpointError

PREFIX = "step-"
WEIGHTS, OPTIMIZER, STATE = "weights.safetensors", "optimizer.safetensors", "state.json"


def save(folder: Path, step: int, model: keras.Model, state: dict[str, Any]) -> Path:
    """Write the checkpoint of a step and return its folder.

    Raises:
        CheckpointError: if the disk refuses; earlier checkpoints are untouched.
    """
    path = folder / f"{PREFIX}{step:08d}"
    aside = folder / f"{path.name}.partial"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        save_file(_values(model.variables), aside / WEIGHTS)
        save_file(_values(model.optimizer.variables), aside / OPTIMIZER)
        (aside / STATE).write_text(json.dumps({"step": step, **state}), encoding="utf-8")
        for file in aside.iterdir():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        if path.exists():
            shutil.rmtree(path)
        aside.rename(path)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        last = latest(folder)
        raise CheckpointError(
            f"the checkpoint of step {step} could not be written to {folder}: {error}",
            f"free some space, then go on with --resume; {last} is intact"
            if last
            else "free some space and start again",
        ) from error
    return path


def restore(path: Path, model: keras.Model) -> dict[str, Any]:
    """Set the model's and its optimizer's variables; return the loop's state.

    Raises:
        CheckpointError: if the checkpoint is damaged or of another model.
    """
    try:
        for name, variables in ((WEIGHTS, model.variables), (OPTIMIZER, model.optimizer.variables)):
            _assign(path / name, variables)
        return json.loads((path / STATE).read_text(encoding="utf-8"))
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be resumed from: {error}",
            "remove that folder to resume from the one before it",
        ) from error


def restore_weights(path: Path, model: keras.Model) -> None:
    """Set the model's variables only."""
    _assign(path / WEIGHTS, model.variables)


def average(paths: list[Path], model: keras.Model) -> None:
    """Set the model's trainable weights to their mean over checkpoints (vaswani2017, 6.1)."""
    restore_weights(paths[-1], model)
    trainable = {id(variable) for variable in model.trainable_variables}
    for i, variable in enumerate(model.variables):
        if id(variable) in trainable:
            values = [load_file(path / WEIGHTS)[f"{i:05d}"] for path in paths]
            variable.assign(np.mean(values, axis=0, dtype=np.float64).astype(np.float32))


def found(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    paths = folder.glob(f"{PREFIX}*")
    return sorted(path for path in paths if path.suffix != ".partial" and path.is_dir())


def latest(folder: Path) -> Path | None:
    """Return the newest checkpoint, if there is one."""
    paths = found(folder)
    return paths[-1] if paths else None


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Delete all but the last `keep` checkpoints and the best one; optimizers but the last two's."""
    paths = found(folder)
    for path in paths[:-2]:
        (path / OPTIMIZER).unlink(missing_ok=True)
    for path in paths[: -max(keep, 2)]:
        if path.name != f"{PREFIX}{best or 0:08d}":
            shutil.rmtree(path)


def _values(variables: list[keras.Variable]) -> dict[str, np.ndarray]:
    return {
        f"{i:05d}": np.array(keras.ops.convert_to_numpy(variable.value), copy=True, order="C")
        for i, variable in enumerate(variables)
    }


def _assign(path: Path, variables: list[keras.Variable]) -> None:
    values = load_file(path)
    if len(values) != len(variables):
        raise ValueError(f"{path.name} holds {len(values)} variables, not {len(variables)}")
    for variable, (_, value) in zip(variables, sorted(values.items()), strict=True):
        if tuple(variable.shape) != value.shape:
            raise ValueError(f"{variable.path} has shape {variable.shape}, not {value.shape}")
        variable.assign(value)
