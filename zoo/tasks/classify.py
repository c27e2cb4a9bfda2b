"""Classification: a text in, its label out; scored by accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo.config import tasks
from zoo.config.recipe import Data, Evaluate
from zoo.data import sequences
from zoo.data.prepare_texts import text_ids
from zoo.errors import DataError, check_count
from zoo.models.contracts import SequenceClassifier
from zoo.tasks import inputs, metrics
from zoo.tasks.reading import logits
from zoo.text import Tokenizer


class Classify:
    """A model, its tokenizer and its labels as a classifier of texts.

    Args:
        model: a built classifier, see `zoo.tasks.reading.logits`; one of sequences reads a text
            as a sequence, see `zoo.data.transformations`.
        tokenizer: its tokenizer; `target_tokenizer` is the same one.
        options: how to measure where a call does not say.
        data: its labels, and how texts were given to the model in training.
    """

    name = "classify"

    def __init__(
        self,
        model: keras.Model,
        tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        options: Evaluate,
        data: Data,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.options = options
        self.data = data

    @property
    def labels(self) -> list[str]:
        """The classes, in the order of the model's logits."""
        return self.data.labels

    def encode(self, texts: Sequence[Any]) -> list[Any]:
        """Return what the model reads of each text, int32 [ids], or a list of these if several.

        Raises:
            InputError: an empty text, or what is no input of this task, by its number.
        """
        return [each[0] if len(each) == 1 else each for each in self._sequences(texts)]

    def _sequences(self, texts: Sequence[Any]) -> list[list[np.ndarray]]:
        texts = inputs.checked(self.name, texts)
        if not isinstance(self.model, SequenceClassifier):
            return [[text_ids(self.tokenizer, text, None, self.data.reverse)] for text in texts]
        made = sequences.of_model(self.name, self.model, self.tokenizer, self.data)
        return made.encode(texts, tasks.spec(self.name).input)

    def predict(
        self,
        texts: Sequence[Any],
        *,
        scores: bool = False,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> list[Any]:
        """Return the most probable label of each text.

        Args:
            scores: return all labels with their probabilities instead, the most probable first.
            batch_size: texts read together.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Raises:
            InputError: see `encode`.
        """
        found = self.probabilities(texts, batch_size=batch_size, progress=progress)
        if not scores:
            return [self.labels[i] for i in found.argmax(axis=1)]
        return [
            {self.labels[i]: float(row[i]) for i in np.argsort(-row, kind="stable")}
            for row in found
        ]

    def probabilities(
        self, texts: Sequence[Any], *, batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        """Return the probability of each label: float64 [texts, labels]."""
        if not len(texts):
            return np.zeros((0, len(self.labels)))
        return metrics.softmax(self._logits(texts, batch_size, progress))

    def _logits(
        self, texts: Sequence[Any], batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        rows = self.options.batch_size if batch_size is None else batch_size
        check_count("batch_size", rows)
        return logits(self.model, self._sequences(texts), self.tokenizer.pad_id, rows, progress)

    def evaluate(
        self,
        examples: Sequence[tuple[Any, Any]],
        *,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> dict[str, Any]:
        """Compare the labels that the model gives to texts with their true ones.

        Args:
            examples: (text, label) each.

        Returns:
            "accuracy" and "macro_f1" in percent, "loss" in nats a text, "confusion" (for each true
            label, how often each label was given), "texts".

        Raises:
            DataError: there is no example, or a label that the model does not have.
        """
        check_examples(examples)
        for number, (_, label) in enumerate(examples, start=1):
            if label not in self.labels:
                raise DataError(
                    f"row {number}: the model has no label '{label}'",
                    f"its labels are {', '.join(self.labels)}",
                )
        found = self.probabilities(
            [text for text, _ in examples], batch_size=batch_size, progress=progress
        )
        return metrics.classification(found, [label for _, label in examples], self.labels)

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Return what a model is remembered by: the first text of each of up to four labels."""
        firsts: dict[Any, Any] = {}
        for text, label in examples:
            firsts.setdefault(label, text)
        return list(firsts.values())[:4]

    def golden_scores(self, texts: Sequence[Any], outputs: Sequence[Any]) -> np.ndarray:
        """Return log P of each label, float64 [texts]."""
        found = self.probabilities(texts)
        chosen = [self.labels.index(label) for label in outputs]
        return np.log(found[np.arange(len(texts)), chosen])

    def golden_logits(self, text: Any, output: Any) -> np.ndarray:
        """Return the logits [1, classes] of a text."""
        return self._logits([text])


def check_examples(examples: Sequence[Any]) -> None:
    """Raise DataError if there is nothing to measure on."""
    if not examples:
        raise DataError("there are no rows to evaluate", "give at least one text")
