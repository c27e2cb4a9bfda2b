"""Tokenizers of any kind: learned, written and read as the table `zoo.config.tokenizers` says."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.config import settings as recipe_tables
from zoo.config.choices import imported
from zoo.config.tokenizers import TOKENIZERS
from zoo.errors import BundleError
from zoo.text.tokenizer import Tokenizer


def train_tokenizers(
    settings: recipe_tables.Tokenizer,
    rows: Sequence[Sequence[str]],
    languages: Sequence[str],
    seed: int = 0,
) -> tuple[Tokenizer, Tokenizer]:
    """Learn the tokenizers of a recipe: the source's and the target's, the same one if shared.

    Args:
        settings: [tokenizer] of the recipe.
        rows: the training texts, in each row one for each language.
        languages: one or two.
        seed: of the rows that are drawn, and of what is random in learning.

    Raises:
        DataError, OptionError: the texts have too few words or pieces for the vocabulary.
    """
    if settings.sample and settings.sample < len(rows):
        rows = random.Random(seed).sample(rows, settings.sample)
    kind = imported(settings.spec.path)

    def learn(lines: Iterable[str], vocabulary: int, language: str) -> Tokenizer:
        known = settings.model_dump() | {"language": language, "seed": seed}
        taken = {key: known[key] for key in settings.spec.train}
        learned: Tokenizer = kind.train(lines, vocabulary=vocabulary, **taken)
        return learned

    if settings.shared or len(languages) == 1:
        one = learn((text for row in rows for text in row), settings.vocabulary, languages[0])
        return one, one
    sides = zip(*rows, strict=True)
    source, target = (learn(*each) for each in zip(sides, settings.sizes, languages, strict=True))
    return source, target


def save_tokenizers(folder: Path, source: Tokenizer, target: Tokenizer) -> None:
    """Write tokenizer.model, or source.model and target.model when there are two.

    Other kinds have another ending, such as .moses.json for .model.
    """
    if source is target:
        source.save(folder / _file("tokenizer", source))
    else:
        source.save(folder / _file("source", source))
        target.save(folder / _file("target", target))


def load_tokenizers(folder: Path) -> tuple[Tokenizer, Tokenizer]:
    """Read what `save_tokenizers` wrote, here or in an earlier version.

    Raises:
        BundleError: if the folder holds neither.
    """
    shared = _load(folder, "tokenizer")
    if shared is not None:
        return shared, shared
    source, target = _load(folder, "source"), _load(folder, "target")
    if source is None or target is None:
        raise BundleError(
            f"{folder} has no tokenizer.model",
            "a bundle holds tokenizer.model, or source.model and target.model; "
            "if it reads words, source.moses.json and target.moses.json",
        )
    return source, target


def _file(name: str, tokenizer: Tokenizer) -> str:
    return f"{name}{TOKENIZERS[tokenizer.kind].suffixes[0]}"


def _load(folder: Path, name: str) -> Tokenizer | None:
    """Return the tokenizer of that name, of whatever kind; None if there is none."""
    for row in TOKENIZERS.values():
        for suffix in row.suffixes:
            if (path := folder / f"{name}{suffix}").exists():
                loaded: Tokenizer = imported(row.path).load(path)
                return loaded
    return None
