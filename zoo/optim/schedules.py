"""The papers' learning rates by update; `zoo.config.choices` lists them by name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo import typed
from zoo.config.choices import SCHEDULES, imported
from zoo.config.recipe import Recipe, dumps, loads
from zoo.errors import NotSupported


@keras.saving.register_keras_serializable("paperzoo")
class Rate(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate `rate(step)` of a float32 step that counts from 1.

    Args:
        rate: the function.
        plan: the recipe and the lengths that `schedule` made it of, by which a `.keras` file keeps
            it; None if it is another function.
    """

    def __init__(self, rate: Callable, plan: tuple[Recipe, list[int] | None] | None = None) -> None:
        self.rate = rate
        self.plan = plan

    def __call__(self, step):
        return self.rate(ops.cast(step, "float32") + 1.0)

    def get_config(self) -> dict[str, Any]:
        if self.plan is None:
            raise NotSupported(
                "a file cannot hold a learning rate that is a function",
                "use the rate of a recipe, see zoo.optim.schedules.schedule, or one of Keras",
            )
        recipe, lengths = self.plan
        return {"recipe": dumps(recipe.resolved()), "lengths": lengths}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Rate:
        recipe = loads(config["recipe"], where="the learning rate's recipe", warn=False)
        return schedule(recipe, config["lengths"])


def none(recipe: Recipe) -> Rate:
    """0, for what has no gradient."""
    return Rate(lambda step: 0.0 * step)


def noam(recipe: Recipe) -> Rate:
    """width^-0.5 * min(step^-0.5, step * warmup^-1.5), scaled (vaswani2017, equation 3)."""
    width = recipe.resolved().model.arguments["width"]
    warmup = float(max(recipe.schedule.warmup, 1))
    scale = recipe.optimizer.learning_rate * width**-0.5
    return Rate(lambda step: scale * ops.minimum(step**-0.5, step * warmup**-1.5))


def inverse_sqrt(recipe: Recipe) -> Rate:
    """Linear to `peak` in `warmup` updates, then peak * sqrt(warmup / step) (fairseq's name)."""
    peak, warmup, _ = _rise(recipe)
    return Rate(lambda step: peak * ops.minimum(step / warmup, (warmup / step) ** 0.5))


def linear(recipe: Recipe) -> Rate:
    """Linear to `peak` in `warmup` updates, then linear to zero at the last update."""
    peak, warmup, rest = _rise(recipe)

    def rate(step):
        share = ops.minimum(step / warmup, (warmup + rest - step + 1.0) / rest)
        return peak * ops.maximum(share, 0.0)

    return Rate(rate)


def cosine(recipe: Recipe) -> Rate:
    """Linear to `peak`, then half a cosine to zero at the last update (gpt1, section 4.1)."""
    peak, warmup, rest = _rise(recipe)

    def rate(step):
        share = ops.clip((step - warmup) / rest, 0.0, 1.0)
        return peak * ops.minimum(step / warmup, 0.5 * (1.0 + ops.cos(np.pi * share)))

    return Rate(rate)


def constant(recipe: Recipe) -> Rate:
    """`peak` from the first update; with `warmup`, linear up to it."""
    peak, warmup, _ = _rise(recipe)
    return Rate(lambda step: peak * ops.minimum(step / warmup, 1.0))


def inverse_time(recipe: Recipe) -> Rate:
    """peak / (1 + decay * t), t the updates made before this one (bengio2003, section 3.1)."""
    peak, warmup, _ = _rise(recipe)
    decay = _number(recipe, "decay")
    return Rate(lambda step: peak * ops.minimum(step / warmup, 1.0) / (1.0 + decay * (step - 1.0)))


def halving(recipe: Recipe) -> Rate:
    """`peak`, then half of it, halved again every `halve_every` (sutskever2014, section 3.4)."""
    peak, _, _ = _rise(recipe)
    after = _number(recipe, "halve_after")
    every = _number(recipe, "halve_every")
    # Half an update off, so that rounding cannot move a halving.
    return Rate(
        lambda step: peak * 0.5 ** ops.maximum(ops.floor((step - after - 0.5) / every) + 1.0, 0.0)
    )


def halving_by_validation(recipe: Recipe) -> Rate:
    """`peak`, which validation losses halve: see `halvings` (mikolov2010, section 2)."""
    peak, _, _ = _rise(recipe)
    return Rate(lambda step: peak * ops.ones_like(step))


def halvings(losses: Sequence[float], improvement: float) -> tuple[int, bool]:
    """Return how often to halve the rate after these epochs, and whether training ends.

    The first epoch that is not better enough begins the halving, once in each epoch from then on;
    the next such epoch ends the training (mikolov2010, section 2).

    Args:
        losses: validation loss of each epoch so far.
        improvement: ratio of one loss to the next that is better enough; the authors' toolkit has
            1.003, the paper only calls it significant.
    """
    count = 0
    for before, after in itertools.pairwise(losses):
        better = before >= after * improvement
        if count and not better:
            return count, True
        count += bool(count) or not better
    return count, False


def slanted_triangular(recipe: Recipe) -> Rate:
    """`cycles` triangles from peak / ratio to `peak` and back (ulmfit2018, equation 3)."""
    peak, _, _ = _rise(recipe)
    share = _number(recipe, "cut")
    ratio = _number(recipe, "ratio")
    length = float(max(recipe.train.updates // recipe.schedule.cycles, 1))
    cut = float(max(int(length * share), 1))

    def rate(step):
        t = step - 1.0  # the paper counts updates from 0
        t = typed.where(t < recipe.train.updates, t % length, length)
        p = ops.where(t < cut, t / cut, 1.0 - (t - cut) / (cut * (1.0 / share - 1.0)))
        return peak * (1.0 + ops.maximum(p, 0.0) * (ratio - 1.0)) / ratio

    return Rate(rate)


def _rise(recipe: Recipe) -> tuple[float, float, float]:
    """Return the peak, the updates until it and the updates after it, at least 1 each."""
    warmup = float(max(recipe.schedule.warmup, 1))
    rest = float(max(recipe.train.updates - warmup, 1))
    return recipe.optimizer.learning_rate * _number(recipe, "peak"), warmup, rest


def _number(recipe: Recipe, key: str) -> float:
    """Return a number of [schedule]; the recipe has checked that it is set."""
    return float(getattr(recipe.schedule, key))


def schedule(recipe: Recipe, lengths: Sequence[int] | np.ndarray | None = None) -> Rate:
    """Return the recipe's schedule.

    Args:
        lengths: of the pieces of a stream, int32 [updates]; each update's length over `train.bptt`
            scales its rate (merity2017, section 4.1).
    """
    planned: Rate = imported(SCHEDULES[recipe.schedule.name].path)(recipe)
    if lengths is None:
        return Rate(planned.rate, (recipe, None))
    assert recipe.train.bptt is not None
    shares = np.asarray(lengths, dtype=np.float32) / recipe.train.bptt
    last = len(shares) - 1

    def scaled(step):
        index = ops.clip(ops.cast(step, "int32") - 1, 0, last)
        return planned.rate(step) * ops.take(ops.convert_to_tensor(shares), index)

    return Rate(scaled, (recipe, [int(length) for length in lengths]))
