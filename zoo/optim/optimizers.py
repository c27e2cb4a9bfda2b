"""The optimizer of a recipe. Clipping is by the global norm, that of all gradients together."""

from __future__ import annotations

import keras
import numpy as np

from zoo.config.choices import OPTIMIZERS, imported
from zoo.config.recipe import Recipe
from zoo.errors import RecipeError
from zoo.models.contracts import Grouped
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
    settings = recipe.optimizer
    row = OPTIMIZERS[settings.name]
    arguments = {
        key: value for key in row.keys if (value := getattr(settings, key)) is not None
    } | {
        "learning_rate": schedule(recipe, lengths),
        "global_clipnorm": settings.clip_norm,
        "weight_decay": settings.weight_decay,
    }
    if settings.discriminate is None and recipe.schedule.unfreeze_every is None:
        made = imported(row.path)(**arguments)
    elif not row.path_of_groups or not isinstance(model, Grouped):
        able = " or ".join(name for name, each in OPTIMIZERS.items() if each.path_of_groups)
        raise RecipeError(
            f"recipe {recipe.name}: rates by groups of layers need {able} and a model of groups",
            "set optimizer.discriminate and schedule.unfreeze_every to none",
        )
    else:
        made = imported(row.path_of_groups)(
            model.groups(), settings.discriminate or 1.0, recipe.schedule.unfreeze_every,
            **arguments,
        )  # fmt: skip
    if not settings.decay_vectors:
        assert model is not None
        vectors = [each for each in model.trainable_variables if len(each.shape) < 2]
        made.exclude_from_weight_decay(vectors)
    return made
