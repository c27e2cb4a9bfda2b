"""Find the examples to measure a model on: a user's, its corpus', or prepared ones."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import progress
from zoo.config.recipe import Recipe
from zoo.config.tasks import task_class
from zoo.data import corpora
from zoo.data.columns import PLAIN, TableOptions
from zoo.data.examples import Example
from zoo.errors import DataError, InputError, OptionError
from zoo.training.prepare import Prepared, load_test

if TYPE_CHECKING:
    from zoo.tasks.base import Tokenizers  # which imports Keras, and not quietly


def find(
    recipe: Recipe,
    data: Any = None,
    targets: Iterable[Any] | None = None,
    split: str | None = None,
    table: TableOptions = PLAIN,
    tell: bool = False,
) -> tuple[dict[str, str], list[Example]]:
    """Return the names of the examples, "data" and perhaps "split", and the examples.

    Args:
        data: anything that the task reads; the name of a corpus; the folder of a corpus in the
            form of the recipe's, or one that holds the recipe's; a folder that `zoo prepare` wrote;
            None finds the recipe's corpus.
        split: split of a corpus; None takes the recipe's `evaluate.split`.
        table: how to read a user's table.
        tell: write one line that says what was read of it.

    Returns:
        Examples as the task's `evaluate` takes them.

    Raises:
        InputError: the recipe's corpus is unknown.
        DataError: the data cannot be read, or was prepared for another task.
        OptionError: columns are named, and the examples are no table.
    """
    task, corpus, split = (
        task_class(recipe.task),
        recipe.data.corpus,
        split or recipe.evaluate.split,
    )
    names = {"data": recipe.data.shown, "split": split}
    path = Path(data).expanduser() if isinstance(data, (str, os.PathLike)) else None
    named = isinstance(data, str) and data in corpora.CORPORA and not Path(data).exists()
    if table and (data is None or named or (path is not None and path.is_dir())):
        raise OptionError(
            "columns, delimiter and header are for a table of your own",
            "give a file, a frame, a list or a data set, or leave them out",
        )
    if named:
        return {"data": data, "split": split}, load_test(recipe, data, split)
    if data is None:
        if corpus not in corpora.CORPORA:
            raise InputError(
                f"{recipe.name} was trained on '{names['data']}', which is no corpus",
                "give the examples to measure it on",
            )
        return names, task.load_test(recipe, split)
    if path is not None and path.is_dir():
        if (path / "prepared.json").exists():
            prepared = Prepared.read(path)
            _check_same(prepared.recipe, recipe, path)
            return names, prepared.test
        inside = corpora.inside(path, corpus)
        names["data"] = corpus if inside else path.resolve().name
        return names, task.load_test(recipe, split, inside or path)
    name = path.name if path is not None else "examples"
    if tell:
        table = dataclasses.replace(table, say=progress.say)
    return {"data": name}, task.as_measured(task.read(recipe, data, targets, table=table))


def check_own(
    recipe: Recipe, tokenizers: Tokenizers, about: Mapping[str, str], examples: Sequence[Example]
) -> None:
    """Check that a model's tokenizers know a user's rows; a corpus is measured as it is.

    Args:
        about: what `find` returned of the examples.

    Raises:
        InputError: see `Task.check_rows`.
    """
    if about["data"] not in corpora.CORPORA:
        task_class(recipe.task).check_rows(examples, tokenizers, recipe.data)


def _check_same(prepared: Recipe, recipe: Recipe, path: Path) -> None:
    """Raise DataError unless data were prepared for the recipe's task and languages."""
    theirs, ours = (f"{r.task} {' to '.join(r.data.languages)}" for r in (prepared, recipe))
    if theirs != ours:
        raise DataError(
            f"{path} was prepared to {theirs}, {recipe.name} is there to {ours}",
            "give a folder or a file for the model's task, in its languages",
        )
