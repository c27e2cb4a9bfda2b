"""Ensembles of classifiers: the mean of their probabilities (ulmfit2018, section 3.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from zoo.errors import NotSupported, OptionError
from zoo.training import measuring

if TYPE_CHECKING:
    from zoo.data.columns import TableArguments
    from zoo.pretrained import Pretrained


class Ensemble:
    """Classifiers with the same labels, such as one that reads forward and one that reads backward.

    Args:
        models: at least two; the ensemble takes its labels' order from the first one.

    Raises:
        NotSupported: a model is not a classifier.
        OptionError: there are fewer than two models, or their labels differ.
    """

    def __init__(self, models: Sequence[Pretrained]) -> None:
        self.models = list(models)
        if len(self.models) < 2:
            raise OptionError(
                f"an ensemble of {len(self.models)}", "give two models or more, as in [one, other]"
            )
        for model in self.models:
            if not model.labels:
                raise NotSupported(
                    f"{model.recipe.name} is no classifier: its task is '{model.recipe.task}'",
                    "an ensemble averages the probabilities of labels",
                )
            if set(model.labels) != set(self.labels):
                raise OptionError(
                    f"{model.recipe.name} has the labels {', '.join(model.labels)}, the first "
                    f"model {', '.join(self.labels)}",
                    "give models with the same labels",
                )

    @property
    def labels(self) -> list[str]:
        """The classes, in the order of the probabilities."""
        return self.models[0].labels

    def probabilities(self, texts: Iterable[str], batch_size: int | None = None) -> np.ndarray:
        """Return the mean probability of each label: float64 [texts, labels]."""
        inputs = self.models[0].task.listed(texts)[1]
        for model in self.models:
            model.task.check_known(inputs)
        return self._mean(inputs, batch_size)

    def _mean(self, texts: Sequence[str], batch_size: int | None = None) -> np.ndarray:
        total = np.zeros((len(texts), len(self.labels)))
        for model in self.models:
            order = [model.labels.index(label) for label in self.labels]
            total += model.task.outputs(texts, batch_size, False)[:, order]
        return total / len(self.models)

    def predict(self, texts: str | Iterable[str], scores: bool = False) -> Any:
        """Return labels, or all probabilities, as `Pretrained.predict` of a classifier does."""
        one = isinstance(texts, str)
        rows = self.probabilities([texts] if isinstance(texts, str) else texts)
        results: list[Any] = [self.labels[i] for i in rows.argmax(axis=1)]
        if scores:
            results = [
                {self.labels[i]: float(row[i]) for i in np.argsort(-row, kind="stable")}
                for row in rows
            ]
        return results[0] if one else results

    def evaluate(
        self,
        data: Any = None,
        targets: Iterable[str] | None = None,
        *,
        split: str | None = None,
        **table: Unpack[TableArguments],
    ) -> dict[str, Any]:
        """Measure the ensemble on the examples of the first model's `evaluate`.

        Args:
            table: text_column and the others, see `Pretrained.finetune`.
        """
        about, examples = self.models[0].examples(data, targets, split=split, **table)
        first = self.models[0]
        first.task.check_truths(examples)
        for model in self.models:
            tokenizers = model.source_tokenizer, model.target_tokenizer
            measuring.check_own(model.recipe, tokenizers, about, examples)
        rows = self._mean([text for text, _ in examples])
        measured = first.task.measure(rows, [label for _, label in examples])
        metric = first.recipe.evaluate.metric
        return {"metric": metric, "value": measured[metric], **about, **measured}
