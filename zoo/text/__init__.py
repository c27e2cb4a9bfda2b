"""Tokenizers: train, save, load."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from zoo.config.settings import Tokenizer as Settings
from zoo.errors import BundleError
from zoo.text.bpe import BpeTokenizer
from zoo.text.marian import MarianTokenizer
from zoo.text.marked import MarkedTokenizer
from zoo.text.sentencepiece import SentencePieceTokenizer
from zoo.text.spaces import SpaceTokenizer
from zoo.text.subwords import SubwordTokenizer
from zoo.text.tokenizer import Tokenizer
from zoo.text.words import WordTokenizer

__all__ = [
    "BpeTokenizer", "MarianTokenizer", "MarkedTokenizer", "SentencePieceTokenizer",
    "SpaceTokenizer", "SubwordTokenizer", "Tokenizer", "WordTokenizer", "load_tokenizers",
    "save_tokenizers", "train_tokenizer",
]  # fmt: skip

KINDS = (
    SentencePieceTokenizer, WordTokenizer, MarkedTokenizer, SpaceTokenizer, BpeTokenizer,
    MarianTokenizer, SubwordTokenizer,
)  # fmt: skip


def save_tokenizers(folder: Path, source: Tokenizer, target: Tokenizer) -> None:
    """Write tokenizer.model, or source.model and target.model when there are two.

    What they end with is the tokenizer's own `suffix`: words have ".words.json" for ".model".
    """
    if source is target:
        source.save(folder / f"tokenizer{source.suffix}")
    else:
        source.save(folder / f"source{source.suffix}")
        target.save(folder / f"target{target.suffix}")


def load_tokenizers(folder: Path) -> tuple[Tokenizer, Tokenizer]:
    """Read what `save_tokenizers` wrote: the source's and the target's, the same one if shared.

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
            "if it reads words, source.words.json and target.words.json",
        )
    return source, target


def _load(folder: Path, name: str) -> Tokenizer | None:
    """Return the tokenizer of that name, of whatever kind; None if there is none."""
    for kind in KINDS:
        path = folder / f"{name}{kind.suffix}"
        if path.exists():
            return kind.load(path)
    return None


def train_tokenizer(
    settings: Settings, lines: Iterable[str], vocabulary: int, language: str, seed: int
) -> Tokenizer:
    """Learn a recipe's tokenizer of so many pieces from lines of one language, or of both."""
    if settings.kind == "words":
        return WordTokenizer.train(lines, vocabulary=vocabulary, language=language)
    kinds = {"marked": MarkedTokenizer, "bpe": BpeTokenizer, "spaces": SpaceTokenizer}
    if settings.kind in kinds:
        return kinds[settings.kind].train(lines, vocabulary=vocabulary)
    assert settings.algorithm is not None  # the recipe's own check has seen to these two
    assert settings.normalization is not None
    return SentencePieceTokenizer.train(
        lines, vocabulary=vocabulary, algorithm=settings.algorithm,
        normalization=settings.normalization, seed=seed,
    )  # fmt: skip
