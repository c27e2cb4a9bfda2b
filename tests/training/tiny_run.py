"""A training run small enough to repeat: random ids, one layer of width 16, dropout on.

As a script, `python tiny_run.py FOLDER UPDATES`, it begins a run in that folder.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from zoo.config import recipe as recipes
from zoo.config.recipe import Recipe
from zoo.data.encoded import Encoded, Ragged
from zoo.data.mixture import Mixture
from zoo.training import loop, run
from zoo.training.trainers import trainer_class

TOKENIZER = SimpleNamespace(start_id=2, end_id=3, pad_id=0)
TINY = {
    "model.arguments.vocabulary": 40, "model.arguments.dropout": 0.2, "schedule.name": "constant",
    "schedule.peak": 3e-3, "schedule.warmup": 2, "train.updates": 6, "train.updates_per_epoch": 2,
    "train.batch_tokens": 64, "train.buckets": [8, 16], "train.average": 1,
    "train.precision": "float32",
}  # fmt: skip


def made(**changes: Any) -> Recipe:
    """The Tatoeba recipe's smoke version, smaller still; `train__updates` is train.updates."""
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return recipes.load("vaswani2017-tatoeba-en-fr").smoke().changed(TINY | dotted)


def copies(count: int, seed: int) -> Encoded:
    """Sequences of ids whose translation is themselves."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 17, size=count)
    rows = [[*random.integers(4, 40, size=length - 1).tolist(), 3] for length in lengths]
    return Encoded.pairs(Ragged.of(rows), Ragged.of(rows))


def training_data(recipe: Recipe) -> Encoded | Mixture:
    """One corpus of copies, or as many as the recipe reads."""
    parts = [copies(60 - 15 * i, 2 * i) for i in range(1 + len(recipe.data.also))]
    return Mixture(parts) if len(parts) > 1 else parts[0]


@dataclass
class Run:
    """One call of `fit`: the model that it trained and what it returned."""

    model: keras.Model
    result: loop.FitResult


def fitted(folder: Path, recipe: Recipe, *, seed: int = 1, resume: bool = False) -> Run:
    """Fit a new model, drawn from `seed`, in `folder`."""
    keras.utils.set_random_seed(seed)
    model = run.build(recipe)
    train, valid = training_data(recipe), copies(12, 1)
    trainer = trainer_class(recipe.task)(model, recipe, train, valid, TOKENIZER)
    return Run(model, loop.fit(trainer, recipe, folder, resume))


if __name__ == "__main__":
    fitted(Path(sys.argv[1]), made(train__updates=int(sys.argv[2])))
