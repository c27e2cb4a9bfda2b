"""Keep a trained model: what is true of exactly its weights, where they come from, its bundle."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import bundle, files, golden, tasks
from zoo.bundle import lora, model_card
from zoo.bundle.quantization import is_matrix
from zoo.bundle.stored import STORED
from zoo.config import cards, catalog
from zoo.config.base import Base
from zoo.config.recipe import Recipe
from zoo.errors import BundleError, ZooWarning
from zoo.hub import names, records

if TYPE_CHECKING:
    import keras

    from zoo.pretrained import Pretrained


@dataclass(frozen=True)
class Origin:
    """Trained weights before anything could change them, to know them again by.

    Attributes:
        sha256: of their files, see `zoo.config.shards.hash_of`.
        place: the name of the registry or the hub, or the folder, they were loaded from; or none.
        fresh: whether no bundle holds them yet: the hash is that of the float32 one, and they may
            be rounded when they are first stored.
    """

    sha256: str
    place: str | Path | None = None
    fresh: bool = False

    @classmethod
    def of(cls, model: keras.Model, place: Path | None = None) -> Origin:
        """Return the origin of a model that is in no bundle."""
        return cls(bundle.file_hash(bundle.arrays(model), "float32"), place, fresh=True)

    def still(self, weights: Mapping[str, np.ndarray], stored: Mapping[str, np.ndarray]) -> bool:
        """Return whether a model's weights, and what would be stored of them, are these."""
        if self.fresh:
            return bundle.file_hash(weights, "float32") == self.sha256
        return bundle.are_those_of(stored, self.sha256)


@dataclass(frozen=True)
class Kept:
    """What belongs to a model beside its weights and tokenizers: the text files of its bundle."""

    recipe: Recipe
    metrics: Mapping[str, Any] = field(default_factory=dict)
    golden: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()


def place(reference: str | os.PathLike[str], folder: Path) -> str | Path:
    """Return where weights were found so that it holds from any folder and at any later time."""
    if isinstance(reference, str) and reference.startswith(names.PREFIX):
        record = records.of(folder)
        return reference if record is None else f"{names.PREFIX}{record.repo}@{record.commit}"
    if catalog.is_path(reference):
        return folder.resolve()
    entry, tag = catalog.split_reference(str(reference))
    return f"{entry.name}.{tag}"


def true_of(pretrained: Pretrained, dtype: str) -> tuple[Kept, dict[str, np.ndarray]]:
    """Return what holds for a model's weights as they would be stored, and these.

    Metrics, golden outputs and the training curve hold for the weights at the origin alone, in
    whatever type they are stored, if their values are the same; of weights that no bundle holds
    yet also if they are first rounded to 16 bits, but not to 8. Other weights have another name,
    and those at the origin as their base. Weights that only this storing rounds keep name and
    curve.

    Raises:
        BundleError: the weights cannot be stored.
    """
    recipe, model, origin = pretrained.recipe, pretrained.model, pretrained._origin
    weights = bundle.arrays(model)
    stored = bundle.narrowed(weights, dtype)
    coarse = dtype == "int8" and any(
        is_matrix(array) and not np.array_equal(stored[name], array)
        for name, array in weights.items()
    )
    unmeasured = coarse and origin is not None and origin.fresh
    if origin is None or (not unmeasured and origin.still(weights, stored)):
        kept = Kept(recipe, pretrained.metrics, pretrained.golden, pretrained.history)
        return kept, stored
    began = _began(recipe, origin)
    if origin.still(weights, weights):
        rounded = recipe.base or began.model_copy(update={"how": "rounded"})
        recipe = recipe.model_copy(update={"base": rounded})
        return Kept(recipe, history=pretrained.history), stored
    changed = began.model_copy(update={"how": "changed", "lora": lora.ranks(model)})
    name = f"{recipe.name.removesuffix('-changed')}-changed"
    return Kept(recipe.model_copy(update={"name": name, "base": changed})), stored


def smallest_type(pretrained: Pretrained) -> str:
    """Return the first type that a model's weights can be stored in as they were measured."""
    origin = pretrained._origin
    if origin is not None and not origin.fresh:
        for dtype in STORED:
            try:
                _, stored = true_of(pretrained, dtype)
            except BundleError:  # too large for float16
                continue
            if origin.still(stored, stored):
                return dtype
    return pretrained.recipe.train.stored


def card(pretrained: Pretrained) -> cards.Card:
    """Return the facts of a model's paper and of its weights as they are now."""
    try:
        held, _ = true_of(pretrained, "float32")
    except BundleError:  # diverged or quantized: whatever it is, it is not what was measured
        name = f"{pretrained.recipe.name}-changed"
        held = Kept(pretrained.recipe.model_copy(update={"name": name}))
    entry, origin = catalog.entry(held.recipe.paper), pretrained._origin
    at = "none" if origin is None else origin.sha256
    tag, _ = model_card.registered(held.recipe, at)
    metrics = {name: catalog.metrics(entry, name) for name in entry.weights}
    if tag is not None:
        return cards.Card(entry, tag, metrics | {tag: dict(held.metrics)})
    return cards.Card(entry, None, metrics, model_card.summary(held.recipe, held.metrics))


def finetuned(
    pretrained: Pretrained, recipe: Recipe, data: Any, targets: Any, asked: Mapping[str, Any]
) -> Recipe:
    """Return the recipe of a model that `pretrained` was fine-tuned to, with what it began with.

    Args:
        data, targets: the examples as they were given.
        asked: further options of `finetune`.
    """
    from zoo.training import again

    before = _base(pretrained)
    command = again.command(before.name, pretrained.recipe, recipe, data, targets, asked)
    ranks = [rank] if (rank := recipe.train.lora_rank) else []
    base = before.model_copy(update={"command": command, "lora": ranks})
    return recipe.model_copy(update={"base": base})


def _base(pretrained: Pretrained) -> Base:
    """Return the facts of the weights of a model as they are now, with a name if they have one."""
    weights, recipe = bundle.arrays(pretrained.model), pretrained.recipe
    for origin in filter(None, (pretrained._saved, pretrained._origin)):
        # Of a bundle that was saved, the model may still have more bits.
        if bundle.are_those_of(weights, origin.sha256, rounded=True):
            return _began(recipe, origin)
    public = ""
    if pretrained._origin is not None:
        public = _began(recipe, pretrained._origin).public
    return Base(how="finetuned", recipe=recipe.name, public=public)


def _began(recipe: Recipe, origin: Origin) -> Base:
    """Return the facts of weights that another model begins with."""
    name, sha256 = "", "" if origin.fresh else origin.sha256
    public = recipe.base.public if recipe.base is not None else ""
    known = catalog.named(catalog.entry(recipe.paper), sha256)
    if known is not None or isinstance(origin.place, str):
        name = public = known or str(origin.place)
    elif origin.place is not None:
        name = files.shown(origin.place)
    return Base(how="finetuned", recipe=recipe.name, name=name, sha256=sha256, public=public)


def save(
    pretrained: Pretrained,
    folder: str | os.PathLike[str],
    texts: Sequence[Any],
    dtype: str | None = None,
) -> Origin:
    """Write a bundle, and return what its weights are known by.

    Args:
        texts: inputs whose outputs are recorded if no outputs of these weights are there.
        dtype: how weights are stored, None for the recipe's way.

    Raises:
        BundleError: see `Pretrained.save`.
    """
    dtype = dtype or pretrained.recipe.train.stored
    bundle.check_stored(dtype)
    bundle.check_writable(folder)
    held, stored = true_of(pretrained, dtype)
    tokenizers = pretrained.source_tokenizer, pretrained.target_tokenizer

    def record(built: keras.Model) -> Mapping[str, Any]:
        if held.golden or not texts:
            return held.golden
        return golden.record(tasks.of(held.recipe, built, tokenizers), texts)

    written = bundle.write(
        folder, model=stored, recipe=held.recipe, metrics=held.metrics, history=held.history,
        tokenizers=tokenizers, golden=record, dtype=dtype,
    )  # fmt: skip
    if ranks := lora.ranks(pretrained.model):
        warnings.warn(
            f"LoRA of rank {' and '.join(map(str, ranks))} was merged into the weights in "
            f"{folder}; the model in memory still has it apart",
            ZooWarning,
            stacklevel=3,
        )
    return Origin(bundle.weights_hash(written), written.expanduser().resolve())
