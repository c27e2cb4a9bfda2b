"""One stage of fine-tuning: its recipe, the validation examples, the number of updates."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import bundle
from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.config.recipe import Recipe
from zoo.config.tasks import main_metric, spec, task_class
from zoo.data.batches import Batches
from zoo.data.encoded import Encoded
from zoo.data.examples import Example, split
from zoo.errors import (
    CheckpointError,
    DataError,
    OptionError,
    TrainingError,
    ZooWarning,
    did_you_mean,
)
from zoo.tasks.base import Tokenizers
from zoo.text import Tokenizer
from zoo.training.loop import fit
from zoo.training.run import build, environment, take_over
from zoo.training.trainers import trainer_class

PASSES, FEWEST, MOST = 5, 100, 5000
# The share of the updates after which all groups of layers train.
THAWED = 0.4
# Prefix of the weights that belong to a classifier's labels.
HEAD = "head."


@dataclass(frozen=True)
class Plan:
    """A fine-tuning run: its recipe and the encoded examples.

    `anew` means another task or other labels: the head starts from random weights.
    """

    recipe: Recipe
    train: Encoded
    valid: Encoded
    anew: bool = False

    @property
    def digest(self) -> str:
        """The SHA-256 of the recipe and of all ids and labels."""
        digest = hashlib.sha256(recipes.dumps(self.recipe).encode())
        for encoded in (self.train, self.valid):
            for _, array in encoded.arrays():
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def batches(self, tokenizer: Tokenizer) -> Batches:
        """Return the training batches."""
        return trainer_class(self.recipe.task).make_batches(self.recipe, self.train, tokenizer)


def plan(
    base: Recipe,
    tokenizers: Tokenizers,
    data: Any,
    targets: Iterable[Any] | None = None,
    *,
    validation: float | Any = 0.1,
    task: str | None = None,
    changes: Mapping[str, Any] | None = None,
    checked: bool = False,
) -> Plan:
    """Plan a fine-tuning run on a user's examples.

    Other arguments and errors are those of `Pretrained.finetune`.

    Args:
        checked: whether the texts have been checked by another plan.
    """
    if changes is not None and not isinstance(changes, Mapping):
        raise OptionError(
            f"changes is {changes!r}", 'give keys and values, as in {"schedule.peak": 1e-5}'
        )
    name = Path(data).name if isinstance(data, (str, os.PathLike)) else "examples"
    task = task or base.task
    starts = catalog.finetune(catalog.entry(base.paper), base.model.size)
    if task not in starts:
        raise OptionError(
            f"{base.paper} cannot be fine-tuned for '{task}'", did_you_mean(task, starts)
        )
    task_type, row = task_class(task), spec(task)
    fresh = task != base.task
    for_reading = recipes.load(starts[task]) if fresh else base
    examples = task_type.read(for_reading, data, targets, fresh=fresh)
    tuning = recipe(base, name, task, changes, _labels(task, examples))
    if not checked:
        task_type.check_rows(examples, tokenizers, tuning.data)
    if isinstance(validation, (int, float)):
        train, valid = split(examples, validation, tuning.seed, row.given or row.input)
    else:
        train, valid = examples, task_type.read(tuning, validation)
        task_type.check_rows(valid, tokenizers, tuning.data, "validation, ")
    labels = tuning.data.labels
    for number, (_, label) in enumerate(valid, start=1):
        if labels and label not in labels:
            raise DataError(
                f"validation, row {number}: no other example has the label '{label}'",
                "give training examples of it, or leave the row out",
            )
    train_ids, valid_ids = (
        task_type.encode_examples(rows, tokenizers, tuning) for rows in (train, valid)
    )
    for rows, kept in ((train, train_ids), (valid, valid_ids)):
        if len(kept) < len(rows):
            longest = min(tuning.data.max_length or math.inf, tuning.train.buckets[-1])
            warnings.warn(
                f"{len(rows) - len(kept)} of {len(rows)} {row.unit} are longer than "
                f"{longest} pieces and left out; raise data.max_length and train.buckets to keep "
                "them",
                ZooWarning,
                stacklevel=4,
            )
    anew = (tuning.task, labels) != (base.task, base.data.labels)
    return Plan(sized(tuning, train_ids, tokenizers[1], changes), train_ids, valid_ids, anew)


def _labels(task: str, examples: Sequence[Example]) -> list[str]:
    """Return the classes of examples, [] for examples with numbers or without labels."""
    if spec(task).labels == "none":
        return []
    labels = sorted({label for _, label in examples}, key=str)
    return [] if all(isinstance(label, float) for label in labels) else labels


def recipe(
    base: Recipe,
    data: str,
    task: str | None = None,
    changes: Mapping[str, Any] | None = None,
    labels: Sequence[str] = (),
) -> Recipe:
    """Return the recipe of a fine-tuning run; `sized` fits its batches and updates to the data.

    Model and tokenizer are the base's; the way to train comes from the recipe that the registry
    names for the task.

    Args:
        base: the resolved recipe of the model.
        data: name of the examples.
        changes: dotted keys that win over everything.
        labels: the examples' labels, [] if they have none or numbers; a classifier that knows them
            all keeps its own.

    Raises:
        DataError: there is only one label.
        RecipeError: a change is wrong, or would change the model's shape.
    """
    task = task or base.task
    start = recipes.load(catalog.finetune(catalog.entry(base.paper), base.model.size)[task])
    name = base.name if base.name.endswith("-finetuned") else f"{base.name}-finetuned"
    if len(labels) == 1:
        raise DataError(
            f"all examples have the one label '{labels[0]}'", "a classifier needs two or more"
        )
    if labels and set(labels) <= set(base.data.labels):
        labels = base.data.labels
    model = _model_table(base, start)
    if "classes" in model["arguments"]:
        model["arguments"]["classes"] = len(labels) or 1
    evaluate = (base if task == base.task else start).tables()["evaluate"]
    evaluate |= {"metric": main_metric(task, bool(labels)), "minimum": None, "maximum": None}
    tables = start.tables() | {
        "name": name,
        "model": model,
        "tokenizer": base.tables()["tokenizer"] | {"weights": ""},
        "evaluate": evaluate,
        "smoke": {},
    }
    kept = ("source", "target", "language", "reverse_source", "reverse")
    unset = ("hub", "hub_config", "revision", "limit")
    tables["data"] |= {key: getattr(base.data, key) for key in kept} | dict.fromkeys(unset)
    tables["data"] |= {
        "corpus": data,
        "labels": list(labels),
        "also": [],
        "augment": [],
        "exclude": [],
    }
    defaults: dict[str, Any] = {
        "optimizer.learning_rate": 1.0,
        "train.average": 1,
        "train.precision": "float32",
    }
    defaults |= task_class(task).finetuning
    return recipes.loads(tables, where=f"recipe {name}").changed(defaults | dict(changes or {}))


def _model_table(base: Recipe, start: Recipe) -> dict[str, Any]:
    """Return the recipe's [model]: the base's arguments, with the start's weights of loss terms.

    A model for another task takes the start's size and dropout, and the base's value of every other
    argument that both have.
    """
    base_terms, start_terms = _loss_weights(base), _loss_weights(start)
    arguments = {k: v for k, v in base.model.arguments.items() if k not in base_terms}
    if start.task == base.task:
        size = base.model.size
        arguments |= {k: v for k, v in start.model.arguments.items() if k in start_terms}
    else:
        size, own = start.model.size, start.resolved().model.arguments
        shared = {k: v for k, v in arguments.items() if k in own and not k.startswith("dropout")}
        arguments = own | shared
    return {"size": size, "arguments": arguments, "weights": ""}


def _loss_weights(recipe: Recipe) -> set[str]:
    """Return the model's arguments that weigh terms of the loss, such as AR's and TAR's.

    They belong to the way to train: real numbers that no size spells out, dropout aside.
    """
    entry, size = catalog.entry(recipe.paper), recipe.model.size
    numbers = {
        field.name
        for field in dataclasses.fields(catalog.builder(entry, size).Arguments)
        if field.type in (float, "float") and "dropout" not in field.name
    }
    return numbers - set(catalog.size(entry, size).arguments)


def sized(
    recipe: Recipe, train: Encoded, tokenizer: Tokenizer, changes: Mapping[str, Any] | None = None
) -> Recipe:
    """Return the recipe with batches and updates that suit the size of the data.

    At least eight batches a pass where the data allow it (a batch has a fixed shape, so few rows
    would leave most of it empty), five passes, between 100 and 5,000 updates, five epochs; groups
    of layers thaw within the first two epochs. `changes` win.
    """
    changes = changes or {}
    settings, trainer = recipe.train, trainer_class(recipe.task)
    if settings.batch_tokens is not None and "train.batch_tokens" not in changes:
        tokens = int(train.target.lengths.sum()) // 8
        least = 4 * settings.buckets[-1]
        size = min(settings.batch_tokens, max(least, tokens))
        recipe = recipe.changed({"train.batch_tokens": size})
    if settings.batch_sentences is not None and "train.batch_sentences" not in changes:
        rows = trainer.rows(recipe, train)
        least = min(trainer.rows_at_least, rows)
        size = min(settings.batch_sentences, max(4, least, rows // 8), max(1, rows))
        recipe = recipe.changed({"train.batch_sentences": size})
    if "train.updates" not in changes:
        updates = PASSES * trainer.make_batches(recipe, train, tokenizer).per_pass
        recipe = recipe.changed({"train.updates": min(max(updates, FEWEST), MOST)})
    if "train.updates_per_epoch" not in changes:
        recipe = recipe.changed({"train.updates_per_epoch": math.ceil(recipe.train.updates / 5)})
    if recipe.schedule.unfreeze_every is not None and "schedule.unfreeze_every" not in changes:
        groups = 1 + int(recipe.model.arguments["layers"])
        every = max(1, round(THAWED * recipe.train.updates / groups))
        recipe = recipe.changed({"schedule.unfreeze_every": every})
    return recipe


def run(
    original: keras.Model,
    planned: Plan,
    tokenizer: Tokenizer,
    folder: Path | None,
    resume: bool = False,
) -> tuple[keras.Model, dict[str, Any], list[dict[str, float]]]:
    """Train a copy of a model, or a classifier that begins with its encoder.

    Args:
        tokenizer: the target's tokenizer.
        folder: the folder of checkpoints, from which `resume` goes on; None makes a temporary one.
            It stays after an error or a kill, so that no training is lost.

    Returns:
        The new model, its metrics, and the training curve.

    Raises:
        CheckpointError: the folder holds a run and `resume` is not set, or a run on other examples.
        TrainingError: the loss is no longer a number; names the last good weights.
    """
    recipe = planned.recipe
    keras.utils.set_random_seed(recipe.seed)
    weights = bundle.arrays(original)
    if planned.anew:
        model = build(recipe)
        take_over({n: w for n, w in weights.items() if not n.startswith(HEAD)}, model)
    else:
        model = bundle.model_with(weights, recipe, recipe.train.precision)
    own = folder or Path(tempfile.mkdtemp(prefix=f"{recipe.name}.run-"))
    _check_run(own, planned.digest, resume)
    try:
        trainer = trainer_class(recipe.task)(model, recipe, planned.train, planned.valid, tokenizer)
        result = fit(trainer, recipe, own, resume)
    except BaseException as error:
        # Checkpoints stay to resume from, or to inspect after a numerical error.
        kept = folder is not None or isinstance(error, TrainingError)
        if not kept or not any(own.glob("step-*")):
            shutil.rmtree(own, ignore_errors=True)
        raise
    if folder is None:
        shutil.rmtree(own, ignore_errors=True)
    # A model without optimizer state and compiled functions, in the original's precision.
    tuned = bundle.model_with(bundle.arrays(model), recipe, original.dtype_policy.name)
    unit = recipe.spec.unit
    metrics = {
        "data": recipe.data.corpus,
        "split": "validation",
        "loss": result.val_loss,
        "weights": result.chosen,
        f"training_{unit}": len(planned.train),
        f"validation_{unit}": len(planned.valid),
        "training_seconds": round(sum(row["seconds"] for row in result.history)),
        **environment(),
    }
    return tuned, metrics, result.history


def _check_run(folder: Path, digest: str, resume: bool) -> None:
    """Make the folder of a run, or check that the run in it is this one."""
    facts = folder / "examples.sha256"
    if resume and facts.exists() and facts.read_text(encoding="utf-8") != digest:
        raise CheckpointError(
            f"{folder} holds a run on other examples or with other settings",
            "resume it with the same ones, or delete that folder",
        )
    folder.mkdir(parents=True, exist_ok=True)
    facts.write_text(digest, encoding="utf-8")
