"""Text in, arrays, model, arrays, text out; the losses and the metrics."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from zoo.errors import OptionError, UnknownName, did_you_mean

_TASKS = {
    "translate": "zoo.tasks.translate:Translate",
    "generate": "zoo.tasks.generate:Generate",
    "classify": "zoo.tasks.classify:Classify",
    "entail": "zoo.tasks.entail:Entail",
    "similarity": "zoo.tasks.similarity:Similarity",
    "choose": "zoo.tasks.choose:Choose",
}


def task(name: str) -> Any:
    """Return the class of a task by its name in recipes.

    Raises:
        UnknownName: there is no such task.
    """
    if name not in _TASKS:
        raise UnknownName(f"there is no task '{name}'", did_you_mean(name, _TASKS))
    module, _, attribute = _TASKS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def options(task: Any, verb: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options that are not None, all of which a task's verb must have.

    Raises:
        OptionError: it does not have one of them.
    """
    known = inspect.signature(getattr(task, verb)).parameters
    chosen = {name: value for name, value in given.items() if value is not None}
    for name in chosen:
        if name not in known:
            raise OptionError(
                f"a model for the task '{type(task).__name__.lower()}' has no option '{name}'",
                did_you_mean(name, [each for each in given if each in known]),
            )
    return chosen
