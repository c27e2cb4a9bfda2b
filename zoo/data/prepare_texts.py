"""From texts to ids: the data of language models, of classifiers, of tasks on pairs of texts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from zoo.config.recipe import Data, Recipe
from zoo.data import sequences, texts
from zoo.data.arrays import Documents, Ragged
from zoo.errors import DataError
from zoo.text import Tokenizer

Labelled = texts.Labelled


def splits(recipe: Recipe) -> dict[str, list[Labelled]]:
    """Return texts and labels of "train", "valid" and "test", the last as the recipe measures on.

    Raises:
        UnknownName, DataError: see `zoo.data.texts.load`.
    """
    return {
        "train": rows(recipe, "train"),
        "valid": rows(recipe, "valid"),
        "test": examples(recipe),
    }


def rows(recipe: Recipe, split: str, folder: Path | None = None) -> list[Labelled]:
    """Return the texts and labels of one split of the recipe's corpus; of others to train on too.

    Args:
        folder: of the recipe's corpus; None looks in ZOO_DATA, then on the hub.
    """
    found = _rows(recipe, recipe.data, split, folder)
    for other in recipe.data.also if split == "train" else []:
        found += _rows(recipe, recipe.data.model_copy(update=dict(other)), split, None)
    return found


def _rows(recipe: Recipe, data: Data, split: str, folder: Path | None) -> list[Labelled]:
    seed = recipe.seed
    # Line by line is how word-level perplexities are compared; else an article is one text.
    if data.corpus.startswith("wikitext") and not recipe.tokenizer.spec.by_line:
        whole = data.model_copy(update={"limit": None})
        lines = texts.load(whole, split, labelled=False, seed=seed, folder=folder)
        found = [(each, "") for each in texts.articles(text for text, _ in lines)]
        limit = data.limit if split == "train" else None
        return found if limit is None else _some(found, limit, seed)
    labelled = recipe.task != "generate"
    wanted = {"classify": "text", "choose": "question"}.get(recipe.task, "pair")
    if labelled and data.corpus in texts.CORPORA:
        there = texts.CORPORA[data.corpus].inputs
        if there != wanted:
            raise DataError(
                f"each row of {data.corpus} is a {there}",
                f"the task '{recipe.task}' needs one with a {wanted}: change data.corpus",
            )
    return texts.load(data, split, labelled=labelled, seed=seed, folder=folder)


def examples(
    recipe: Recipe, split: str | None = None, folder: Path | None = None
) -> list[Labelled]:
    """Return what the recipe is measured on: `evaluate.limit` rows of the split, a fixed draw."""
    found = rows(recipe, split or recipe.evaluate.split, folder)
    limit = recipe.evaluate.limit
    return found if limit is None else _some(found, limit, seed=0)


def _some(found: list[Labelled], limit: int, seed: int) -> list[Labelled]:
    """Return a fixed draw of so many rows, all if there are not more."""
    if limit >= len(found):
        return found
    classes = [label if isinstance(label, str) else "" for _, label in found]
    return [found[i] for i in texts.drawn(classes, limit, seed)]


def text_ids(
    tokenizer: Tokenizer, text: str, max_length: int | None = None, reverse: bool = False
) -> np.ndarray:
    """Return a text as a model reads it, int32: the start id, its words, the end id.

    Where start and end are one id, it stands at the end only. A text of more than `max_length` ids
    is cut; with `reverse` the words come in reversed order.
    """
    first = [] if tokenizer.start_id == tokenizer.end_id else [tokenizer.start_id]
    ids = tokenizer.encode(text)
    if max_length is not None:
        ids = ids[: max_length - len(first) - 1]
    return np.array([*first, *(ids[::-1] if reverse else ids), tokenizer.end_id], dtype=np.int32)


def encode(found: Iterable[Labelled], tokenizer: Tokenizer, recipe: Recipe) -> Documents:
    """Return texts as ids, or as the sequences that the model reads, and their labels.

    Labels are places in `data.labels`, of answers, or numbers; a language model's have none.

    Raises:
        DataError: there are no texts.
    """
    found, data = list(found), recipe.data
    if not found:
        raise DataError("there are no texts", "give at least one")
    made = sequences.of_recipe(recipe, tokenizer)
    if made is None:
        ids = [text_ids(tokenizer, text, data.max_length, data.reverse) for text, _ in found]
    else:
        ids = [each for parts in made.encode([text for text, _ in found]) for each in parts]
    if recipe.task == "generate":
        return Documents(Ragged.of(ids))
    if recipe.regression:
        return Documents(Ragged.of(ids), np.array([label for _, label in found], dtype=np.float32))
    places = [data.labels.index(label) if data.labels else label for _, label in found]
    return Documents(Ragged.of(ids), np.array(places, dtype=np.int32))
