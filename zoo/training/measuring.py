"""The examples that a model is measured on: a user's, its corpus', or prepared ones."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo.config.recipe import Recipe
from zoo.config.tasks import task_class
from zoo.data import corpora
from zoo.data.examples import Example
from zoo.errors import DataError, InputError
from zoo.training.prepare import Prepared


def find(
    recipe: Recipe, data: Any = None, targets: Iterable[Any] | None = None, split: str | None = None
) -> tuple[dict[str, str], list[Example]]:
    """Return what the examples are, "data" and perhaps "split", and the examples.

    Args:
        data: what the task reads; the folder of the recipe's corpus, or one that holds it; a folder
            that `zoo prepare` wrote; None finds the recipe's corpus by itself.
        split: of a corpus, the recipe's `evaluate.split` if None.

    Returns:
        Examples as the task's `evaluate` takes them.

    Raises:
        InputError: the recipe's corpus has no name.
        DataError: the data cannot be read, or was prepared for another task.
    """
    task, wanted, split = task_class(recipe.task), recipe.data, split or recipe.evaluate.split
    named = {"data": wanted.corpus, "split": split}
    path = Path(data).expanduser() if isinstance(data, (str, os.PathLike)) else None
    if data is None:
        if wanted.corpus not in corpora.CORPORA:
            raise InputError(
                f"{recipe.name} was trained on '{wanted.corpus}', which is no corpus",
                "give the examples to measure it on",
            )
        return named, task.load_test(recipe, split)
    if path is not None and path.is_dir():
        if (path / "prepared.json").exists():
            prepared = Prepared.read(path)
            _check_same(prepared.recipe, recipe, path)
            return named, prepared.test
        folder = corpora.inside(path, wanted.corpus) or path
        return named, task.load_test(recipe, split, folder)
    name = path.name if path is not None else "examples"
    return {"data": name}, task.as_measured(task.read(recipe, data, targets))


def _check_same(prepared: Recipe, wanted: Recipe, path: Path) -> None:
    """Raise unless prepared data are of the same task and languages."""
    names = [f"{recipe.task} {' to '.join(recipe.data.languages)}" for recipe in (prepared, wanted)]
    if names[0] != names[1]:
        raise DataError(
            f"{path} was prepared to {names[0]}, {wanted.name} is there to {names[1]}",
            "give a folder or a file for the model's task, in its languages",
        )
