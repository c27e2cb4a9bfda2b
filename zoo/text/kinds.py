"""Learn, write and read tokenizers of any kind, by the table `zoo.config.tokenizers`."""

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
    """Learn a recipe's tokenizers of source and target, the same object if shared.

    Args:
        settings: [tokenizer] of the recipe.
        rows: the training texts, one for each language in each row.
        languages: one or two.
        seed: of the sample of rows and of learning.

    Raises:
        DataError, OptionError: the texts have too few words or pieces for the vocabulary.
    """
    if settings.sample and settings.sample < len(rows):
        rows = random.Random(seed).sample(rows, settings.sample)
    kind = imported(settings.spec.path)

    def learn(lines: Iterable[str], vocabulary: int, language: str) -> Tokenizer:
        options = settings.model_dump() | {"language": language, "seed": seed}
        options = {key: options[key] for key in settings.spec.train}
        learned: Tokenizer = kind.train(lines, vocabulary=vocabulary, **options)
        return learned

    if settings.shared or len(languages) == 1:
        one = learn((text for row in rows for text in row), settings.vocabulary, languages[0])
        return one, one
    sides = zip(*rows, strict=True)
    source, target = map(learn, sides, settings.sizes, languages)
    return source, target


def save_tokenizers(folder: Path, source: Tokenizer, target: Tokenizer) -> None:
    """Write tokenizer.model for one tokenizer, source.model and target.model for two.

    Other kinds have another ending, such as .moses.json.
    """
    files = {"tokenizer": source} if source is target else {"source": source, "target": target}
    for name, tokenizer in files.items():
        tokenizer.save(folder / f"{name}{TOKENIZERS[tokenizer.kind].suffixes[0]}")


def load_tokenizers(folder: Path) -> tuple[Tokenizer, Tokenizer]:
    """Read the files of `save_tokenizers`, also those of earlier versions.

    Raises:
        BundleError: a file is missing.
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


def _load(folder: Path, name: str) -> Tokenizer | None:
    """Return the tokenizer of that name and of any kind, None if its file is missing."""
    for row in TOKENIZERS.values():
        for suffix in row.suffixes:
            if (path := folder / f"{name}{suffix}").exists():
                loaded: Tokenizer = imported(row.path).load(path)
                return loaded
    return None
