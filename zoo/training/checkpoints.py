"""Checkpoints: the whole state of a run, so that a resumed run equals an uninterrupted one.

A checkpoint is a folder `step-00001000` with the variables of the model (seed generators included)
and of the optimizer, and the loop's state. It is written aside and renamed: a kill or a full disk
leaves the previous one intact.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

from zoo.errors import CheckpointError
from zoo.files import replacing_folder

PREFIX = "step-"
WEIGHTS, OPTIMIZER, STATE = "weights.safetensors", "optimizer.safetensors", "state.json"
MEANS = "means.safetensors"


def save(folder: Path, step: int, model: keras.Model, state: dict[str, Any]) -> Path:
    """Write the checkpoint of a step, with averaged weights if the optimizer has them.

    Returns its folder.

    Raises:
        CheckpointError: the disk refuses; earlier checkpoints are untouched.
    """
    path = folder / f"{PREFIX}{step:08d}"
    try:
        with replacing_folder(path) as aside:
            # Not `save_file`: it gives its files mode 0600.
            (aside / WEIGHTS).write_bytes(to_bytes(_values(model.variables)))
            (aside / OPTIMIZER).write_bytes(to_bytes(_values(model.optimizer.variables)))
            if getattr(model.optimizer, "averages", False):
                with model.optimizer.swapped(model.trainable_variables):
                    (aside / MEANS).write_bytes(to_bytes(_values(model.variables)))
            (aside / STATE).write_text(json.dumps({"step": step, **state}), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        last = latest(folder)
        raise CheckpointError(
            f"the checkpoint of step {step} could not be written to {folder}: {error}",
            f"free some space, then go on with --resume; {last} is intact"
            if last
            else "free some space and start again",
        ) from error
    return path


def restore(path: Path, model: keras.Model) -> dict[str, Any]:
    """Set the variables of the model and its optimizer; return the loop's state.

    Raises:
        CheckpointError: the checkpoint is damaged or of another model.
    """
    with _whole(path):
        _assign(path / WEIGHTS, model.variables)
        _assign(path / OPTIMIZER, model.optimizer.variables)
        return json.loads((path / STATE).read_text(encoding="utf-8"))


def restore_weights(path: Path, model: keras.Model) -> None:
    """Set the model's variables only, to averaged weights where the checkpoint has them.

    Raises:
        CheckpointError: the checkpoint is damaged or of another model.
    """
    with _whole(path):
        means = path / MEANS
        _assign(means if means.exists() else path / WEIGHTS, model.variables)


def average(paths: list[Path], model: keras.Model) -> None:
    """Set the model's trainable weights to their mean over checkpoints (vaswani2017, 6.1)."""
    restore_weights(paths[-1], model)
    trainable = {id(variable) for variable in model.trainable_variables}
    for i, variable in enumerate(model.variables):
        if id(variable) in trainable:
            total = np.zeros(variable.shape, dtype=np.float64)
            for path in paths:
                with _whole(path), safe_open(path / WEIGHTS, framework="np") as tensors:
                    total += tensors.get_tensor(f"{i:05d}")
            variable.assign((total / len(paths)).astype(np.float32))


def found(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob(f"{PREFIX}{'[0-9]' * 8}") if path.is_dir())


def latest(folder: Path) -> Path | None:
    """Return the newest checkpoint, or None."""
    paths = found(folder)
    return paths[-1] if paths else None


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Keep the last `keep` checkpoints and the best one, and the last two optimizer states."""
    paths = found(folder)
    for path in paths[:-2]:
        (path / OPTIMIZER).unlink(missing_ok=True)
    for path in paths[: -max(keep, 2)]:
        if path.name != f"{PREFIX}{best or 0:08d}":
            shutil.rmtree(path)


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turn read errors into a CheckpointError that names the checkpoint."""
    try:
        yield
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be resumed from: {error}",
            "remove that folder to resume from the one before it",
        ) from error


def _values(variables: list[keras.Variable]) -> dict[str, np.ndarray]:
    # safetensors stores the raw buffer: a transposed view would be stored wrongly.
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
