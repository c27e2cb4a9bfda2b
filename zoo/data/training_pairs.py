"""The training pairs of a translator: several corpora, held-out sentences, augmentation, ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from zoo.config.recipe import Data, Recipe
from zoo.data import augment, corpora
from zoo.data.corpora.first_names import first_names
from zoo.data.encoded import Encoded, Ragged
from zoo.data.examples import Example, sentence_key
from zoo.errors import DataError
from zoo.text import Tokenizer


def load(
    recipe: Recipe,
    own: Sequence[Example],
    held_out: Iterable[Example],
    read: Callable[[Data], list[Example]] | None = None,
) -> list[list[Example]]:
    """Return the training pairs of the recipe's corpus and of each of `data.also`, augmented.

    With `data.also` or `data.exclude`, no pair has a source of `held_out` or of the test split of a
    corpus in `data.exclude`, whatever its case and punctuation.

    Args:
        own: the training pairs of the recipe's corpus.
        held_out: its validation and test examples.
        read: reads the training pairs of a further corpus; None finds it by name.

    Raises:
        UnknownName, DataError: see `zoo.data.corpora.load`.
    """
    data = recipe.data
    further = [data.model_copy(update=dict(also)) for also in data.also]
    read = read or (lambda part: corpora.load(part, "train", seed=recipe.seed))
    parts = [list(own), *map(read, further)]
    held: set[str] = set()
    if data.also or data.exclude:
        excluded = (data.model_copy(update={"corpus": name, "hub": None}) for name in data.exclude)
        held |= {sentence_key(source) for source, _ in held_out}
        for part in excluded:
            held |= {sentence_key(source) for source, _ in corpora.load(part, "test")}
        held.discard("")

    def allowed(pairs: Iterable[Example]) -> list[Example]:
        return [pair for pair in pairs if sentence_key(pair[0]) not in held] if held else [*pairs]

    parts = [allowed(part) for part in parts]
    if not data.augment:
        return parts
    names = augment.Names((), ())
    if "names" in data.augment:
        every = (pair for part in parts for pair in part)
        names = augment.with_mined(augment.first_names(first_names()), every)
    augmented = (
        augment.augment(pairs, data.augment, recipe.seed, part.shown, names)
        for pairs, part in zip(parts, [data, *further], strict=True)
    )
    # Once more, because a step may have made a sentence that is held out.
    return [allowed(Example(*pair) for pair in pairs) for pairs in augmented]


def encode(
    examples: Sequence[Example], tokenizers: tuple[Tokenizer, Tokenizer], recipe: Recipe
) -> Encoded:
    """Encode pairs, the end id last on each side; leave out pairs that are too long.

    `data.reverse_source` reverses each source but for its end id.

    Raises:
        DataError: no pair is short enough.
    """
    data = recipe.data
    assert data.max_length is not None  # checked when the recipe is read
    longest = min(data.max_length, recipe.train.buckets[-1])
    sources, targets = [], []
    for source, target in examples:
        left = source_ids(tokenizers[0], tokenizers[0].encode(source), data.reverse_source)
        right = [*tokenizers[1].encode(target), tokenizers[1].end_id]
        if len(left) <= longest and len(right) <= longest:
            # Arrays: millions of pairs would not fit into memory as lists.
            sources.append(np.array(left, dtype=np.int32))
            targets.append(np.array(right, dtype=np.int32))
    if not sources:
        raise DataError(
            f"no rows: no pair has at most {longest} pieces on both sides",
            "raise data.max_length and train.buckets",
        )
    return Encoded.pairs(Ragged.of(sources), Ragged.of(targets))


def source_ids(tokenizer: Tokenizer, ids: Sequence[int], reverse: bool = False) -> list[int]:
    """Return a source as a model reads it: its pieces, reversed on request, then the end id."""
    return [*(reversed(ids) if reverse else ids), tokenizer.end_id]
