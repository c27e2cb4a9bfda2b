"""Training further on a user's examples: the recipe, the held-out rows, the number of updates."""

from __future__ import annotations

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
# All groups of layers are in training after this share of the updates.
THAWED = 0.4
# Weights of a classifier that belong to its labels.
HEAD = "head."


@dataclass(frozen=True)
class Plan:
    """One fine-tuning run: its recipe, and the examples as ids.

    `anew` is whether the head begins anew, for another task or other labels: of the model that is
    trained further, only what comes before the head is taken over.
    """

    recipe: Recipe
    train: Encoded
    valid: Encoded
    anew: bool = False

    @property
    def digest(self) -> str:
        """A sum over all ids and labels, which tells other examples."""
        found = hashlib.sha256(recipes.dumps(self.recipe).encode())
        for encoded in (self.train, self.valid):
            for _, array in encoded.arrays():
                found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

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
) -> Plan:
    """Return what a fine-tuning run of a model on a user's examples is made of.

    Arguments and errors are those of `Pretrained.finetune`.
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
    owner = task_class(task)
    fresh = task != base.task
    for_reading = recipes.load(starts[task]) if fresh else base
    examples = owner.read(for_reading, data, targets, fresh=fresh)
    made = recipe(base, name, task, changes, _labels(task, examples))
    if isinstance(validation, (int, float)):
        row = spec(task)
        train, valid = split(examples, validation, made.seed, row.given or row.input)
    else:
        train, valid = examples, owner.read(made, validation)
    _check_labels(made, valid)
    seen, held = (owner.encode_examples(each, tokenizers, made) for each in (train, valid))
    for rows, kept in ((train, seen), (valid, held)):
        if len(kept) < len(rows):
            longest = min(made.data.max_length or math.inf, made.train.buckets[-1])
            warnings.warn(
                f"{len(rows) - len(kept)} of {len(rows)} {spec(task).unit} are longer than "
                f"{longest} pieces and left out; raise data.max_length and train.buckets to keep "
                "them",
                ZooWarning,
                stacklevel=4,
            )
    anew = (made.task, made.data.labels) != (base.task, base.data.labels)
    return Plan(sized(made, seen, tokenizers[1], changes), seen, held, anew)


def _labels(task: str, examples: Sequence[Example]) -> list[str]:
    """Return the classes of examples; numbers in place of labels are none."""
    if spec(task).labels == "none":
        return []
    labels = sorted({label for _, label in examples}, key=str)
    return [] if all(isinstance(label, float) for label in labels) else labels


def _check_labels(made: Recipe, valid: Sequence[Example]) -> None:
    for number, (_, label) in enumerate(valid, start=1):
        if made.data.labels and label not in made.data.labels:
            raise DataError(
                f"validation, row {number}: no other example has the label '{label}'",
                "give training examples of it, or leave the row out",
            )


def recipe(
    base: Recipe,
    data: str,
    task: str | None = None,
    changes: Mapping[str, Any] | None = None,
    labels: Sequence[str] = (),
) -> Recipe:
    """Return the recipe of a fine-tuning run, all but the sizes that `sized` takes from the data.

    Model and tokenizer are the base's; how to train comes from the recipe that the registry names
    for the task. A model that is made for another task gets the sizes of what it begins with.

    Args:
        base: the resolved recipe of the model.
        data: what the examples are called.
        changes: dotted keys that win over everything.
        labels: of the examples, for a classifier; one that knows them all keeps its own. None are
            of a task without labels, or of examples with numbers in their place.

    Raises:
        DataError: there is one label only.
        RecipeError: a change is wrong, or would change the model's shape.
    """
    task = task or base.task
    start = recipes.load(catalog.finetune(catalog.entry(base.paper), base.model.size)[task])
    name = base.name if base.name.endswith("-finetuned") else f"{base.name}-finetuned"
    model = base.tables()["model"]
    if len(labels) == 1:
        raise DataError(
            f"all examples have the one label '{labels[0]}'", "a classifier needs two or more"
        )
    if labels and set(labels) <= set(base.data.labels):
        labels = base.data.labels
    if task != base.task:
        model = start.resolved().tables()["model"]
        shared = set(model["arguments"]) & set(base.model.arguments)
        model["arguments"] |= {
            key: base.model.arguments[key] for key in shared if not key.startswith("dropout")
        }
    # AR and TAR are a way to train, which is the start's.
    own = ("ar_alpha", "tar_beta")
    model["arguments"] = {k: v for k, v in model["arguments"].items() if k not in own} | {
        key: start.model.arguments[key] for key in own if key in start.model.arguments
    }
    if "classes" in model["arguments"]:
        model["arguments"] = {**model["arguments"], "classes": len(labels) or 1}
    measured = (base if task == base.task else start).tables()["evaluate"]
    measured |= {"metric": main_metric(task, bool(labels)), "minimum": None, "maximum": None}
    tables = start.tables() | {
        "name": name,
        "model": {**model, "weights": ""},
        "tokenizer": base.tables()["tokenizer"] | {"weights": ""},
        "evaluate": measured,
        "smoke": {},
    }
    tables["data"] |= {
        "corpus": data,
        "source": base.data.source,
        "target": base.data.target,
        "language": base.data.language,
        "labels": list(labels),
        "reverse_source": base.data.reverse_source,
        "reverse": base.data.reverse,
        "hub": None,
        "hub_config": None,
        "revision": None,
        "limit": None,
        "also": [],
    }
    defaults: dict[str, Any] = {
        "optimizer.learning_rate": 1.0,
        "train.average": 1,
        "train.precision": "float32",
    }
    defaults |= task_class(task).finetuning
    return recipes.loads(tables, where=f"recipe {name}").changed(defaults | dict(changes or {}))


def sized(
    made: Recipe, train: Encoded, tokenizer: Tokenizer, changes: Mapping[str, Any] | None = None
) -> Recipe:
    """Return the recipe with batches and updates that suit the size of the data.

    At least eight batches a pass where the data allow it (a batch has a fixed shape, so few rows
    would leave most of it empty), five passes, between 100 and 5,000 updates, five epochs; groups
    of layers thaw within the first two of them. What `changes` set stays.
    """
    changes = changes or {}
    settings, trainer = made.train, trainer_class(made.task)
    if settings.batch_tokens is not None and "train.batch_tokens" not in changes:
        tokens = int(train.target.lengths.sum()) // 8
        least = 4 * settings.buckets[-1]
        size = min(settings.batch_tokens, max(least, tokens))
        made = made.changed({"train.batch_tokens": size})
    if settings.batch_sentences is not None and "train.batch_sentences" not in changes:
        rows = trainer.rows(made, train)
        least = min(trainer.rows_at_least, rows)
        size = min(settings.batch_sentences, max(4, least, rows // 8), max(1, rows))
        made = made.changed({"train.batch_sentences": size})
    if "train.updates" not in changes:
        updates = PASSES * trainer.make_batches(made, train, tokenizer).per_pass
        made = made.changed({"train.updates": min(max(updates, FEWEST), MOST)})
    if "train.updates_per_epoch" not in changes:
        made = made.changed({"train.updates_per_epoch": math.ceil(made.train.updates / 5)})
    if made.schedule.unfreeze_every is not None and "schedule.unfreeze_every" not in changes:
        groups = 1 + int(made.model.arguments["layers"])
        every = max(1, round(THAWED * made.train.updates / groups))
        made = made.changed({"schedule.unfreeze_every": every})
    return made


def run(
    original: keras.Model,
    planned: Plan,
    tokenizer: Tokenizer,
    folder: Path | None,
    resume: bool = False,
) -> tuple[keras.Model, dict[str, Any], list[dict[str, float]]]:
    """Train a copy of a model, or a classifier that begins with its encoder.

    Returns the new model, what was measured, and the training curve.

    Args:
        tokenizer: the target's.
        folder: of this run's checkpoints, which `resume` goes on from; None is a temporary one. It
            stays after an error or a kill, so that nothing is lost.

    Raises:
        CheckpointError: the folder holds a run and `resume` is not set, or a run on other examples.
        TrainingError: the loss is no longer a number; names the last good weights.
    """
    made = planned.recipe
    keras.utils.set_random_seed(made.seed)
    if planned.anew:
        model = build(made)
        given = bundle.arrays(original)
        take_over({n: each for n, each in given.items() if not n.startswith(HEAD)}, model)
    else:
        model = bundle.model_with(bundle.arrays(original), made, made.train.precision)
    place = folder or Path(tempfile.mkdtemp(prefix=f"{made.name}.run-"))
    _check_run(place, planned.digest, resume)
    try:
        trainer = trainer_class(made.task)(model, made, planned.train, planned.valid, tokenizer)
        result = fit(trainer, made, place, resume)
    except BaseException as error:
        # What was trained stays: there to go on with, or after an error of numbers to look at.
        kept = folder is not None or isinstance(error, TrainingError)
        if not kept or not any(place.glob("step-*")):
            shutil.rmtree(place, ignore_errors=True)
        raise
    if folder is None:
        shutil.rmtree(place, ignore_errors=True)
    # A model without optimizer state and compiled functions, in the original's precision.
    tuned = bundle.model_with(bundle.arrays(model), made, original.dtype_policy.name)
    unit = made.spec.unit
    metrics = {
        "data": made.data.corpus,
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
    """Make the folder of a run, or see whether the run in it is this one."""
    facts = folder / "examples.sha256"
    if resume and facts.exists() and facts.read_text(encoding="utf-8") != digest:
        raise CheckpointError(
            f"{folder} holds a run on other examples or with other settings",
            "resume it with the same ones, or delete that folder",
        )
    folder.mkdir(parents=True, exist_ok=True)
    facts.write_text(digest, encoding="utf-8")
