"""The recipe of a fine-tuning run, before the size of the data is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.config.recipe import Recipe
from zoo.config.tasks import main_metric, task_class
from zoo.errors import DataError


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
    metric = main_metric(task, labels)
    if task == base.task and evaluate["metric"] in base.spec.other_metrics:
        metric = evaluate["metric"]
    evaluate |= {"metric": metric, "also": []}
    evaluate |= {"minimum": None, "maximum": None}
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
        "train.stored": base.train.stored,
    }
    defaults |= task_class(task).finetuning
    changed = recipes.loads(tables, where=f"recipe {name}").changed(defaults | dict(changes or {}))
    return with_warmup(changed, start.train.updates, changes)


def with_warmup(recipe: Recipe, planned: int, changes: Mapping[str, Any] | None) -> Recipe:
    """Return a recipe whose warm-up has the share of the updates that it had of those planned.

    It gets no longer: a warm-up is there for the first updates of an optimizer.
    """
    warmup, updates = recipe.schedule.warmup, recipe.train.updates
    if "schedule.warmup" in (changes or {}) or not warmup or updates >= planned:
        return recipe
    return recipe.changed({"schedule.warmup": max(1, round(warmup * updates / planned))})


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
