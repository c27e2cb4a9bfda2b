"""Train a recipe's model and write its bundle."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import bundle, golden, seeds, tasks
from zoo.config import catalog
from zoo.config.recipe import Recipe
from zoo.data.examples import Example, some
from zoo.errors import BundleError, CheckpointError, DataError, RecipeError, check_path
from zoo.hub import resolve
from zoo.text import Tokenizer
from zoo.training import resuming
from zoo.training.loop import FitResult, fit
from zoo.training.own_data import settled
from zoo.training.prepare import Prepared, further_split, load_test, prepare
from zoo.training.trainers import trainer_of

# The keys, or their beginnings, that decide what `prepare` writes.
DECIDES_DATA = (
    "paper", "task", "seed", "model.size", "model.arguments.context", "data.", "tokenizer.",
    "train.buckets", "evaluate.split", "evaluate.limit", "evaluate.also",
)  # fmt: skip
# Weights of language models with one row for each word.
BY_WORD = ("encoder.embedding.", "decoder.tokens")
# The keys, or their beginnings, in which a prepared folder must agree with a run.
PREPARED = ("task", "data.", "tokenizer.", "evaluate.split")


def train(
    recipe: Recipe,
    out: Path | str,
    *,
    changes: Mapping[str, Any] | None = None,
    prepared: Path | str | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Path:
    """Train the recipe's model, measure it, write its bundle to `out` and return that folder.

    Data and checkpoints go to the folder `out` + ".run", which stays, so that the run can be
    resumed or trained further; it may be deleted once the bundle is written.

    Args:
        changes: dotted keys to change in the recipe.
        prepared: a folder that `zoo prepare` wrote; None prepares the data now.
        resume: go on with the run in `out` + ".run"; see `zoo.training.resuming`.
        callbacks: Keras callbacks that follow the run.

    Raises:
        BundleError: `out` holds something other than a bundle.
        RecipeError: the recipe is that of a fine-tuned or changed model.
        DataError: the corpus or the prepared folder cannot be read.
        TrainingError: the loss is no longer a number; names the last good weights.
        CheckpointError: a checkpoint cannot be written; a run exists and `resume` is not set; or
            `resume` is set without a run, or with a run of another recipe.
    """
    check_path("out", out)
    recipe = settled(_from_scratch(recipe.changed(changes or {})))
    bundle.check_writable(out)
    out = Path(out).expanduser().resolve()
    run = out.with_name(out.name + ".run")
    if resume and not run.is_dir():
        raise CheckpointError(f"there is no run to resume in {run}", "start it without --resume")
    resuming.check(run / "checkpoints", recipe, resume)
    run.mkdir(parents=True, exist_ok=True)
    data = _prepared(recipe, prepared, run / "data")
    # Read now, so that a missing corpus stops a run before it trains.
    further = {
        name: data.further.get(name) or load_test(recipe, name) for name in recipe.evaluate.also
    }
    started = time.monotonic()
    with seeds.building(recipe.seed):
        model = build(recipe)
    if recipe.model.weights:
        begin_with(model, data.source_tokenizer, recipe.model.weights)
    trainer = trainer_of(recipe)(model, recipe, data.train, data.valid, data.target_tokenizer)
    result = fit(trainer, recipe, run / "checkpoints", resume, callbacks)
    seconds = sum(row["seconds"] for row in result.history) or time.monotonic() - started
    recipe, model = trainer.result(model)
    return finish(recipe, model, data, result, trainer.seconds + seconds, out, further)


def _from_scratch(recipe: Recipe) -> Recipe:
    """Return the recipe of a run; raise RecipeError for one of weights that began with others."""
    base = recipe.base
    if base is not None and base.how != "rounded":
        raise RecipeError(
            f"{recipe.name} was {base.how} from trained weights, {base.name or base.recipe}: its "
            "recipe cannot train it from random ones",
            base.command or "`zoo finetune` trains such weights further",
        )
    if recipe.train.lora_rank is not None:
        raise RecipeError(
            f"recipe {recipe.name}: train.lora_rank is for fine-tuning",
            "leave it out, or use `zoo finetune --lora-rank`",
        )
    return recipe.model_copy(update={"base": None})


def build(recipe: Recipe) -> keras.Model:
    """Build the recipe's model in its precision; the weights are always float32.

    Raises:
        RecipeError: the model refuses its arguments.
    """
    arguments = recipe.resolved().model.arguments
    builder = catalog.builder(catalog.entry(recipe.paper), recipe.model.size)
    try:
        model = builder(**arguments, dtype=keras.DTypePolicy(recipe.train.precision))
        model.build()
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"recipe {recipe.name}: {recipe.paper} cannot be built so: {error}",
            f"look at model.arguments; `zoo info {recipe.paper}` shows those of each size",
        ) from error
    return model


def begin_with(model: keras.Model, tokenizer: Tokenizer, reference: str) -> None:
    """Set the weights that a built model shares with a trained one (ulmfit2018, section 3.2).

    Weights match by name and shape, rows of a word embedding by word; a word that the trained model
    does not know gets the mean of its rows. All other weights stay.

    Raises:
        UnknownName, BundleError: there are no such weights, or the models share none.
        HubError: they are on the hub and cannot be fetched.
    """
    weights, vocabulary = resolve.weights(reference)
    words = {word: i for i, word in enumerate(vocabulary.pieces(range(vocabulary.size)))}
    rows = [words.get(word, -1) for word in tokenizer.pieces(range(tokenizer.size))]
    for name, value in weights.items():
        if name.startswith(BY_WORD):
            mean = value[: vocabulary.size].mean(axis=0, keepdims=True)
            weights[name] = np.concatenate([value[: vocabulary.size], mean])[rows]  # -1 is the mean
    take_over(weights, model, reference)


def take_over(
    weights: Mapping[str, np.ndarray], model: keras.Model, where: str = "the trained model"
) -> None:
    """Set weights of a built model by name; a smaller matrix sets the first rows.

    Raises:
        BundleError: a weight does not fit, or no name is the model's.
    """
    variables = bundle.variables(model)
    shared = {name: variable for name, variable in variables.items() if name in weights}
    for name, variable in shared.items():
        value, shape = weights[name], tuple(variable.shape)
        if value.shape[1:] != shape[1:] or len(value) > shape[0]:
            raise BundleError(
                f"{where} does not fit: '{name}' is {value.shape} there, {shape} in the new model",
                "give both models the same sizes, see model.arguments",
            )
        if value.shape != shape:  # a vocabulary that is not full
            value = np.concatenate([value, keras.ops.convert_to_numpy(variable)[len(value) :]])
        variable.assign(value)
    if not shared:
        raise BundleError(
            f"{where} has no weights in common with the new model",
            "name trained weights of the same network in model.weights",
        )


def finish(
    recipe: Recipe,
    model: keras.Model,
    data: Prepared,
    result: FitResult,
    seconds: float,
    out: Path,
    further: Mapping[str, list[Example]],
) -> Path:
    """Write the bundle of a trained model, and measure it as stored.

    Args:
        seconds: the time of the training.
        further: test examples of the corpora in `evaluate.also`.
    """
    recipe = recipe.published()
    tokenizers = data.tokenizers
    dtype = recipe.train.stored
    bundle.write(
        out, model=model, recipe=recipe, tokenizers=tokenizers, history=result.history, dtype=dtype
    )
    # Measure the weights as stored, rounded to few bits, in float32 arithmetic.
    stored = bundle.build_model(bundle.read(out))
    task = tasks.of(recipe, stored, tokenizers)
    options = task.corpus_options(recipe.data.corpus)
    measured = task.evaluate(data.test, progress=sys.stderr.isatty(), **options)
    metrics = {
        "metric": recipe.evaluate.metric,
        "value": measured[recipe.evaluate.metric],
        "data": recipe.data.shown,
        "split": recipe.evaluate.split,
        **measured,
        **({} if data.seen is None else {recipe.spec.seen: data.seen}),
        "parameters": model.parameter_count,
        "weights": result.chosen,
        "loss": result.val_loss,
        "training_seconds": round(seconds),
        "precision": recipe.train.precision,
        **result.changes,
        **environment(),
    }
    if further:
        metrics["also"] = [
            {
                "data": name,
                "split": further_split(recipe),
                **task.evaluate(
                    examples, progress=sys.stderr.isatty(), **task.corpus_options(name)
                ),
            }
            for name, examples in further.items()
        ]
    texts = task.golden_inputs(data.test)
    bundle.write(
        out, model=bundle.arrays(stored), recipe=recipe, tokenizers=tokenizers,
        history=result.history, metrics=metrics, golden=golden.record(task, texts),
        dtype=dtype,
    )  # fmt: skip
    return out


def environment() -> dict[str, str]:
    """Return the conditions of a measurement: backend, versions, hardware, date."""
    from zoo.version import __version__

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "python": platform.python_version(),
        "hardware": f"{cores} CPU core{'s' * (cores != 1)}, {platform.machine()}",
        "paperzoo": __version__,
        "date": date.today().isoformat(),
    }


def _prepared(recipe: Recipe, prepared: Path | str | None, folder: Path) -> Prepared:
    """Return a run's data: from `prepared`, from an earlier start of the run, or prepared now."""
    if prepared is None:
        if not (folder / "prepared.json").exists():
            return prepare(recipe, folder)
        data = Prepared.read(folder)
        different = resuming.different(data.recipe, recipe)
        if any(key.startswith(DECIDES_DATA) for key, _, _ in different):
            return prepare(recipe, folder)  # an earlier start that has trained nothing
        return data
    data = Prepared.read(prepared)
    differing = [
        f"{key} is {there!r} there and {here!r} in this run"
        for key, there, here in resuming.different(data.recipe, recipe)
        if key.startswith(PREPARED)
    ]
    if differing:
        raise DataError(
            f"{data.folder} was prepared with another recipe: {'; '.join(differing)}",
            "prepare it again with this run's recipe and changes, or give the run its values",
        )
    test = some(data.test, recipe.evaluate.limit, seed=0)
    if len(test) == len(data.test):
        return data
    return dataclasses.replace(data, test=test, seen=None)  # counted among all of them
