"""The task's metrics on held-out examples, during a fine-tuning run and at its end."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras

from zoo import tasks
from zoo.config.recipe import Recipe
from zoo.config.tasks import task_class
from zoo.data.examples import Example, some
from zoo.errors import ZooWarning
from zoo.tasks.base import Tokenizers


class HeldOut:
    """Held-out examples that a model of a recipe is measured on.

    Args:
        examples: as the task's `read` returns them. At most `evaluate.limit` are used, always the
            same ones.
        quick: use still fewer, and the options that the task has for a quick measurement.
    """

    def __init__(
        self,
        recipe: Recipe,
        tokenizers: Tokenizers,
        examples: Sequence[Example],
        quick: bool = False,
    ) -> None:
        self.recipe = recipe
        self.tokenizers = tokenizers
        task_type = task_class(recipe.task)
        self.options = dict(task_type.quick_options) if quick else {}
        limits = [recipe.evaluate.limit, task_type.quick_limit if quick else None]
        limit = min((limit for limit in limits if limit is not None), default=None)
        self.examples = some(task_type.as_measured(list(examples)), limit, seed=0)

    def measure(self, model: keras.Model) -> dict[str, Any]:
        """Return the metrics of a model."""
        task = tasks.of(self.recipe, model, self.tokenizers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZooWarning)  # of texts, told before the training
            measured: dict[str, Any] = task.evaluate(self.examples, **self.options)
            return measured
