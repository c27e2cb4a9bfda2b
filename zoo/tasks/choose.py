"""Multiple choice: a context and several answers in, the best answer out (gpt1, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import DataError
from zoo.tasks import metrics
from zoo.tasks.classify import Classify, check_examples


class Choose(Classify):
    """A model that scores each answer after its context, and compares the scores by softmax.

    Inputs are (context, answers), which may differ in the number of answers.
    """

    name = "choose"

    def predict(
        self,
        texts: Sequence[Any],
        *,
        scores: bool = False,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> list[Any]:
        """Return the most probable answer to each question.

        Args:
            scores: return all answers with their probabilities instead, the most probable first;
                those of equal answers are added.
            batch_size: questions read together.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Raises:
            InputError: see `encode`.
        """
        texts = list(texts)
        found = self.probabilities(texts, batch_size=batch_size, progress=progress)
        results: list[Any] = []
        for (_, answers), row in zip(texts, found, strict=True):
            told: dict[str, float] = {}
            for answer, each in zip(answers, row, strict=False):
                told[answer] = told.get(answer, 0.0) + float(each)
            best = dict(sorted(told.items(), key=lambda item: -item[1]))
            results.append(best if scores else list(answers)[int(row.argmax())])
        return results

    def probabilities(
        self, texts: Sequence[Any], *, batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        """Return the probability of each answer: float64 [questions, answers].

        A question with fewer answers than another has zeros at the end.
        """
        if not len(texts):
            return np.zeros((0, 0))
        return metrics.softmax(self._logits(texts, batch_size, progress))

    def evaluate(
        self,
        examples: Sequence[tuple[Any, Any]],
        *,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> dict[str, Any]:
        """Count how often the model chooses the right answer.

        Args:
            examples: ((context, answers), place of the right answer from 0) each.

        Returns:
            "accuracy" in percent, "loss" in nats a question, "texts", the number of questions.

        Raises:
            DataError: there is no example, or a place that no answer has.
        """
        check_examples(examples)
        for number, ((_, answers), place) in enumerate(examples, start=1):
            if not isinstance(place, int) or not 0 <= place < len(answers):
                raise DataError(
                    f"row {number}: there is no answer {place!r}",
                    f"give the place of one, 0 to {len(answers) - 1}",
                )
        found = self.probabilities(
            [question for question, _ in examples], batch_size=batch_size, progress=progress
        )
        return metrics.choice(found, np.array([place for _, place in examples]))

    # Golden outputs --------------------------------------------------------------------------

    def golden_scores(self, texts: Sequence[Any], outputs: Sequence[Any]) -> np.ndarray:
        """Return log P of each answer, float64 [questions]."""
        found = self.probabilities(texts)
        places = [
            list(answers).index(each) for (_, answers), each in zip(texts, outputs, strict=True)
        ]
        return np.log(found[np.arange(len(texts)), places])
