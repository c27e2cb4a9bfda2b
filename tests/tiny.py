"""Tiny models of every paper, with random weights: what tests over the whole catalog run on."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo import bundle, catalog, weights
from zoo import recipe as recipes
from zoo.data.prepare import train_tokenizers
from zoo.layers.initialisation import skipped

# Most pieces that can be learned of a few lines, of both languages and of one; words, of one.
SHARED, APART, WORDS = 96, 64, 40


def recipe_names() -> dict[str, str]:
    """Return recipes by id: for each paper one of each way to read text that its recipes have.

    These differ in the kind of tokenizer, in whether both languages share it, and in whether the
    source is reversed. The first of a paper is the one that made its default weights.
    """
    found: dict[str, str] = {}
    for paper in catalog.names():
        ways = set()
        for name in own_recipes(paper):
            made = recipes.load(name)
            way = (made.tokenizer.kind, made.tokenizer.shared, made.data.reverse_source)
            if way not in ways:
                ways.add(way)
                found[paper if len(ways) == 1 else f"{paper}-{made.tokenizer.kind}"] = name
    return found


def own_recipes(paper: str) -> list[str]:
    """Return the recipes of a paper, the one of its default weights first."""
    entry = catalog.entry(paper)
    first = entry.weights[entry.default].recipe if entry.default else ""
    mine = [name for name in recipes.names() if recipes.load(name).paper == paper]
    return sorted(mine, key=lambda name: name != first)


def small(name: str) -> recipes.Recipe:
    """Return the seconds-long version of a recipe, resolved, with both vocabularies different."""
    made = recipes.load(name).smoke()
    settings = made.tokenizer
    apart = APART if settings.kind == "sentencepiece" else WORDS
    changes = {
        "name": "tiny",
        "tokenizer.vocabulary": SHARED if settings.shared else apart,
        "tokenizer.source_vocabulary": None if settings.shared else apart - 4,
        "evaluate.beam_size": 2,
        "evaluate.max_extra": 4,
    }
    return made.changed(changes).resolved()


def randomise(model: keras.Model) -> None:
    """Move every weight away from where training begins, so that each one counts."""
    random = np.random.default_rng(1)
    for variable in weights.variables(model).values():
        value = ops.convert_to_numpy(variable)
        variable.assign(value + random.normal(scale=0.3, size=value.shape))


def write_bundle(name: str, folder: Path, pairs: list[tuple[str, str]]) -> Path:
    """Write a bundle of a recipe's tiny version: random weights, tokenizers learned from pairs."""
    made = small(name)
    keras.utils.set_random_seed(1)
    model = catalog.builder(catalog.entry(made.paper))(**made.model.arguments)
    model.build()
    randomise(model)
    return bundle.write(
        folder,
        model=model,
        recipe=made,
        tokenizers=train_tokenizers(made, pairs),
        metrics={"metric": "bleu", "value": 1.5, "sentences": 20},
        history=[{"epoch": 1, "loss": 4.5}, {"epoch": 2, "loss": 4.25, "validation_loss": 4.0}],
    )


@dataclass(frozen=True)
class Variant:
    """A paper's model at the size of its smoke run, with a few arguments changed."""

    paper: str
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments; vocabularies of 30 and 16, or one of 30."""
        made = small(own_recipes(self.paper)[0])
        arguments = dict(made.model.arguments)
        sizes = {"vocabulary": 30, "source_vocabulary": 30, "target_vocabulary": 16}
        return arguments | {k: v for k, v in sizes.items() if k in arguments} | self.changes

    @property
    def parameters(self) -> list[inspect.Parameter]:
        """The builder's own arguments."""
        known = inspect.signature(self.builder).parameters.values()
        return [each for each in known if each.kind is each.KEYWORD_ONLY]

    @property
    def builder(self):
        return catalog.builder(catalog.entry(self.paper))

    def make(self, **changes: Any) -> keras.Model:
        """Return the model, built, with random weights."""
        keras.utils.set_random_seed(1)
        model = self.builder(**(self.arguments | changes))
        model.build()
        randomise(model)
        return model

    def copy(self, model: keras.Model, **changes: Any) -> keras.Model:
        """Return another model with the weights of one that `make` returned."""
        with skipped():
            made = self.builder(**(self.arguments | changes))
            made.build()
        bundle.copy_weights(model, made)
        return made


def variants() -> dict[str, Variant]:
    """Return every paper of the catalog, and what a paper's file offers beside the paper."""
    found = {paper: Variant(paper) for paper in catalog.names()}
    marian = {
        "attention_bias": True, "positions": "halves", "activation": "swish", "output_bias": True,
    }  # fmt: skip
    return found | {
        "vaswani2017-marian": Variant("vaswani2017", marian),
        "bahdanau2015-conditional": Variant("bahdanau2015", {"decoder": "conditional"}),
    }
