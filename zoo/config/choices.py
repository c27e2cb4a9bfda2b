"""What a recipe may choose by name: optimizers and schedules, one row each. Imports no Keras.

Add a row to add a choice: settings, errors and docs read this table. The tokenizers and metrics
have tables of their own beside this one.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import AfterValidator

from zoo.config.tables import problem
from zoo.errors import did_you_mean


@dataclass(frozen=True)
class OptimizerSpec:
    """One optimizer that `optimizer.name` may choose."""

    #: of the Keras optimizer: "module:Class"
    path: str
    #: keys of [optimizer] that the class takes beside those that all take
    keys: tuple[str, ...]
    #: what it is, for the docs
    about: str
    #: of the class that has a rate for each group of layers, "" if there is none
    path_of_groups: str = ""
    #: whether it averages the weights by itself
    averages: bool = False


@dataclass(frozen=True)
class ScheduleSpec:
    """One schedule that `schedule.name` may choose."""

    #: of the function from a recipe to its rate: "module:function"
    path: str
    #: the rate, for the docs
    about: str
    #: keys of [schedule] that it cannot do without, and what they are
    needs: Mapping[str, str] = field(default_factory=dict)


OPTIMIZERS: dict[str, OptimizerSpec] = {
    "adam": OptimizerSpec(
        "keras.optimizers:Adam",
        ("beta_1", "beta_2", "epsilon"),
        "Adam; alone has a rate for each group of layers, for `optimizer.discriminate` and "
        "`schedule.unfreeze_every`",
        path_of_groups="zoo.optim.discriminative:DiscriminativeAdam",
    ),
    "sgd": OptimizerSpec(
        "keras.optimizers:SGD", ("momentum",), "plain SGD, with momentum if it is given"
    ),
    "adadelta": OptimizerSpec(
        "keras.optimizers:Adadelta",
        ("rho", "epsilon"),
        "Adadelta, which finds its own rate: a rate of 1 is Zeiler's",
    ),
    "asgd": OptimizerSpec(
        "zoo.optim.asgd:ASGD",
        (),
        "SGD that averages its weights once the validation loss stops falling, see "
        "`optimizer.nonmonotone` (NT-ASGD)",
        averages=True,
    ),
}

_PEAK = {"peak": "a peak rate"}

SCHEDULES: dict[str, ScheduleSpec] = {
    "constant": ScheduleSpec(
        "zoo.optim.schedules:constant", "linear to `peak` in `warmup` updates, then constant", _PEAK
    ),
    "cosine": ScheduleSpec(
        "zoo.optim.schedules:cosine",
        "linear to `peak` in `warmup` updates, then half a cosine to zero at the last update",
        _PEAK,
    ),
    "halving": ScheduleSpec(
        "zoo.optim.schedules:halving",
        "`peak` for `halve_after` updates, then half of it, halved again every `halve_every`",
        {
            **_PEAK,
            "halve_after": "the number of updates before the first halving",
            "halve_every": "the number of updates between two halvings",
        },
    ),
    "inverse_sqrt": ScheduleSpec(
        "zoo.optim.schedules:inverse_sqrt",
        "linear to `peak` in `warmup` updates, then falling with the root of the update",
        _PEAK,
    ),
    "linear": ScheduleSpec(
        "zoo.optim.schedules:linear",
        "linear to `peak` in `warmup` updates, then linear to zero at the last update",
        _PEAK,
    ),
    "noam": ScheduleSpec(
        "zoo.optim.schedules:noam",
        "as `inverse_sqrt`, with the peak that follows from the model's width and `warmup`",
    ),
    "slanted_triangular": ScheduleSpec(
        "zoo.optim.schedules:slanted_triangular",
        "linear to `peak` for the share `cut` of the updates, then linear down; both ends are at "
        "`peak` / `ratio`; so `cycles` times",
        {
            **_PEAK,
            "cut": "the share of the updates that the rate rises for",
            "ratio": "the ratio of the peak to both ends",
        },
    ),
}


def imported(path: str) -> Any:
    """Return the class or function at "module:name"; this imports its module."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def one_of(noun: str, rows: Mapping[str, Any]) -> AfterValidator:
    """Return what makes a text field of a table accept the names of some rows only."""

    def check(name: str) -> str:
        if name not in rows:
            raise problem(f"there is no {noun} '{name}'", did_you_mean(name, rows))
        return name

    return AfterValidator(check)


def check_needs(name: str, needs: Mapping[str, str], settings: Any, table: str) -> None:
    """Raise a validation error if a chosen row needs a key that the table does not set."""
    for key, what in needs.items():
        if getattr(settings, key) is None:
            raise problem(f"'{name}' needs {what}", f"set {table}.{key}")
