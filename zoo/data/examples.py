"""A user's examples, or those of a recipe's corpus, as a task measures and trains on them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo.config.recipe import Recipe
from zoo.data import corpora, inputs, prepare, prepare_texts, texts
from zoo.data.prepare import Example
from zoo.data.readers import COLUMNS, read_pairs, read_texts
from zoo.errors import DataError, InputError

LABELLED = (("text", "label"), ("sentence", "label"), ("source", "target"))


def read(
    recipe: Recipe, data: Any, targets: Iterable[Any] | None = None, *, fresh: bool = False
) -> list[Example]:
    """Return a user's examples, each as what the model is given and what it should give.

        translate    (source, target)
        generate     (text, "")
        classify     (text, label)
        entail       ((premise, hypothesis), label)
        similarity   ((text, text), label), or a number in place of the label
        choose       ((context, (answer, ...)), place of the right answer)

    Columns are found by name, for a translator by those of its two languages too.

    Args:
        fresh: for a model that is yet to be made: whether similarity is a number is told by the
            examples alone, see `zoo.data.inputs`.

    Raises:
        DataError: see `zoo.data.readers` and `zoo.data.inputs`.
    """
    if recipe.task == "translate":
        languages = (recipe.data.source, recipe.data.target)
        return read_pairs(data, targets, columns=[*COLUMNS, languages])
    if recipe.task == "classify":
        return read_pairs(data, targets, columns=LABELLED)
    if recipe.task == "entail":
        return inputs.read_entailments(data, targets)
    if recipe.task == "similarity":
        return inputs.read_similarities(data, targets, numbers=recipe.regression and not fresh)
    if recipe.task == "choose":
        return inputs.read_choices(data, targets)
    if targets is not None:
        raise DataError(
            "a language model is trained on texts alone, and there are labels",
            'leave them out, or train a classifier on them with task="classify"',
        )
    return [(text, "") for text in read_texts(data)]


def find(
    recipe: Recipe, data: Any = None, targets: Iterable[Any] | None = None, split: str | None = None
) -> tuple[dict[str, str], list[Example]]:
    """Return what the examples are, "data" and perhaps "split", and the examples.

    Args:
        data: what `read` takes; the folder of the recipe's corpus, or one that holds it; a folder
            that `zoo prepare` wrote; None finds the recipe's corpus by itself.
        split: of a corpus, the recipe's `evaluate.split` if None.

    Returns:
        For a translator each source comes with all its targets, else what `read` returns.

    Raises:
        InputError: the recipe's corpus has no name.
        DataError: the data cannot be read, or was prepared for another task.
    """
    wanted, split = recipe.data, split or recipe.evaluate.split
    named = {"data": wanted.corpus, "split": split}
    path = Path(data).expanduser() if isinstance(data, (str, os.PathLike)) else None
    if data is None:
        known = corpora.CORPORA if recipe.task == "translate" else texts.CORPORA
        if wanted.corpus not in known:
            raise InputError(
                f"{recipe.name} was trained on '{wanted.corpus}', which is no corpus",
                "give the examples to measure it on",
            )
        return named, _corpus(recipe, split, None)
    if path is not None and path.is_dir():
        if (path / "prepared.json").exists():
            held = prepare.Prepared.read(path)
            _check_same(held.recipe, recipe, path)
            return named, held.test
        return named, _corpus(recipe, split, texts.inside(path, wanted.corpus) or path)
    name = path.name if path is not None else "examples"
    pairs = read(recipe, data, targets)
    return {"data": name}, corpora.references(pairs) if recipe.task == "translate" else pairs


def _corpus(recipe: Recipe, split: str, folder: Path | None) -> list[Example]:
    if recipe.task == "translate":
        return corpora.references(corpora.load(recipe.data, split, folder))
    return prepare_texts.examples(recipe, split, folder)


def _check_same(found: Recipe, wanted: Recipe, path: Path) -> None:
    """Raise unless prepared data are of the same task and languages."""
    told = [f"{each.task} {' to '.join(each.data.languages)}" for each in (found, wanted)]
    if told[0] != told[1]:
        raise DataError(
            f"{path} was prepared to {told[0]}, {wanted.name} is there to {told[1]}",
            "give a folder or a file for the model's task, in its languages",
        )
