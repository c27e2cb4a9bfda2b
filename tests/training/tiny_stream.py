"""A language model's run small enough to repeat: two texts of ids, two LSTMs, every dropout on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from tiny_run import Run

from zoo.config import recipe as recipes
from zoo.config.recipe import Recipe
from zoo.data.encoded import Encoded, Ragged
from zoo.training import loop, run
from zoo.training.trainers import NextTokenTrainer

TOKENIZER = SimpleNamespace(start_id=0, end_id=0, pad_id=0)
TINY = {
    "optimizer.clip_norm": 1.0, "schedule.name": "constant", "schedule.peak": 3e-2,
    "train.updates": 6, "train.updates_per_epoch": 2, "train.batch_sentences": 4,
    "train.bptt": 10, "train.vary_bptt": True, "train.shuffle": True, "train.average": 1,
    "train.precision": "float32", "train.jit": None, "tokenizer.vocabulary": 40,
}  # fmt: skip


def made(**changes: Any) -> Recipe:
    """The Penn Treebank recipe's smoke version; `train__updates` is train.updates."""
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return recipes.load("merity2017-ptb-starter").smoke().changed(TINY | dotted)


def documents(count: int, seed: int) -> Encoded:
    """Texts that count upwards from 4 to at most 15, again and again; they end with 0."""
    random = np.random.default_rng(seed)
    texts = [
        [*(4 + (random.integers(12) + np.arange(length)) % 12), 0]
        for length in random.integers(10, 40, size=count)
    ]
    return Encoded.texts(Ragged.of(texts))


def fitted(folder: Path, recipe: Recipe, *, seed: int = 1, resume: bool = False) -> Run:
    """Fit a new model, drawn from `seed`, in `folder`."""
    keras.utils.set_random_seed(seed)
    model = run.build(recipe)
    train, valid = documents(20, 0), documents(4, 1)
    trainer = NextTokenTrainer(model, recipe, train, valid, TOKENIZER)
    return Run(model, loop.fit(trainer, recipe, folder, resume))
