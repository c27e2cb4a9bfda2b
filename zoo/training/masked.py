"""Train a masked language model: hidden words, and whether two texts belong together."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

from zoo.config.recipe import Recipe
from zoo.data.batches import IGNORED
from zoo.data.encoded import Encoded
from zoo.data.masking import MaskedBatches, pieces
from zoo.data.text_pairs import Pairs, TextPairBatches, pieces_of
from zoo.errors import RecipeError
from zoo.models.contracts import Judge
from zoo.tasks import fill
from zoo.tasks.losses import LabelSmoothedCrossEntropy
from zoo.text import Tokenizer
from zoo.training.filling import Filling
from zoo.training.trainers import Trainer


class MaskedTrainer(Trainer):
    """Guess hidden tokens of texts from all others (bert2018, section 3.1, task 1).

    With `train.second_task` also judge pairs of texts (bert2018, task 2; albert2019, section 3.1).
    The loss is the mean over hidden tokens plus the mean over pairs.
    """

    @classmethod
    def make_batches(cls, recipe: Recipe, data: Encoded, tokenizer: Tokenizer) -> MaskedBatches:
        settings = recipe.train
        assert settings.batch_sentences is not None  # checked when the recipe is read
        options: dict[str, Any] = {
            "rows": settings.batch_sentences, "pad_id": tokenizer.pad_id, "seed": recipe.seed,
            "hiding": fill.hiding(tokenizer, settings.whole_words, settings.ngrams),
        }  # fmt: skip
        if settings.second_task == "none":
            return MaskedBatches(cls.pieces(recipe, data), **options)
        return TextPairBatches(cls.pairs(recipe, data, tokenizer), **options)

    @staticmethod
    def longest(recipe: Recipe) -> int:
        """Return the most tokens that are read at a time, within the model's context."""
        longest = recipe.data.max_length
        assert longest is not None  # checked when the recipe is read
        return min(longest, recipe.resolved().model.arguments.get("context", longest))

    @classmethod
    def pieces(cls, recipe: Recipe, data: Encoded) -> list[np.ndarray]:
        """Return the pieces of the texts that are read at a time."""
        return pieces(data.tokens, cls.longest(recipe))

    @classmethod
    def pairs(cls, recipe: Recipe, data: Encoded, tokenizer: Tokenizer) -> Pairs:
        """Return the pieces of the texts that are read at a time as pairs."""
        longest, kind = cls.longest(recipe), recipe.train.second_task
        assert kind != "none"
        found = pieces_of(data.tokens, data.columns["sentences"], longest)
        return Pairs(found, kind, longest, tokenizer.start_id, tokenizer.end_id)

    @classmethod
    def rows(cls, recipe: Recipe, data: Encoded) -> int:
        if recipe.train.second_task == "none":
            return len(cls.pieces(recipe, data))
        return len(pieces_of(data.tokens, data.columns["sentences"], cls.longest(recipe)))

    @property
    def judges(self) -> bool:
        """Whether the second task is trained too."""
        return self.recipe.train.second_task != "none"

    def wrap(self, model: keras.Model) -> keras.Model:
        self.filler = model
        if isinstance(model, Judge) and not self.judges:  # its head gets no gradient, and stays
            for layer in model.judging:
                layer.trainable = False
        if self.judges and not (isinstance(model, Judge) and model.judges):
            key = getattr(model, "second_task", "")
            raise RecipeError(
                f"recipe {self.recipe.name}: the model has no head for train.second_task",
                f"set model.arguments.{key} to true" if key else "set train.second_task to 'none'",
            )
        return Filling(model, self.judges)

    def loss(self) -> Any:
        words = LabelSmoothedCrossEntropy(self.recipe.train.label_smoothing, padding_id=IGNORED)
        if not self.judges:
            return words
        return {"words": words, "pairs": LabelSmoothedCrossEntropy(padding_id=IGNORED)}

    @functools.cached_property
    def validation(self) -> tuple[list[fill.Hidden], np.ndarray]:
        """The validation texts with single places hidden once and for all, and labels of pairs."""
        if not self.judges:
            texts = self.pieces(self.recipe, self.valid)
            return fill.hidden(texts, self.tokenizer), np.zeros(0, np.int32)
        pairs = self.pairs(self.recipe, self.valid, self.tokenizer)
        drawn = [pairs.pair(i, np.random.default_rng((0, i, 2))) for i in range(len(pairs))]
        labels = np.array([label for _, label in drawn], dtype=np.int32)
        return fill.hidden([ids for ids, _ in drawn], self.tokenizer), labels

    def validate(self) -> float:
        """Return the mean of -log P of the hidden tokens, plus that of the pairs, in nats."""
        pad_id, rows = self.tokenizer.pad_id, self.recipe.evaluate.batch_size
        texts, labels = self.validation
        loss = -float(fill.guesses(self.filler, texts, pad_id, rows)[0].mean())
        if (labels != IGNORED).any():
            log_p = fill.judgements(self.filler, texts, pad_id, rows)[labels != IGNORED]
            chosen = np.take_along_axis(log_p, labels[labels != IGNORED][:, None], axis=1)
            loss -= float(chosen.mean())
        return loss
