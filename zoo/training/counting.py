"""Train a model of n-grams: count once, smooth, and fill in its table. There is no gradient."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import keras
import numpy as np

from zoo import bundle
from zoo.config.recipe import Recipe
from zoo.data.batches import Batch
from zoo.data.encoded import Encoded, Ragged
from zoo.errors import RecipeError, did_you_mean
from zoo.ngrams import layout
from zoo.ngrams.counts import count
from zoo.ngrams.smoothing import SMOOTHINGS, smooth
from zoo.ngrams.tables import NGrams
from zoo.text import Tokenizer
from zoo.training.trainers import Trainer

# How to ask for it, as the word alone is no value at all there.
NONE = """--set 'model.arguments.smoothing="none"'"""


@dataclass(frozen=True)
class Texts:
    """All texts at once, each with the start before it: the one batch of a count.

    Attributes:
        text: the ids of each text from the start to the end.
    """

    text: Ragged
    per_pass: int = 1

    @classmethod
    def of(cls, tokens: Ragged, tokenizer: Tokenizer) -> Texts:
        """Return texts that begin with the start, which those with one id for both lack.

        Texts without an end of their own are one text.
        """
        if tokenizer.open_ended:
            tokens = Ragged(tokens.ids, np.array([0, len(tokens.ids)]))
        if tokenizer.start_id != tokenizer.end_id:
            return cls(tokens)
        return cls(
            Ragged(
                np.insert(tokens.ids, tokens.offsets[:-1], tokenizer.start_id),
                tokens.offsets + np.arange(len(tokens.offsets)),
            )
        )

    @property
    def counted(self) -> int:
        """The number of words after a start."""
        return len(self.text.ids) - len(self.text)

    def batch(self, step: int) -> Batch:
        """Return the ids of all texts one after another, and the words that follow each."""
        return self.text.ids[:-1], self.text.ids[1:]

    def tokens(self, step: int) -> int:
        return self.counted

    def loss(self, model: NGrams) -> float:
        """Return the mean of -log P of a word, in nats."""
        log_p = model.log_probabilities(self.text.ids, self.text.offsets)
        log_p[self.text.offsets[:-1]] = 0.0
        return -float(log_p.sum()) / self.counted * float(np.log(10.0))


class CountTrainer(Trainer):
    """Count the n-grams of all texts in one pass; one update is all there is.

    No n-gram goes from one text into another. The sizes of the table are known after the count, so
    the model is built then, and its recipe has them.

    Raises:
        RecipeError: another number of updates, another model, a smoothing that there is not, or
            nothing for add-k to add.
        DataError: there is no text, or none as long as the order.
    """

    def __init__(
        self,
        model: keras.Model,
        recipe: Recipe,
        train: Encoded,
        valid: Encoded,
        tokenizer: Tokenizer,
    ) -> None:
        started = time.monotonic()
        arguments = recipe.resolved().model.arguments
        _check(recipe, arguments)
        self.texts = texts = Texts.of(train.tokens, tokenizer)
        begins = not tokenizer.open_ended  # whether the start is a start alone, and no word
        counts = count(
            texts.text.ids, texts.text.offsets, arguments["order"], arguments["vocabulary"], begins
        )
        table = smooth(
            counts, arguments["smoothing"], interpolated=arguments["interpolated"],
            k=arguments["k"], events=_events(tokenizer, arguments["vocabulary"]), started=begins,
        )  # fmt: skip
        sizes, self.weights = layout.laid_out(table)
        sizes["start"] = tokenizer.start_id
        sized = recipe.changed({f"model.arguments.{name}": value for name, value in sizes.items()})
        model = type(model)(**sized.resolved().model.arguments, dtype=model.dtype_policy)
        model.build()
        self.seconds = time.monotonic() - started
        super().__init__(model, sized, train, valid, tokenizer)

    @classmethod
    def make_batches(cls, recipe: Recipe, data: Encoded, tokenizer: Tokenizer) -> Texts:
        return Texts.of(data.tokens, tokenizer)

    def loss(self) -> keras.losses.Loss:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float32")

    def update(self, step: int) -> float:
        """Fill in the table; return its loss on the training texts."""
        for name, variable in bundle.variables(self.model).items():
            variable.assign(self.weights[name])
        return self.texts.loss(self.table())

    def validate(self) -> float:
        """Return the loss of the model's table in nats a token."""
        return Texts.of(self.valid.tokens, self.tokenizer).loss(self.table())

    def table(self) -> NGrams:
        """Return the table in the model's weights."""
        return layout.read(vars(self.model.arguments), bundle.arrays(self.model))

    def result(self, model: keras.Model) -> tuple[Recipe, keras.Model]:
        return self.recipe, self.model


def _events(tokenizer: Tokenizer, vocabulary: int) -> np.ndarray:
    """Return which ids can follow others: bool [vocabulary]."""
    events = np.arange(vocabulary) < tokenizer.size
    for special in {tokenizer.pad_id, tokenizer.start_id} - {tokenizer.end_id, -1}:
        events[special] = False
    return events


def _check(recipe: Recipe, arguments: dict) -> None:
    where = f"recipe {recipe.name}"
    if "smoothing" not in arguments:
        raise RecipeError(
            f"{where}: {recipe.paper} is not trained by counts",
            "choose another optimizer.name; `zoo recipes` shows those of each paper",
        )
    if arguments["smoothing"] is None:  # what `--set KEY=none` is
        raise RecipeError(
            f"{where}: model.arguments.smoothing is not set", f"for no smoothing write {NONE}"
        )
    if arguments["smoothing"] not in SMOOTHINGS:
        raise RecipeError(
            f"{where}: there is no smoothing '{arguments['smoothing']}'",
            did_you_mean(arguments["smoothing"], SMOOTHINGS),
        )
    if arguments["smoothing"] == "add-k" and not 0 < arguments["k"] < math.inf:
        raise RecipeError(
            f"{where}: add-k adds {arguments['k']}",
            f"set model.arguments.k above 0, or for no smoothing {NONE}",
        )
    if recipe.train.updates != 1:
        raise RecipeError(
            f"{where}: counts are one update, and train.updates is {recipe.train.updates}",
            "set train.updates and train.updates_per_epoch to 1",
        )
