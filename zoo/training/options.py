"""The arguments of `finetune` that stand for keys of its recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.config.choices import SCHEDULES
from zoo.config.recipe import Recipe
from zoo.errors import OptionError, check_count

# The keys that each of them decides.
KEYS = {
    "epochs": ("train.updates",),
    "learning_rate": ("schedule.peak", "optimizer.learning_rate"),
    "batch_size": ("train.batch_sentences", "train.batch_tokens"),
    "seed": ("seed",),
}


@dataclass(frozen=True)
class Options:
    """How to train; None leaves a choice to the recipe and the size of the data.

    Attributes:
        epochs: passes over the training examples, with a validation after each.
        learning_rate: the highest rate of the schedule.
        batch_size: examples of a batch; of a language model, rows of `train.bptt` tokens.
        seed: seed of the new weights, the dropout, the order and the held-out examples.
    """

    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    seed: int | None = None

    def check(self, changes: Mapping[str, Any]) -> None:
        """Raise OptionError for an invalid value, or one that `changes` decide too."""
        for name in ("epochs", "batch_size"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        rate, seed = self.learning_rate, self.seed
        if rate is not None and not (_is_number(rate) and 0 < rate < math.inf):
            raise OptionError(f"learning_rate is {rate!r}", "learning_rate is a number above 0")
        if seed is not None and (not _is_number(seed) or seed != int(seed) or seed < 0):
            raise OptionError(f"seed is {seed!r}", "seed is a whole number, 0 or more")
        for name, keys in KEYS.items():
            for key in keys:
                if getattr(self, name) is not None and key in changes:
                    raise OptionError(f"both {name} and {key} are given", "leave one of them out")

    def changes(self) -> dict[str, Any]:
        """Return the changes to a recipe that need nothing else to be known."""
        changes: dict[str, Any] = {}
        if self.seed is not None:
            changes["seed"] = int(self.seed)
        if self.batch_size is not None:
            changes |= {"train.batch_tokens": None, "train.batch_sentences": int(self.batch_size)}
        return changes

    def with_rate(self, recipe: Recipe) -> Recipe:
        """Return a recipe whose schedule has the learning rate as its highest."""
        if self.learning_rate is None:
            return recipe
        rate = float(self.learning_rate)
        if "peak" in SCHEDULES[recipe.schedule.name].needs:
            return recipe.changed({"schedule.peak": rate, "optimizer.learning_rate": 1.0})
        width = recipe.resolved().model.arguments["width"]
        return recipe.changed(
            {"optimizer.learning_rate": rate * (width * max(recipe.schedule.warmup, 1)) ** 0.5}
        )


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, bool)
