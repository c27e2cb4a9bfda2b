"""From single texts to ids: the data of language models and classifiers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from zoo.data import texts
from zoo.data.arrays import Documents, Ragged
from zoo.errors import DataError
from zoo.recipe import Recipe
from zoo.text import MarkedTokenizer, SentencePieceTokenizer, SpaceTokenizer, Tokenizer

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
    """Return the texts and labels of one split of the recipe's corpus."""
    data, seed = recipe.data, recipe.seed
    # Line by line is how word-level perplexities are compared; else an article is one text.
    if data.corpus.startswith("wikitext") and recipe.tokenizer.kind != "spaces":
        whole = data.model_copy(update={"limit": None})
        lines = texts.load(whole, split, labelled=False, seed=seed, folder=folder)
        found = [(each, "") for each in texts.articles(text for text, _ in lines)]
        limit = data.limit if split == "train" else None
        return found if limit is None else _some(found, limit, seed)
    labelled = recipe.task == "classify"
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
    return [found[i] for i in texts.drawn([label for _, label in found], limit, seed)]


def learn(recipe: Recipe, lines: Sequence[str]) -> Tokenizer:
    """Learn the recipe's tokenizer from training texts."""
    settings = recipe.tokenizer
    if settings.sample and settings.sample < len(lines):
        lines = random.Random(recipe.seed).sample(lines, settings.sample)
    if settings.kind == "marked":
        return MarkedTokenizer.train(lines, vocabulary=settings.vocabulary)
    if settings.kind == "spaces":
        return SpaceTokenizer.train(lines, vocabulary=settings.vocabulary)
    assert settings.algorithm is not None  # the recipe's own check has seen to it
    assert settings.normalization is not None
    return SentencePieceTokenizer.train(
        lines,
        vocabulary=settings.vocabulary,
        algorithm=settings.algorithm,
        normalization=settings.normalization,
        seed=recipe.seed,
    )


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
    """Return texts as ids, and their labels as places in `data.labels`, if the recipe has any.

    Raises:
        DataError: there are no texts.
    """
    data = recipe.data
    ids, labels = [], []
    for text, label in found:
        ids.append(text_ids(tokenizer, text, data.max_length, data.reverse))
        if data.labels:
            labels.append(data.labels.index(label))
    if not ids:
        raise DataError("there are no texts", "give at least one")
    return Documents(Ragged.of(ids), np.array(labels, dtype=np.int32) if data.labels else None)
