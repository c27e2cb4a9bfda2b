"""A zoo of the papers that led from n-grams to GPT: one name, one model, the same few verbs.

    import zoo

    model = zoo.load("vaswani2017")
    model.predict("I am going to work today.")

Importing this package is fast: the first call that needs Keras imports it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Unpack

import zoo.models as _models_package
from zoo import starting
from zoo.errors import OptionError, ZooError, ZooWarning
from zoo.version import __version__

if TYPE_CHECKING:
    import keras

    from zoo.averaging import Ensemble
    from zoo.config.cards import Card
    from zoo.config.recipe import Recipe
    from zoo.data.columns import TableArguments
    from zoo.interpolation import Mixture
    from zoo.pretrained import Pretrained

    def models() -> list[str]: ...


__all__ = [
    "Pretrained", "ZooError", "ZooWarning", "__version__", "build", "card", "ensemble", "load",
    "mixture", "models", "recipes", "train",
]  # fmt: skip


def load(reference: str | Path, dtype: str | None = None) -> Pretrained:
    """Load a trained model.

    Args:
        reference: "vaswani2017", "vaswani2017.tatoeba-en-fr", "hf://user/repo@revision" or the
            path of a bundle.
        dtype: Keras dtype policy of the computation, such as "mixed_bfloat16"; None is float32.

    Raises:
        UnknownName: there is no such model or weights.
        OptionError: there is no such dtype.
        BundleError: the folder is not a bundle, or the bundle is incomplete or damaged.
        HubError: the model is on the hub and cannot be fetched, or its content is unexpected.
    """
    from zoo import loading

    return loading.load(reference, dtype=dtype)


def build(name: str, size: str | None = None, **arguments: Any) -> keras.Model:
    """Build a paper's model with random weights.

    Args:
        name: a paper of `models()`.
        size: one of the paper's sizes; None takes the first, the paper's own.
        arguments: arguments of the model that differ from that size, such as `dropout=0.2`.

    Raises:
        UnknownName: there is no such paper or size.
        OptionError: an unknown or invalid argument.
    """
    from zoo.config import catalog

    entry = catalog.entry(name)
    catalog.size(entry, size)
    starting.import_keras()
    chosen = catalog.arguments(entry, size, arguments)
    try:
        model = catalog.builder(entry, size)(**chosen)
        model.build()
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{name} cannot be built so: {error}", f"arguments: {chosen}; see `zoo info {name}`"
        ) from error
    return model


def train(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    data: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
) -> Pretrained:
    """Train a model from scratch, write its bundle to `out` and return it.

    Args:
        recipe: a recipe's name, its file, or a Recipe.
        out: the folder of the bundle, beside that of the run; None takes runs/NAME.
        changes: dotted keys to change, as in {"train.updates": 2000}.
        data: your own corpus in place of the recipe's: a file of examples as `finetune` reads it,
            or a folder with the files train, valid and test, of which the last two may be missing.
        resume: go on with the run in `out` + ".run"; of its recipe only train.updates,
            train.patience and train.jit may have changed.
        callbacks: Keras callbacks, called as Keras' fit calls them; see `Pretrained.finetune`.

    Raises:
        UnknownName, RecipeError: the recipe or a change to it is wrong.
        DataError: the corpus cannot be read.
        CheckpointError: there is a run and `resume` is not set, or none to resume, or one of
            another recipe.
        TrainingError: the loss is no longer a number.
    """
    from zoo.config.recipe import Recipe
    from zoo.config.recipe import load as load_recipe

    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    starting.import_keras()
    from zoo import loading
    from zoo.training import run
    from zoo.training.callbacks import checked
    from zoo.training.own_data import with_data

    if data is not None:
        chosen, changes = with_data(chosen, data, changes), None
    folder = Path(out) if out is not None else Path("runs") / chosen.name
    return loading.load(
        run.train(chosen, folder, changes=changes, resume=resume, callbacks=checked(callbacks))
    )


def ensemble(models: Iterable[str | Path | Pretrained]) -> Ensemble:
    """Combine classifiers into one that averages their probabilities.

    Args:
        models: two or more models, or references for `load`; such as one that reads forward and one
            that reads backward (ulmfit2018, section 3.4).

    Raises:
        NotSupported, OptionError: a model is not a classifier, or has other labels.
    """
    from zoo.averaging import Ensemble

    return Ensemble(_loaded(models))


def mixture(
    models: Iterable[str | Path | Pretrained],
    data: Any = None,
    *,
    weights: Sequence[float] | None = None,
    **table: Unpack[TableArguments],
) -> Mixture:
    """Interpolate language models of one vocabulary: the weighted mean of their probabilities.

    Args:
        models: two or more models, or references for `load`; such as a network and an n-gram model
            (bengio2003, mikolov2010).
        data, table: texts to learn the weights on by expectation maximisation, as
            `Pretrained.evaluate` takes them; None takes the validation split of the first model's
            corpus.
        weights: the models' shares, in place of learning them.

    Raises:
        NotSupported, OptionError: a model is no language model, or has another vocabulary.
    """
    from zoo.interpolation import Mixture

    return Mixture(_loaded(models), data, weights=weights, **table)


def _loaded(models: Iterable[str | Path | Pretrained]) -> list[Pretrained]:
    """Return models, with references loaded; raise OptionError for one that is in no list."""
    if isinstance(models, (str, Path)):
        raise OptionError(f"{models} is one model", "give several in a list, as in [one, other]")
    from zoo.loading import load
    from zoo.pretrained import Pretrained

    return [model if isinstance(model, Pretrained) else load(model) for model in models]


def card(reference: str) -> Card:
    """Return the facts of a paper and its weights: sizes, licences, metrics, how to cite."""
    from zoo.config import cards

    return cards.card(reference)


def recipes() -> list[str]:
    """Return the names of all recipes, as `train` takes them."""
    from zoo.config import recipe

    return recipe.names()


class _CallableModels(ModuleType):
    """Make `zoo.models` the package of model files, and `zoo.models()` the list of papers.

    Importing a model file binds the package's name here, which would hide a function of that name.
    """

    def __call__(self) -> list[str]:
        """Return the names of all papers, oldest first."""
        from zoo.config import catalog

        return catalog.names()


_models_package.__class__ = _CallableModels
sys.modules[__name__].__dict__["models"] = _models_package


# Modules that users import from here, as in `from zoo import figures`.
_MODULES = {
    "experiments": "zoo.reports.experiments", "export": "zoo.export",
    "figures": "zoo.reports.figures", "recipe": "zoo.config.recipe",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "Pretrained":
        from zoo.pretrained import Pretrained

        return Pretrained
    if name in _MODULES:
        if name == "export":
            starting.import_keras()
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'zoo' has no attribute '{name}'")
