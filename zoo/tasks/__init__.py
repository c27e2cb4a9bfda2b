"""Text in, arrays, model, arrays, text out; the losses and the metrics."""

from __future__ import annotations

import importlib
from typing import Any

from zoo.errors import UnknownName, did_you_mean

_TASKS = {
    "translate": "zoo.tasks.translate:Translate",
    "generate": "zoo.tasks.generate:Generate",
    "classify": "zoo.tasks.classify:Classify",
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
