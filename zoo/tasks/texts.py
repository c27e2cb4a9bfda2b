"""Tasks that train on plain texts: how these are read, encoded and checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from zoo.config.recipe import Data, Recipe
from zoo.data import columns, corpora
from zoo.data.encoded import Encoded, Ragged, training_ids
from zoo.data.examples import Example
from zoo.errors import DataError
from zoo.tasks import unknown
from zoo.tasks.base import Task, Tokenizers


class Texts(Task):
    """A task whose examples are texts without labels."""

    @classmethod
    def read(
        cls,
        recipe: Recipe,
        data: Any,
        targets: Iterable[Any] | None = None,
        *,
        fresh: bool = False,
        table: columns.TableOptions = columns.PLAIN,
    ) -> list[Example]:
        """Read a user's texts, which have no labels."""
        if targets is not None:
            raise DataError(
                "a language model is trained on texts alone, and there are labels",
                'leave them out, or train a classifier on them with task="classify"',
            )
        return [Example(text) for text in columns.read_texts(data, cls.roles(recipe), table)]

    @classmethod
    def load(cls, recipe: Recipe, split: str, folder: Path | None = None) -> list[Example]:
        """Read the texts of one split of the recipe's corpus, for training of all its corpora.

        Whitespace tokenizers read line by line, as papers compare word-level perplexities; for
        others an article is one text.
        """
        further = recipe.data.also if split == "train" else []
        data = [recipe.data, *(recipe.data.model_copy(update=dict(also)) for also in further)]
        whole = not recipe.tokenizer.spec.by_line
        texts: list[Example] = []
        for i, corpus in enumerate(data):
            if corpus.path is not None:
                texts += cls.load_own(recipe, corpus, split, None if i else folder)
                continue
            texts += corpora.load(
                corpus, split, labelled=False, whole=whole, seed=recipe.seed,
                folder=None if i else folder,
            )  # fmt: skip
        return texts

    @classmethod
    def encode_examples(
        cls, examples: Sequence[Example], tokenizers: Tokenizers, recipe: Recipe
    ) -> Encoded:
        if not examples:
            raise DataError("there are no texts", "give at least one")
        data = recipe.data
        texts = [text for text, _ in examples]
        ids = training_ids(tokenizers[0], texts, data.max_length, data.reverse)
        return Encoded.texts(Ragged.of(ids))

    @classmethod
    def check_rows(
        cls, examples: Sequence[Any], tokenizers: Tokenizers, data: Data, where: str = ""
    ) -> None:
        """Check that the tokenizer knows something of all texts together, which are one stream."""
        reading = unknown.Reading("row", len(examples), rows=True)
        texts = [text for text, _ in examples]
        reading.check_stream(tokenizers[0], texts, data.language, f"{where}the text")
