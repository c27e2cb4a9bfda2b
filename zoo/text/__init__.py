"""Tokenizers: train, save, load."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import BundleError
from zoo.text.sentencepiece import SentencePieceTokenizer


def save_tokenizers(
    folder: Path, source: SentencePieceTokenizer, target: SentencePieceTokenizer
) -> None:
    """Write tokenizer.model, or source.model and target.model when there are two."""
    if source is target:
        source.save(folder / "tokenizer.model")
    else:
        source.save(folder / "source.model")
        target.save(folder / "target.model")


def load_tokenizers(folder: Path) -> tuple[SentencePieceTokenizer, SentencePieceTokenizer]:
    """Read what `save_tokenizers` wrote: the source's and the target's, the same one if shared.

    Raises:
        BundleError: if the folder holds neither.
    """
    shared = folder / "tokenizer.model"
    if shared.exists():
        tokenizer = SentencePieceTokenizer.load(shared)
        return tokenizer, tokenizer
    pair = folder / "source.model", folder / "target.model"
    for path in pair:
        if not path.exists():
            raise BundleError(
                f"{folder} has no tokenizer.model",
                "a bundle holds tokenizer.model, or source.model and target.model",
            )
    return SentencePieceTokenizer.load(pair[0]), SentencePieceTokenizer.load(pair[1])
