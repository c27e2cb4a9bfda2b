"""One stage of fine-tuning: its recipe, the validation examples, the number of updates."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import bundle, progress, seeds
from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.config.recipe import Recipe
from zoo.config.tasks import spec, task_class
from zoo.data.batches import Batches
from zoo.data.columns import PLAIN, TableOptions
from zoo.data.encoded import Encoded
from zoo.data.examples import Example, split
from zoo.errors import (
    CheckpointError,
    DataError,
    OptionError,
    PredictionError,
    TrainingError,
    ZooWarning,
    did_you_mean,
)
from zoo.tasks.base import Tokenizers
from zoo.text import Tokenizer
from zoo.training import lora, resuming
from zoo.training.held_out import HeldOut
from zoo.training.loop import fit
from zoo.training.options import Options
from zoo.training.run import build, environment, take_over
from zoo.training.trainers import Trainer, trainer_class
from zoo.training.tuning import recipe, with_warmup

PASSES, FEWEST, MOST = 5, 100, 5000
# The keys that `sized` decides, unless someone else does.
SIZED = (
    "train.batch_tokens", "train.batch_sentences", "train.bptt", "train.updates",
    "train.updates_per_epoch", "schedule.warmup", "schedule.unfreeze_every",
)  # fmt: skip
# The share of the updates after which all groups of layers train.
THAWED = 0.4


@dataclass(frozen=True)
class Plan:
    """A fine-tuning run: its recipe and the encoded examples.

    Attributes:
        anew: train for another task or other labels: the head starts from random weights.
        sized: the keys of the recipe that the size of the data decided.
        held_out: the validation examples as texts, to measure the task's metrics on.
        tokenizers: of the texts; None if nothing is held out.
        callbacks: Keras callbacks that follow the run.
    """

    recipe: Recipe
    train: Encoded
    valid: Encoded
    anew: bool = False
    sized: Sequence[str] = ()
    held_out: Sequence[Example] = ()
    tokenizers: Tokenizers | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of the task and of all ids and labels."""
        digest = hashlib.sha256(self.recipe.task.encode())
        for encoded in (self.train, self.valid):
            for _, array in encoded.arrays():
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def resumed(self, folder: Path) -> Plan:
        """Return the plan with the sizes that the run in a folder began with."""
        return dataclasses.replace(self, recipe=resuming.adopted(folder, self.recipe, self.sized))

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
    options: Options | None = None,
    table: TableOptions = PLAIN,
    tell: bool = False,
    checked: bool = False,
) -> Plan:
    """Plan a fine-tuning run on a user's examples.

    Other arguments and errors are those of `Pretrained.finetune`.

    Args:
        table: how to read the examples, and those to validate on.
        tell: write one line that says what was read.
        checked: whether the texts have been checked by another plan.
    """
    table = dataclasses.replace(table, say=progress.say) if tell else table
    if changes is not None and not isinstance(changes, Mapping):
        raise OptionError(
            f"changes is {changes!r}", 'give keys and values, as in {"schedule.peak": 1e-5}'
        )
    changes, options = dict(changes or {}), options or Options()
    options.check(changes)
    changes |= options.changes()
    name = Path(data).name if isinstance(data, (str, os.PathLike)) else "examples"
    task = task or base.task
    starts = catalog.finetune(catalog.entry(base.paper), base.model.size)
    if not starts:  # counts of other texts are not in a model that counted
        known = base.name if base.name in recipes.names() else "RECIPE"
        raise OptionError(
            f"{base.paper} cannot be fine-tuned",
            f"train it on the new texts: `zoo train {known} --data FILE`",
        )
    if task not in starts:
        raise OptionError(
            f"{base.paper} cannot be fine-tuned for '{task}'", did_you_mean(task, starts)
        )
    task_type, row = task_class(task), spec(task)
    fresh = task != base.task
    for_reading = recipes.load(starts[task]) if fresh else base
    examples = task_type.read(for_reading, data, targets, fresh=fresh, table=table)
    labels = task_type.labels_of(examples)
    tuning = recipe(base, name, task, changes, labels)
    if not checked:
        task_type.check_rows(examples, tokenizers, tuning.data)
    if isinstance(validation, (int, float)):
        name, by_label = row.given or row.input, bool(labels) and row.labels != "tags"
        train, valid = split(examples, validation, tuning.seed, name, by_label)
    else:
        further = table.of_source(validation)
        train, valid = examples, task_type.read(tuning, validation, table=further)
        task_type.check_rows(valid, tokenizers, tuning.data, "validation, ")
    labels = tuning.data.labels
    unseen = {*task_type.labels_of(examples)} - {*task_type.labels_of(train)}
    if unseen:
        warnings.warn(
            f"no example is left to train on with the label {', '.join(sorted(map(str, unseen)))}: "
            "each has one alone",
            ZooWarning,
            stacklevel=4,
        )
    for number, (_, wanted) in enumerate(valid, start=1):
        for label in task_type.labels_in(wanted) if labels else ():
            if label not in labels:
                raise DataError(
                    f"validation, row {number}: no other example has the label '{label}'",
                    "give training examples of it, or leave the row out",
                )
    train_ids, valid_ids = (
        task_type.encode_examples(rows, tokenizers, tuning) for rows in (train, valid)
    )
    if options.batch_size is not None:  # no more than there are
        stream = tuning.train.bptt is not None
        most = len(train_ids.tokens.ids) - 1 if stream else len(train_ids)
        changes["train.batch_sentences"] = min(options.batch_size, most)
        tuning = tuning.changed(changes)
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
    tuning = options.with_rate(sized(tuning, train_ids, tokenizers[1], changes, options.epochs))
    by_size = [key for key in SIZED if key not in changes]
    if options.epochs is not None:
        by_size = [k for k in by_size if k not in ("train.updates", "train.updates_per_epoch")]
    return Plan(tuning, train_ids, valid_ids, anew, by_size, valid, tokenizers)


def sized(
    recipe: Recipe,
    train: Encoded,
    tokenizer: Tokenizer,
    changes: Mapping[str, Any] | None = None,
    epochs: int | None = None,
) -> Recipe:
    """Return the recipe with batches and updates that suit the size of the data.

    At least eight batches a pass where the data allow it (a batch has a fixed shape, so few rows
    would leave most of it empty), five passes, between 100 and 5,000 updates, five epochs; the
    warm-up keeps its share of the updates, and groups of layers thaw within the first two epochs.
    A stream too short for two rows of `train.bptt` tokens is read in shorter pieces. `changes` win.

    Args:
        epochs: passes to make in place of five, with an epoch for each.
    """
    changes = changes or {}
    settings, trainer = recipe.train, trainer_class(recipe.task)
    if settings.bptt is not None and "train.bptt" not in changes:
        rows = changes.get("train.batch_sentences", trainer.rows_at_least)
        most = max(1, (len(train.tokens.ids) - 1) // rows)
        recipe = recipe.changed({"train.bptt": min(settings.bptt, most)})
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
    planned, one_pass = recipe.train.updates, None
    if epochs is not None or "train.updates" not in changes:
        one_pass = trainer.make_batches(recipe, train, tokenizer).per_pass
        updates = min(max(PASSES * one_pass, FEWEST), MOST) if epochs is None else epochs * one_pass
        recipe = with_warmup(recipe.changed({"train.updates": updates}), planned, changes)
    if "train.updates_per_epoch" not in changes:
        per_epoch = math.ceil(recipe.train.updates / 5) if epochs is None else one_pass
        recipe = recipe.changed({"train.updates_per_epoch": per_epoch})
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
    weights = bundle.arrays(original)
    if planned.anew:
        with seeds.building(recipe.seed):
            model = build(recipe)
        take_over({n: w for n, w in weights.items() if not n.startswith(lora.HEAD)}, model)
    else:
        model = bundle.model_with(weights, recipe, recipe.train.precision)
    if recipe.train.lora_rank is not None:
        with seeds.building(recipe.seed):
            lora.enable(model, recipe.train.lora_rank)
    own = folder or Path(tempfile.mkdtemp(prefix=f"{recipe.name}.run-"))
    _check_run(own, planned.digest, resume)
    try:
        trainer = trainer_class(recipe.task)(model, recipe, planned.train, planned.valid, tokenizer)
        measure = _measure(planned, trainer, model)
        result = fit(trainer, recipe, own, resume, planned.callbacks, measure)
    except BaseException as error:
        # Checkpoints stay to resume from, or to inspect after a numerical error.
        kept = folder is not None or isinstance(error, (TrainingError, PredictionError))
        if not kept or not any(own.glob("step-*")):
            shutil.rmtree(own, ignore_errors=True)
        raise
    if folder is None:
        shutil.rmtree(own, ignore_errors=True)
    # A model without optimizer state and compiled functions, in the original's precision.
    trained = bundle.arrays(model)
    if recipe.train.stored == "int8":  # what is measured is what will be stored
        trained = bundle.narrowed(trained, "int8")
    tuned = bundle.model_with(trained, recipe, original.dtype_policy.name)
    unit = recipe.spec.unit
    measured: dict[str, Any] = {}
    if planned.tokenizers is not None:
        measured = HeldOut(recipe, planned.tokenizers, planned.held_out).measure(tuned)
    if measured:
        metric = recipe.evaluate.metric
        measured = {"metric": metric, "value": measured[metric], **measured}
    metrics = {
        **measured,
        "data": recipe.data.shown,
        "split": "validation",
        "loss": result.val_loss,
        "weights": result.chosen,
        f"training_{unit}": len(planned.train),
        f"validation_{unit}": len(planned.valid),
        "training_seconds": round(sum(row["seconds"] for row in result.history)),
        **result.changes,
        **environment(),
    }
    return tuned, metrics, result.history


def _measure(
    planned: Plan, trainer: Trainer, model: keras.Model
) -> Callable[[], Mapping[str, float]]:
    """Return a function that measures the task's main metric after an epoch."""
    if planned.tokenizers is None:
        return dict
    held_out = HeldOut(planned.recipe, planned.tokenizers, planned.held_out, quick=True)
    metric = planned.recipe.evaluate.metric

    def measure() -> dict[str, float]:
        with trainer.measured_weights():
            measured = held_out.measure(model)
        return {metric: measured[metric]} if measured else {}

    return measure


def _check_run(folder: Path, digest: str, resume: bool) -> None:
    """Make the folder of a run, or check that the run in it is this one."""
    facts = folder / "examples.sha256"
    if resume and facts.exists() and facts.read_text(encoding="utf-8") != digest:
        raise CheckpointError(
            f"{folder} holds a run on other examples",
            "resume it with the same ones, or delete that folder",
        )
    folder.mkdir(parents=True, exist_ok=True)
    facts.write_text(digest, encoding="utf-8")
