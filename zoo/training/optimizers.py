"""The optimizer of a recipe. Clipping is by the global norm, that of all gradients together."""

from __future__ import annotations

import keras

from zoo.recipe import Recipe
from zoo.training.schedules import schedule


def optimizer(recipe: Recipe) -> keras.optimizers.Optimizer:
    """Return the recipe's optimizer with its schedule."""
    settings = recipe.optimizer
    common = {
        "learning_rate": schedule(recipe),
        "global_clipnorm": settings.clip_norm,
        "weight_decay": settings.weight_decay,
    }
    if settings.name == "adam":
        return keras.optimizers.Adam(
            beta_1=settings.beta_1, beta_2=settings.beta_2, epsilon=settings.epsilon, **common
        )
    if settings.name == "adadelta":
        return keras.optimizers.Adadelta(
            rho=0.95 if settings.rho is None else settings.rho, epsilon=settings.epsilon, **common
        )
    return keras.optimizers.SGD(momentum=settings.momentum or 0.0, **common)
