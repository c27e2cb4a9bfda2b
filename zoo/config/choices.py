"""The optimizers, schedules and augmentations that a recipe names, one row each. No Keras here.

Add a row to add a choice: settings, errors and docs read these tables. Tokenizers and metrics have
their own tables beside this one.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import AfterValidator

from zoo.config.tables import problem
from zoo.errors import did_you_mean


class OptimizerSpec(NamedTuple):
    """One optimizer that `optimizer.name` may choose."""

    path: str  # of the Keras optimizer: "module:Class"
    about: str  # what it is, for the docs
    keys: tuple[str, ...] = ()  # of [optimizer], beside those that all optimizers take
    path_of_groups: str = ""  # of the class with a rate for each group of layers
    averages: bool = False  # whether it averages the weights itself
    trainer: str = ""  # of the class that trains by it whatever the task; "" is the task's own


class ScheduleSpec(NamedTuple):
    """One schedule that `schedule.name` may choose."""

    path: str  # of the function from a recipe to its rate: "module:function"
    about: str  # the rate, for the docs
    needs: Mapping[str, str] = {}  # required keys of [schedule] and their meanings
    ends: bool = False  # whether the rate falls to its end by `train.updates`
    by_validation: bool = False  # whether validation losses set the rate, and end the run


class AugmentationSpec(NamedTuple):
    """One step that `data.augment` may name."""

    path: str  # of the function from pairs to pairs: "module:function"
    about: str  # what it does to training pairs, for the docs


OPTIMIZERS: dict[str, OptimizerSpec] = {
    "adam": OptimizerSpec(
        "keras.optimizers:Adam",
        "Adam; alone has rates by groups of layers (`optimizer.discriminate`, "
        "`schedule.unfreeze_every`)",
        keys=("beta_1", "beta_2", "epsilon"),
        path_of_groups="zoo.optim.discriminative:DiscriminativeAdam",
    ),
    "bert-adam": OptimizerSpec(
        "zoo.optim.bert:BertAdam", "Adam without correction of the means' bias, as in BERT's code",
        keys=("beta_1", "beta_2", "epsilon"),
    ),
    "lamb": OptimizerSpec(
        "zoo.optim.bert:Lamb",
        "LAMB as in ALBERT's code: `bert-adam`'s step with its decay, for each matrix times the "
        "matrix's norm over the step's",
        keys=("beta_1", "beta_2", "epsilon"),
    ),
    "sgd": OptimizerSpec(
        "keras.optimizers:SGD", "plain SGD, with momentum if it is given", keys=("momentum",)
    ),
    "adadelta": OptimizerSpec(
        "keras.optimizers:Adadelta", "Adadelta, which finds its own rate: a rate of 1 is Zeiler's",
        keys=("rho", "epsilon"),
    ),
    "asgd": OptimizerSpec(
        "zoo.optim.asgd:ASGD", "SGD that averages its weights once the validation loss stops "
        "falling, see `optimizer.nonmonotone` (NT-ASGD)", averages=True,
    ),
    "counts": OptimizerSpec(
        "keras.optimizers:SGD", "no optimizer: n-grams are counted in one pass, without a gradient",
        trainer="zoo.training.counting:CountTrainer",
    ),
}  # fmt: skip

_PEAK = {"peak": "a peak rate"}
_RISE = "linear to `peak` in `warmup` updates, then"
_AT = "zoo.optim.schedules"

SCHEDULES: dict[str, ScheduleSpec] = {
    "constant": ScheduleSpec(f"{_AT}:constant", f"{_RISE} constant", _PEAK),
    "none": ScheduleSpec(f"{_AT}:none", "0, for what has no gradient"),
    "cosine": ScheduleSpec(
        f"{_AT}:cosine", f"{_RISE} half a cosine to zero at the last update", _PEAK, ends=True
    ),
    "halving": ScheduleSpec(
        f"{_AT}:halving",
        "`peak` for `halve_after` updates, then half of it, halved again every `halve_every`",
        {
            **_PEAK, "halve_after": "the number of updates before the first halving",
            "halve_every": "the number of updates between two halvings",
        },
    ),
    "halving_by_validation": ScheduleSpec(
        f"{_AT}:halving_by_validation",
        "`peak` until an epoch's validation loss is not `improvement` times as good as the last "
        "one's, then half the rate in each further epoch, until one helps no more again, which "
        "ends the run",
        {
            "peak": "a rate to begin with",
            "improvement": "the ratio of one epoch's validation loss to the next one's that counts "
            "as better",
        },
        by_validation=True,
    ),
    "inverse_time": ScheduleSpec(
        f"{_AT}:inverse_time",
        "`peak` / (1 + `decay` * updates made before); with `warmup`, first linear up to it",
        {**_PEAK, "decay": "how fast the rate falls"},
    ),
    "inverse_sqrt": ScheduleSpec(
        f"{_AT}:inverse_sqrt", f"{_RISE} falling with the root of the update", _PEAK
    ),
    "linear": ScheduleSpec(
        f"{_AT}:linear", f"{_RISE} linear to zero at the last update", _PEAK, ends=True
    ),
    "noam": ScheduleSpec(
        f"{_AT}:noam", "as `inverse_sqrt`, with the peak that width and `warmup` give"
    ),
    "slanted_triangular": ScheduleSpec(
        f"{_AT}:slanted_triangular",
        "linear to `peak` for the share `cut` of the updates, then linear down; both ends are at "
        "`peak` / `ratio`; so `cycles` times",
        {
            **_PEAK, "cut": "the share of the updates that the rate rises for",
            "ratio": "the ratio of the peak to both ends",
        },
        ends=True,
    ),
}  # fmt: skip


_STEPS = "zoo.data.augment"

AUGMENTATIONS: dict[str, AugmentationSpec] = {
    "keyboard": AugmentationSpec(
        f"{_STEPS}:keyboard_signs",
        "straight quotes, apostrophes and dashes; a pair with a lost character (U+FFFD) goes",
    ),
    "french_spacing": AugmentationSpec(
        f"{_STEPS}:space_french",
        "a French `?`, `!`, `:` or `;` gets a space before it, a French number one at thousands",
    ),
    "openings": AugmentationSpec(
        f"{_STEPS}:add_openings",
        'adds the words before a first comma as sentences: "No." and "Non." from "No, I see." and '
        '"Non, je vois.", where several pairs agree',
    ),
    "commonest": AugmentationSpec(
        f"{_STEPS}:repeat_commonest",
        "repeats, of several translations of a short sentence, the one that agrees best with the "
        "others, as often as all of them together",
    ),
    "names": AugmentationSpec(
        f"{_STEPS}:replace_names",
        "replaces the few names of everyday corpora by others, from the corpus `names`",
    ),
    "numbers": AugmentationSpec(
        f"{_STEPS}:replace_numbers",
        'replaces numbers in digits by others; "1,250" is "1 250" in French',
    ),
    "case": AugmentationSpec(
        f"{_STEPS}:add_cases", "adds copies in lower case, in capitals, and without the last mark"
    ),
    "paragraphs": AugmentationSpec(
        f"{_STEPS}:add_paragraphs", "adds pairs of two or three sentences"
    ),
}


def imported(path: str) -> Any:
    """Import and return the class or function at "module:name"."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def one_of(noun: str, rows: Mapping[str, Any]) -> AfterValidator:
    """Return a validator that restricts a text field to the names of rows."""

    def check(name: str) -> str:
        if name not in rows:
            raise problem(f"there is no {noun} '{name}'", did_you_mean(name, rows))
        return name

    return AfterValidator(check)


def check_needs(name: str, needs: Mapping[str, str], settings: Any, table: str) -> None:
    """Raise a validation error if the table lacks a key that a chosen row needs."""
    for key, what in needs.items():
        if getattr(settings, key) is None:
            raise problem(f"'{name}' needs {what}", f"set {table}.{key}")
