"""The verb of trained models that compares texts by their vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Comparing:
    """What `zoo.pretrained.Pretrained` offers for models that give texts vectors.

    Attributes:
        task: the verbs on examples in memory, see `zoo.tasks.base.Task`.
    """

    task: Any

    def similarity(
        self, texts: str | Iterable[str], others: str | Iterable[str] | None = None,
        batch_size: int | None = None,
    ) -> Any:  # fmt: skip
        """Return the cosine of the vectors of texts, from -1 to 1, 1 for equal texts.

        Args:
            texts, others: a text or a list each; None compares `texts` with each other.
            batch_size: texts that go through the model together.

        Returns:
            float32 [texts, others], without the axis of a single text; a number for two texts.

        Raises:
            NotSupported: the model gives no vectors.
            InputError: see `predict`.
        """
        one, first = self.task.listed(texts)
        other, second = (one, first) if others is None else self.task.listed(others)
        found = self.task.similarity(first, second, batch_size=batch_size)
        found = found[:, 0] if other else found
        found = found[0] if one else found
        return float(found) if one and other else found
