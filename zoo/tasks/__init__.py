"""Text in, arrays, model, arrays, text out; the losses and the metrics."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.config.tasks import task_class as task
from zoo.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    import keras

    from zoo.config.recipe import Recipe
    from zoo.text import Tokenizer

__all__ = ["of", "options", "task"]


def of(recipe: Recipe, model: keras.Model, tokenizers: tuple[Tokenizer, Tokenizer]) -> Any:
    """Return the verbs of a recipe's task with its model and tokenizers."""
    return task(recipe.task)(
        model, *tokenizers, options=recipe.evaluate, data=recipe.data,
        trained_length=recipe.trained_length,
    )  # fmt: skip


def options(task: Any, verb: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not None.

    Raises:
        OptionError: the task's verb does not take one of them.
    """
    parameters = inspect.signature(getattr(task, verb)).parameters
    chosen = {name: value for name, value in values.items() if value is not None}
    for name in chosen:
        if name not in parameters:
            raise OptionError(
                f"a model for the task '{task.name}' has no option '{name}'",
                did_you_mean(name, [option for option in values if option in parameters]),
            )
    return chosen
