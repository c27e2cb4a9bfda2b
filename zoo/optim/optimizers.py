"""The optimizer of a recipe. Clipping uses the global norm of all gradients together."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from zoo.config.choices import OPTIMIZERS, SCHEDULES, imported
from zoo.config.recipe import Recipe
from zoo.errors import RecipeError
from zoo.models.contracts import Grouped
from zoo.optim.schedules import schedule


def optimizer(
    recipe: Recipe, model: keras.Model | None = None, lengths: np.ndarray | None = None
) -> keras.optimizers.Optimizer:
    """Return the recipe's optimizer with its schedule.

    Args:
        model: built; its `groups` take discriminative rates and unfreezing, its weights decay.
        lengths: see `zoo.optim.schedules.schedule`.

    Raises:
        RecipeError: rates by groups need Adam and a model with groups; rates by validation one
            length of pieces; the model has no weights that gradients change.
    """
    settings = recipe.optimizer
    row = OPTIMIZERS[settings.name]
    if model is not None and not model.trainable_variables and not row.trainer:
        able = " or ".join(name for name, spec in OPTIMIZERS.items() if spec.trainer)
        raise RecipeError(
            f"recipe {recipe.name}: {recipe.paper} has no weights that gradients change",
            f"set optimizer.name to {able}",
        )
    arguments = {key: value for key in row.keys if (value := getattr(settings, key)) is not None}
    arguments["learning_rate"] = schedule(recipe, lengths)
    if SCHEDULES[recipe.schedule.name].by_validation:
        if lengths is not None:
            raise RecipeError(
                f"recipe {recipe.name}: lengths that vary scale the rate of each update, and "
                f"'{recipe.schedule.name}' has one for an epoch",
                "set train.vary_bptt to false",
            )
        # A variable of the optimizer, which a checkpoint holds and a callback may set.
        arguments["learning_rate"] = float(ops.convert_to_numpy(arguments["learning_rate"](0)))
    arguments["global_clipnorm"] = settings.clip_norm
    arguments["weight_decay"] = settings.weight_decay
    if settings.discriminate is None and recipe.schedule.unfreeze_every is None:
        chosen = imported(row.path)(**arguments)
    elif not row.path_of_groups or not isinstance(model, Grouped):
        able = " or ".join(name for name, spec in OPTIMIZERS.items() if spec.path_of_groups)
        raise RecipeError(
            f"recipe {recipe.name}: rates by groups of layers need {able} and a model of groups",
            "set optimizer.discriminate and schedule.unfreeze_every to none",
        )
    else:
        chosen = imported(row.path_of_groups)(
            model.groups(), settings.discriminate or 1.0, recipe.schedule.unfreeze_every,
            **arguments,
        )  # fmt: skip
    if not settings.decay_vectors:
        assert model is not None
        vectors = [weight for weight in model.trainable_variables if len(weight.shape) < 2]
        chosen.exclude_from_weight_decay(vectors)
    return chosen
