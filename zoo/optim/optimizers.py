"""The optimizer of a recipe. Clipping is by the global norm, that of all gradients together."""

from __future__ import annotations

import keras
import numpy as np

from zoo.config.recipe import Recipe
from zoo.errors import RecipeError
from zoo.models.contracts import Grouped
from zoo.optim.asgd import ASGD
from zoo.optim.discriminative import DiscriminativeAdam
from zoo.optim.schedules import schedule


def optimizer(
    recipe: Recipe, model: keras.Model | None = None, lengths: np.ndarray | None = None
) -> keras.optimizers.Optimizer:
    """Return the recipe's optimizer with its schedule.

    Args:
        model: built; its `groups` are what discriminative rates and unfreezing go by, and its
            weights what decay or not.
        lengths: see `zoo.optim.schedules.schedule`.

    Raises:
        RecipeError: rates by groups are asked for of another optimizer than Adam, or of a model
            that has no groups.
    """
    made = _made(recipe, model, lengths)
    if not recipe.optimizer.decay_vectors:
        assert model is not None
        vectors = [each for each in model.trainable_variables if len(each.shape) < 2]
        made.exclude_from_weight_decay(vectors)
    return made


def _made(
    recipe: Recipe, model: keras.Model | None, lengths: np.ndarray | None
) -> keras.optimizers.Optimizer:
    settings = recipe.optimizer
    common = {
        "learning_rate": schedule(recipe, lengths),
        "global_clipnorm": settings.clip_norm,
        "weight_decay": settings.weight_decay,
    }
    if settings.discriminate is not None or recipe.schedule.unfreeze_every is not None:
        if settings.name != "adam" or not isinstance(model, Grouped):
            raise RecipeError(
                f"recipe {recipe.name}: rates by groups of layers need adam and a model of groups",
                "set optimizer.discriminate and schedule.unfreeze_every to none",
            )
        return DiscriminativeAdam(
            model.groups(), settings.discriminate or 1.0, recipe.schedule.unfreeze_every,
            beta_1=settings.beta_1, beta_2=settings.beta_2, epsilon=settings.epsilon, **common
        )  # fmt: skip
    if settings.name == "asgd":
        return ASGD(**common)
    if settings.name == "adam":
        return keras.optimizers.Adam(
            beta_1=settings.beta_1, beta_2=settings.beta_2, epsilon=settings.epsilon, **common
        )
    if settings.name == "adadelta":
        return keras.optimizers.Adadelta(
            rho=0.95 if settings.rho is None else settings.rho, epsilon=settings.epsilon, **common
        )
    return keras.optimizers.SGD(momentum=settings.momentum or 0.0, **common)
