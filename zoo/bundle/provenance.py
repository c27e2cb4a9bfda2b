"""What a model began with, and what follows from that for its card: commands and licences."""

from __future__ import annotations

from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.config.base import Base
from zoo.config.recipe import Recipe
from zoo.errors import UnknownName


def changed(recipe: Recipe) -> bool:
    """Return whether weights differ from those that their recipe made."""
    return recipe.base is not None and recipe.base.how == "changed"


def trained_further(recipe: Recipe) -> bool:
    """Return whether a recipe began with other weights than a random draw or its own."""
    return recipe.base is not None and recipe.base.how != "rounded"


def began(base: Base | None) -> str:
    """Return a phrase for the weights that a model began with."""
    assert base is not None
    known = f" (files of weights with the sha256 {base.sha256})" if base.sha256 else ""
    if base.name:
        return f"the weights `{base.name}`{known}"
    before = f", made from `{base.public}`" if base.public else ""
    return f"weights of {base.recipe} that were only in memory{before}"


def merged(recipe: Recipe) -> str:
    """Return a sentence about LoRA's updates in the weights, or ""."""
    ranks = recipe.base.lora if recipe.base is not None else []
    which = " and ".join(map(str, ranks))
    return f" LoRA of rank {which}, merged into the weights." if ranks else ""


def again(recipe: Recipe) -> str:
    """Return which command trains the model again, or why none can."""
    if trained_further(recipe) and recipe.base is not None:
        if recipe.base.command:
            return f"`{recipe.base.command}` runs it again"
        return "no command runs it again, for the weights or the examples were only in memory"
    if recipe.data.path is not None:
        return "`zoo train recipe.toml --data PATH` trains again on such data"
    known = recipe.name in recipes.names()
    own = known and recipes.load(recipe.name).resolved() == recipe.resolved()
    return f"`zoo train {recipe.name if own else 'recipe.toml'}` runs it again"


def _public(reference: str) -> catalog.Weights | None:
    """Return the registry's facts of weights that a model began with, if they have a name there."""
    try:
        return catalog.weights(*catalog.split_reference(reference))
    except UnknownName:  # of the hub, of another version of the registry, or none
        return None


def on_hub(base: Base) -> str:
    """Return the nearest public weights before a model as the hub's metadata name them, or ""."""
    weights = _public(base.public)
    if weights is not None and weights.hub:
        return weights.hub
    return base.public.removeprefix("hf://").partition("@")[0]


def licence(recipe: Recipe, weights: catalog.Weights | None) -> str:
    """Return what is known of the licences of weights and training data."""
    begun = _public(recipe.model.weights)  # weights of another library alone have more to tell
    before = _before(recipe.model.weights) if begun is not None and begun.is_converted else ""
    if weights is not None:
        return (
            f"Weights: {weights.license}. Training data: {weights.data_license}. "
            f"Origin: {weights.origin}.{before}"
        )
    told = (
        "Not stated. Whoever shares these weights names a licence that fits the data they "
        "were trained on."
    )
    base = recipe.base
    if base is None or not trained_further(recipe):
        return told + before
    data = "the user's own data" if changed(recipe) else f"the user's data, {recipe.data.corpus},"
    return f"{told} The licence of {data} is not stated.{_before(base.public)}"


def _before(reference: str) -> str:
    """Return the licences of the registry's weights that others began with, or ""."""
    if (weights := _public(reference)) is None:
        return ""
    return (
        f" The weights {reference} before them: {weights.license}; their training data: "
        f"{weights.data_license}."
    )
