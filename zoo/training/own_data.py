"""Recipes for a user's own corpus."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.config import tasks
from zoo.config.recipe import Recipe
from zoo.config.tasks import task_class
from zoo.data.corpora import own
from zoo.errors import OptionError, check_path

# What a recipe says about its own corpus alone.
UNSET = ("data.hub", "data.hub_config", "data.revision", "evaluate.minimum", "evaluate.maximum")


def with_data(
    recipe: Recipe, data: str | os.PathLike[str], changes: Mapping[str, Any] | None = None
) -> Recipe:
    """Return a recipe that reads a user's corpus in place of its own, with other changes.

    It is named after the paper and the corpus. A classifier gets the labels of the training
    examples, unless `changes` give them or the recipe has them all.

    Raises:
        OptionError: `changes` name a corpus too.
        DataError: the corpus cannot be read.
    """
    check_path("data", data)
    changes = dict(changes or {})
    if "data.corpus" in changes:
        raise OptionError("the corpus is given twice", "leave data.corpus or data out")
    path = Path(data).expanduser().absolute()
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.name.partition(".")[0]).strip("-") or "data"
    chosen: dict[str, Any] = {
        "name": f"{recipe.paper}-{name}", "data.corpus": str(path), "data.also": [],
        "data.augment": [], "data.exclude": [], "evaluate.also": [], "evaluate.split": "test",
    }  # fmt: skip
    changed = recipe.changed(chosen | changes)
    if changed.spec.labels != "none" and "data.labels" not in changes:
        labels = _labels(changed)
        if not labels or not set(labels) <= set(changed.data.labels):
            metric = tasks.main_metric(changed.task, labels)
            changed = changed.changed({"data.labels": labels, "evaluate.metric": metric})
    return settled(changed)


def settled(recipe: Recipe) -> Recipe:
    """Return the recipe of a run, with the whole path of a user's own corpus, if it has one.

    Facts of the recipe's former corpus are unset. Without test examples the run is measured on its
    validation examples, and the split is named so.

    Raises:
        DataError: there is no such corpus.
    """
    changes: dict[str, Any] = {}
    if recipe.data.path is not None:
        changes = {"data.corpus": str(recipe.data.path.absolute()), **dict.fromkeys(UNSET)}
        if not own.has(recipe.data, recipe.evaluate.split):
            changes["evaluate.split"] = own.HELD_OUT
    also = [dict(corpus) for corpus in recipe.data.also]
    for corpus, table in zip(recipe.data.also, also, strict=True):
        if corpus.path is not None:
            table["corpus"] = str(corpus.path.absolute())
    return recipe.changed(changes | {"data.also": also})


def _labels(recipe: Recipe) -> list[str]:
    """Return the labels of the examples to train and validate on, [] for numbers."""
    task_type, rows = task_class(recipe.task), []
    for split in ("train", "valid"):
        rows += own.load(
            lambda path: task_type.read(recipe, path, fresh=True), recipe.data, split,
            seed=recipe.seed,
        )  # fmt: skip
    return task_type.labels_of(rows)
