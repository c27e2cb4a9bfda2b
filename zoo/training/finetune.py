"""Training further on a user's examples: the recipe, the held-out rows, the number of updates."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import bundle, catalog
from zoo import recipe as recipes
from zoo.data.arrays import Arrays
from zoo.data.prepare import encode_pairs
from zoo.errors import DataError, OptionError, TrainingError, ZooWarning, did_you_mean
from zoo.recipe import Recipe
from zoo.text import Tokenizer
from zoo.training.fit import batches, fit
from zoo.training.loop import environment

Pair = tuple[str, str]

# A low constant rate, so that a model forgets little of what it knew: a tenth of the peak that the
# small recipes of the zoo train with.
PEAK = 1e-4
PASSES, FEWEST, MOST = 5, 100, 5000


def recipe(
    base: Recipe, data: str, task: str | None = None, changes: Mapping[str, Any] | None = None
) -> Recipe:
    """Return the recipe of a fine-tuning run, all but the sizes that `sized` takes from the data.

    Model and tokenizer are the base's; how to train comes from the recipe that the registry names
    for the task, with a low constant rate.

    Args:
        base: the resolved recipe of the model.
        data: what the examples are called.
        changes: dotted keys that win over everything.

    Raises:
        OptionError: the paper cannot be fine-tuned for this task.
        RecipeError: a change is wrong, or would change the model's shape.
    """
    task = task or base.task
    entry = catalog.entry(base.paper)
    if task not in entry.finetune:
        raise OptionError(
            f"{base.paper} cannot be fine-tuned for '{task}'", did_you_mean(task, entry.finetune)
        )
    start = recipes.load(entry.finetune[task])
    name = base.name if base.name.endswith("-finetuned") else f"{base.name}-finetuned"
    tables = start.tables() | {
        "name": name,
        "model": base.tables()["model"],
        "tokenizer": base.tables()["tokenizer"],
        "evaluate": base.tables()["evaluate"] | {"minimum": None},
        "smoke": {},
    }
    tables["data"] |= {
        "corpus": data,
        "source": base.data.source,
        "target": base.data.target,
        "reverse_source": base.data.reverse_source,
        "hub": None,
        "hub_config": None,
        "revision": None,
        "limit": None,
    }
    defaults = {
        "schedule.name": "constant",
        "schedule.warmup": 0,
        "schedule.peak": PEAK,
        "optimizer.learning_rate": 1.0,
        "train.average": 1,
        "train.precision": "float32",
    }
    return recipes.loads(tables, where=f"recipe {name}").changed(defaults | dict(changes or {}))


def sized(
    made: Recipe,
    train: Arrays,
    target: Tokenizer,
    changes: Mapping[str, Any] | None = None,
) -> Recipe:
    """Return the recipe with batches and updates that suit the size of the data.

    At least eight batches a pass where the data allow it (a batch has a fixed shape, so few rows
    would leave most of it empty), five passes, between 100 and 5,000 updates, five epochs. What
    `changes` set stays.
    """
    changes = changes or {}
    settings = made.train
    if settings.batch_tokens is not None and "train.batch_tokens" not in changes:
        tokens = int(train.target.lengths.sum()) // 8
        least = 4 * settings.buckets[-1]
        size = min(settings.batch_tokens, max(least, tokens))
        made = made.changed({"train.batch_tokens": size})
    if settings.batch_sentences is not None and "train.batch_sentences" not in changes:
        size = min(settings.batch_sentences, max(4, len(train) // 8))
        made = made.changed({"train.batch_sentences": size})
    if "train.updates" not in changes:
        updates = PASSES * batches(train, made, target).per_pass
        made = made.changed({"train.updates": min(max(updates, FEWEST), MOST)})
    if "train.updates_per_epoch" not in changes:
        made = made.changed({"train.updates_per_epoch": math.ceil(made.train.updates / 5)})
    return made


def split(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Return training and validation pairs; those with one source fall together.

    Raises:
        OptionError: the share is not between 0 and 1.
        DataError: there is only one source.
    """
    if not 0 < share < 1:
        raise OptionError(
            f"validation={share} is no share of the examples",
            "give a number between 0 and 1, or the examples to validate on",
        )
    sources = list(dict.fromkeys(source for source, _ in pairs))
    if len(sources) < 2:
        raise DataError(
            "one source alone cannot be split into training and validation",
            "give more examples, or others to validate on: validation=[(source, target)]",
        )
    count = min(max(1, round(share * len(sources))), len(sources) - 1)
    chosen = np.random.default_rng(seed).permutation(len(sources))[:count]
    held = {sources[i] for i in chosen}
    return [p for p in pairs if p[0] not in held], [p for p in pairs if p[0] in held]


def encoded(
    pairs: Sequence[Pair],
    tokenizers: tuple[Tokenizer, Tokenizer],
    made: Recipe,
) -> Arrays:
    """Return pairs as ids; warns of those that are too long and left out."""
    longest = min(made.data.max_length, made.train.buckets[-1])
    arrays = encode_pairs(pairs, *tokenizers, longest, made.data.reverse_source)
    if len(arrays) < len(pairs):
        warnings.warn(
            f"{len(pairs) - len(arrays)} of {len(pairs)} pairs are longer than {longest} pieces "
            "and left out; raise data.max_length and train.buckets to keep them",
            ZooWarning,
            stacklevel=3,
        )
    return arrays


def run(
    original: keras.Model,
    made: Recipe,
    train: Arrays,
    valid: Arrays,
    target: Tokenizer,
    out: str | os.PathLike[str] | None,
) -> tuple[keras.Model, dict[str, Any], list[dict[str, float]]]:
    """Train a copy of a model; return it, what was measured, and the training curve.

    Checkpoints go to a temporary folder, beside `out` if that is given. It stays only after a
    TrainingError, which names the last good weights in it.
    """
    keras.utils.set_random_seed(made.seed)
    model = bundle.empty_model(made, made.train.precision)
    bundle.copy_weights(original, model)
    parent = None
    if out is not None:
        parent = Path(out).expanduser().resolve().parent
        parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{made.name}.run-", dir=parent))
    try:
        result = fit(model, made, train, valid, folder, target)
    except TrainingError:
        if not any(folder.iterdir()):
            folder.rmdir()
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    # A model without optimizer state and compiled functions, in the original's precision.
    tuned = bundle.empty_model(made, original.dtype_policy.name)
    bundle.copy_weights(model, tuned)
    metrics = {
        "data": made.data.corpus,
        "split": "validation",
        "loss": result.val_loss,
        "weights": result.chosen,
        "training_pairs": len(train),
        "validation_pairs": len(valid),
        "training_seconds": round(sum(row["seconds"] for row in result.history)),
        **environment(),
    }
    return tuned, metrics, result.history
