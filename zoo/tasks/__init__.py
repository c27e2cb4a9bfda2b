"""Text in, arrays, model, arrays, text out; the losses and the metrics."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from zoo.config.tasks import task_class as task
from zoo.errors import OptionError, did_you_mean

__all__ = ["options", "task"]


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
