"""Similarity of two texts, read in both orders: a label or a number (gpt1, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from zoo.config.recipe import Recipe
from zoo.data import columns, sequences
from zoo.data.cells import is_whole, label_of, number_of, plain_value, two_texts
from zoo.data.examples import Example
from zoo.errors import DataError, NotSupported, OptionError
from zoo.tasks import metrics
from zoo.tasks.entail import Entail

# Columns of these names hold numbers.
SCORES = ("score", "similarity")
NUMBERS = "this model gives numbers, not labels with probabilities"


class Similarity(Entail):
    """Compare two texts, in any order.

    Inputs are (text, text). A recipe with labels makes a classifier; without labels the model gives
    a number, such as a similarity from 0 to 5.
    """

    name = "similarity"
    form = sequences.BOTH_ORDERS
    names = ("first", "second")

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
        """Read ((text, text), label) or ((text, text), number) of each row.

        Labels are numbers if one of them is a fraction such as 3.8, or if their column is called
        "score" or "similarity". Whole numbers alone, as 0 and 1, are names of classes, unless the
        model gives numbers.

        Raises:
            DataError: see `zoo.data.columns`; or only some labels are numbers.
        """
        rows = list(columns.read_rows(data, targets, cls.roles(recipe, fresh), table))
        pairs = [two_texts(*row) for row in rows]
        values = [plain_value(row[-1], f"{where}: the {names[-1]}") for where, names, row in rows]
        numbers = [number_of(value) for value in values]
        scores = rows[0][1][-1].casefold() in SCORES or any(
            number is not None and ((recipe.regression and not fresh) or not is_whole(value))
            for number, value in zip(numbers, values, strict=True)
        )
        if not scores:
            labels = [label_of(*row) for row in rows]
            return [Example(*pair) for pair in zip(pairs, labels, strict=True)]
        examples = []
        for (where, names, _), pair, number, value in zip(
            rows, pairs, numbers, values, strict=True
        ):
            if number is None:
                raise DataError(
                    f"{where}: the {names[-1]} is {value!r}, not a number",
                    "give a number in each row, or labels that are none",
                )
            examples.append(Example(pair, number))
        return examples

    @classmethod
    def encode_labels(cls, labels: Sequence[Any], recipe: Recipe) -> np.ndarray:
        if recipe.regression:
            return np.array(labels, dtype=np.float32)
        return super().encode_labels(labels, recipe)

    def outputs(self, texts: Sequence[Any], batch_size: int | None, progress: bool) -> np.ndarray:
        if self.labels:
            return super().outputs(texts, batch_size, progress)
        return self.logits(texts, batch_size, progress) if len(texts) else np.zeros((0, 1))

    def answer(self, given: Any, row: np.ndarray, scores: bool) -> Any:
        if self.labels:
            return super().answer(given, row, scores)
        if scores:
            raise OptionError(NUMBERS, "leave scores out")
        return float(row[0])

    def probabilities(
        self, texts: Sequence[Any], *, batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        if not self.labels:
            raise NotSupported(NUMBERS, "predict gives them")
        return super().probabilities(texts, batch_size=batch_size, progress=progress)

    def check_truth(self, where: str, given: Any, truth: Any) -> None:
        if self.labels:
            super().check_truth(where, given, truth)
        elif not isinstance(truth, (int, float)):
            raise DataError(
                f"{where}: the label '{truth}' is no number",
                "this model gives numbers: measure it on numbers",
            )

    def measure(self, rows: np.ndarray, truths: Sequence[Any]) -> dict[str, Any]:
        if self.labels:
            return super().measure(rows, truths)
        return metrics.regression(rows[:, 0], np.array(truths))

    def golden_scores(self, texts: Sequence[Any], outputs: Sequence[Any]) -> np.ndarray:
        if self.labels:
            return super().golden_scores(texts, outputs)
        return np.array(self.predict(texts))
