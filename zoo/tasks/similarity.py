"""The similarity of two texts, read in both orders: a label or a number (gpt1, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import DataError, NotSupported, OptionError
from zoo.tasks import metrics
from zoo.tasks.classify import Classify, check_examples


class Similarity(Classify):
    """A model that compares two texts, whichever comes first.

    Inputs are (text, text). With labels the verbs are those of a classifier of texts; without
    labels in its recipe the model gives a number, such as how similar the texts are from 0 to 5.
    """

    name = "similarity"

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
