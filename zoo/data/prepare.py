"""From text to arrays: learn the tokenizer, cut the pairs into ids, write both to a folder."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.config import recipe as recipes
from zoo.config.recipe import Recipe
from zoo.data import corpora, prepare_texts, texts
from zoo.data.arrays import Arrays, Documents, Ragged
from zoo.errors import DataError
from zoo.files import replacing_folder
from zoo.hub import resolve
from zoo.text import (
    SentencePieceTokenizer,
    Tokenizer,
    WordTokenizer,
    load_tokenizers,
    save_tokenizers,
)

# A source with its references; or a text, two, or a context and its answers, with the label.
Example = tuple[Any, Any]


@dataclass(frozen=True)
class Prepared:
    """What a training run reads: arrays for training and validation, text for the measurement."""

    folder: Path
    recipe: Recipe
    train: Arrays | Documents
    valid: Arrays | Documents
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    test: list[Example]
    seen: int  # test sources with a reference, or test texts, that occur in training too

    @classmethod
    def read(cls, folder: Path | str) -> Prepared:
        """Read what `prepare` wrote; the arrays are memory-mapped.

        Raises:
            DataError: if the folder is not one that `prepare` wrote.
        """
        folder = Path(folder)
        facts = folder / "prepared.json"
        if not facts.exists():
            raise DataError(
                f"{folder} holds no prepared data (prepared.json is missing)",
                "write it with: zoo prepare RECIPE --out DIR",
            )
        content = json.loads(facts.read_text(encoding="utf-8"))
        recipe = recipes.load(folder / "recipe.toml")
        kind = Arrays if recipe.task == "translate" else Documents
        return cls(
            folder,
            recipe,
            kind.load(folder, "train"),
            kind.load(folder, "valid"),
            *load_tokenizers(folder),
            [(_restored(given), other) for given, other in content["test"]],
            content["seen"],
        )


def _restored(given: Any) -> Any:
    """Return what stood in a JSON file with tuples for its lists."""
    return tuple(map(_restored, given)) if isinstance(given, list) else given


def prepare(recipe: Recipe, out: Path | str) -> Prepared:
    """Write the recipe's data to a folder: tokenizers, token ids, test sentences.

    The folder is written aside and renamed, so it is whole or not there.

    Raises:
        DataError: if the folder holds something else, or the corpus cannot be read.
    """
    out = Path(out)
    if out.is_file() or (
        out.is_dir() and any(out.iterdir()) and not (out / "prepared.json").exists()
    ):
        raise DataError(f"{out} exists and holds no prepared data", "choose another --out")
    with replacing_folder(out) as aside:
        facts = _write_pairs(recipe, aside) if recipe.task == "translate" else _write(recipe, aside)
        (aside / "recipe.toml").write_text(recipes.dumps(recipe), encoding="utf-8")
        text = json.dumps(facts, ensure_ascii=False)
        (aside / "prepared.json").write_text(text, encoding="utf-8")
    return Prepared.read(out)


def _write_pairs(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Write tokenizers and arrays of a parallel corpus; return the content of prepared.json."""
    pairs = {split: corpora.load(recipe.data, split) for split in ("train", "valid")}
    test = corpora.references(corpora.load(recipe.data, recipe.evaluate.split))
    targets = {target for _, target in pairs["train"]}
    tokenizers = train_tokenizers(recipe, pairs["train"])
    save_tokenizers(folder, *tokenizers)
    for split, rows in pairs.items():
        assert recipe.data.max_length is not None  # the recipe's own check has seen to it
        encode_pairs(rows, *tokenizers, recipe.data.max_length, recipe.data.reverse_source).save(
            folder, split
        )
    seen = sum(any(target in targets for target in each) for _, each in test)
    return {"seen": seen, "test": test}


def _write(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Write tokenizer and arrays of texts; return the content of prepared.json."""
    rows = prepare_texts.splits(recipe)
    read = {given for given, _ in rows["train"]}
    wanted = recipe.tokenizer.weights
    if not wanted:
        lines = [text for given, _ in rows["train"] for text in texts.each_text(given)]
        tokenizer = prepare_texts.learn(recipe, lines)
    else:
        tokenizer = resolve.tokenizers(wanted)[0]
    save_tokenizers(folder, tokenizer, tokenizer)
    for split in ("train", "valid"):
        prepare_texts.encode(rows[split], tokenizer, recipe).save(folder, split)
    seen = len(read & {given for given, _ in rows["test"]})
    return {"seen": seen, "test": rows["test"]}


def train_tokenizers(
    recipe: Recipe, pairs: Sequence[tuple[str, str]]
) -> tuple[Tokenizer, Tokenizer]:
    """Learn the recipe's tokenizers from training pairs: one shared, or one for each side."""
    settings = recipe.tokenizer
    if settings.sample and settings.sample < len(pairs):
        pairs = random.Random(recipe.seed).sample(pairs, settings.sample)

    def learn(lines: Iterable[str], vocabulary: int, language: str) -> Tokenizer:
        if settings.kind == "words":
            return WordTokenizer.train(lines, vocabulary=vocabulary, language=language)
        # The recipe's own check has seen to these two.
        assert settings.algorithm is not None
        assert settings.normalization is not None
        return SentencePieceTokenizer.train(
            lines,
            vocabulary=vocabulary,
            algorithm=settings.algorithm,
            normalization=settings.normalization,
            seed=recipe.seed,
        )

    languages = recipe.data.source, recipe.data.target
    if settings.shared:
        both = learn((text for pair in pairs for text in pair), settings.vocabulary, languages[0])
        return both, both
    sides = zip(*pairs, strict=True)
    source, target = (learn(*each) for each in zip(sides, settings.sizes, languages, strict=True))
    return source, target


def encode_pairs(
    pairs: Iterable[tuple[str, str]],
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    max_length: int,
    reverse_source: bool = False,
) -> Arrays:
    """Cut pairs into ids, each side closed by the end id; drop pairs over max_length ids.

    With `reverse_source` a source is turned round, all but its end id.

    Raises:
        DataError: if no pair is short enough.
    """
    sources, targets = [], []
    for source, target in pairs:
        left = source_tokenizer.encode(source)
        left = [*(left[::-1] if reverse_source else left), source_tokenizer.end_id]
        right = [*target_tokenizer.encode(target), target_tokenizer.end_id]
        if len(left) <= max_length and len(right) <= max_length:
            # As arrays: a corpus of millions of pairs would not fit into memory as lists.
            sources.append(np.array(left, dtype=np.int32))
            targets.append(np.array(right, dtype=np.int32))
    if not sources:
        raise DataError(
            f"no rows: no pair has at most {max_length} pieces on both sides",
            "raise data.max_length",
        )
    return Arrays(Ragged.of(sources), Ragged.of(targets))
