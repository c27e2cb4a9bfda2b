"""The similarity of two texts, read in both orders: a label or a number (gpt1, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from zoo.config.recipe import Recipe
from zoo.data import columns, sequences
from zoo.data.columns import is_whole, number_of, plain_value
from zoo.data.examples import Example
from zoo.errors import DataError, NotSupported, OptionError
from zoo.tasks import metrics
from zoo.tasks.base import check_examples
from zoo.tasks.entail import Entail

# Columns of these names hold numbers.
SCORES = ("score", "similarity")


class Similarity(Entail):
    """A model that compares two texts, whichever comes first.

    Inputs are (text, text). With labels the verbs are those of a classifier of texts; without
    labels in its recipe the model gives a number, such as how similar the texts are from 0 to 5.
    """

    name = "similarity"
    form = sequences.BOTH_ORDERS
    names = ("first", "second")

    @classmethod
    def read(
        cls, recipe: Recipe, data: Any, targets: Iterable[Any] | None = None, *, fresh: bool = False
    ) -> list[Example]:
        """Return ((text, text), label) of each row, or ((text, text), number).

        Labels are numbers if one of them is no whole number, as 3.8, or if their column is called
        "score" or "similarity"; whole numbers alone, as 0 and 1, are names of classes, but for a
        model that gives numbers.

        Raises:
            DataError: see `zoo.data.columns`; or some labels are numbers and one is not.
        """
        rows = list(columns.read_rows(data, targets, cls.spec().columns))
        pairs = [columns.two_texts(*row) for row in rows]
        cells = [
            plain_value(cells[-1], f"{where}: the {names[-1]}") for where, names, cells in rows
        ]
        numbers = [number_of(cell) for cell in cells]
        scores = rows[0][1][-1].casefold() in SCORES or any(
            number is not None and ((recipe.regression and not fresh) or not is_whole(cell))
            for number, cell in zip(numbers, cells, strict=True)
        )
        if not scores:
            labels = [columns.label_of(*row) for row in rows]
            return [Example(*pair) for pair in zip(pairs, labels, strict=True)]
        examples = []
        for (where, names, _), pair, number, cell in zip(rows, pairs, numbers, cells, strict=True):
            if number is None:
                raise DataError(
                    f"{where}: the {names[-1]} is {cell!r}, not a number",
                    "give a number in each row, or labels that are none",
                )
            examples.append(Example(pair, number))
        return examples

    @classmethod
    def encode_labels(cls, labels: Sequence[Any], recipe: Recipe) -> np.ndarray:
        if recipe.regression:
            return np.array(labels, dtype=np.float32)
        return super().encode_labels(labels, recipe)

    def predict(
        self,
        texts: Sequence[Any],
        *,
        scores: bool = False,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> list[Any]:
        """Return the most probable label of each pair, or its number.

        Raises:
            OptionError: `scores` of a model that gives numbers.
            InputError: see `encode`.
        """
        if self.labels:
            return super().predict(texts, scores=scores, batch_size=batch_size, progress=progress)
        if scores:
            raise OptionError(
                "this model gives numbers, not labels with probabilities", "leave scores out"
            )
        if not len(texts):
            return []
        return [float(row[0]) for row in self._logits(texts, batch_size, progress)]

    def probabilities(
        self, texts: Sequence[Any], *, batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        """Return the probability of each label: float64 [pairs, labels].

        Raises:
            NotSupported: the model gives numbers.
        """
        if not self.labels:
            raise NotSupported(
                "this model gives numbers, not labels with probabilities", "predict gives them"
            )
        return super().probabilities(texts, batch_size=batch_size, progress=progress)

    def evaluate(
        self,
        examples: Sequence[tuple[Any, Any]],
        *,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> dict[str, Any]:
        """Compare what the model gives to pairs with what is true.

        Args:
            examples: (pair, label) each, or (pair, number).

        Returns:
            What `Classify.evaluate` does; of numbers "pearson" and "spearman", the correlations
            times 100, "loss", the mean squared error, and "texts", the number of pairs.

        Raises:
            DataError: there is no example, a label that the model does not have, or none that is a
                number where the model gives numbers.
        """
        if self.labels:
            return super().evaluate(examples, batch_size=batch_size, progress=progress)
        check_examples(examples)
        for number, (_, truth) in enumerate(examples, start=1):
            if not isinstance(truth, (int, float)):
                raise DataError(
                    f"row {number}: the label '{truth}' is no number",
                    "this model gives numbers: measure it on numbers",
                )
        found = self.predict(
            [pair for pair, _ in examples], batch_size=batch_size, progress=progress
        )
        return metrics.regression(np.array(found), np.array([truth for _, truth in examples]))

    def golden_scores(self, texts: Sequence[Any], outputs: Sequence[Any]) -> np.ndarray:
        """Return log P of each label, or the numbers, float64 [pairs]."""
        if self.labels:
            return super().golden_scores(texts, outputs)
        return np.array(self.predict(texts))
