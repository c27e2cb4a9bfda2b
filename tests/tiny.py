"""Tiny models of every paper, with random weights: what tests over the whole catalog run on."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend.common import global_state

from zoo import bundle, compiling
from zoo.bundle import weights
from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.config.tasks import task_class
from zoo.data.examples import Example
from zoo.ngrams import layout
from zoo.ngrams.counts import count
from zoo.ngrams.smoothing import smooth
from zoo.ngrams.tables import NGrams
from zoo.text import train_tokenizers
from zoo.training.trainers import trainer_of

# Most pieces that can be learned of a few lines, of both languages and of one; words, of one.
SHARED, APART, WORDS = 96, 64, 40
# So many byte pairs have room for every character at the end of a word and within one.
BYTE_PAIRS = 80
# The tasks whose inputs are single texts. Those of the others are in tiny_sequences.py.
TASKS = ("translate", "generate", "fill", "classify")
# A classifier of documents that are longer than what it pools, and that longer than a chunk.
SHORT = {"model.arguments.chunk": 3, "model.arguments.kept": 6}

START, END = 2, 3
# Windows that hold a whole row of TOKENS, whichever recipe the sizes are of.
WINDOWS: dict[str, dict[str, Any]] = {
    "bengio2003": {"order": 7, "direct": True},
    "oord2016": {"units": "gated", "layers": 2, "stacks": 2, "gate": 8, "skip": 12},
}
# A batch for the model of each task. A classifier's has some rows, for its batch normalisation.
SOURCE = np.array([[5, 6, 7, 8, END], [9, 10, END, 0, 0]], dtype="int32")
TARGET = np.array([[START, 11, 12, 13], [START, 14, 15, 5]], dtype="int32")
TOKENS = np.array([[START, 5, 6, 7, 8, 9], [START, 10, 11, 5, 12, 13]], dtype="int32")
DOCUMENTS = np.array(
    [
        [0, 0, 0, 0, 0, 0, START, 5, 6, END],
        [START, 7, 8, 9, 10, 11, 12, 13, 14, END],
        [0, 0, 0, START, 15, 16, 17, 18, 19, END],
        [START, 20, 21, 22, 23, 24, 25, 26, 27, END],
        [0, 0, 0, 0, START, 28, 6, 8, 10, END],
    ],
    dtype="int32",
)
INPUTS = {
    "translate": {"source": SOURCE, "target": TARGET}, "generate": TOKENS, "fill": TOKENS,
    "classify": DOCUMENTS, "tag": TOKENS, "answer": TOKENS,
    "embed": DOCUMENTS, "entail": DOCUMENTS,
    "similarity": np.stack([DOCUMENTS, DOCUMENTS[:, ::-1]], axis=1),
    "choose": np.stack([DOCUMENTS, DOCUMENTS[::-1], DOCUMENTS[:, ::-1]], axis=1),
}  # fmt: skip
LABELS = {
    "translate": np.array([[11, 12, 13, END], [14, 15, 5, END]], dtype="int32"),
    "generate": np.array([[5, 6, 7, 8, 9, END], [10, 11, 5, 12, 13, END]], dtype="int32"),
    "fill": TOKENS[:, ::-1].copy(),
    "tag": np.array([[-1, 0, 1, 1, -1, 0], [-1, 1, 0, -1, 1, -1]], dtype="int32"),
    "answer": np.array([[1, 4], [2, 2]], dtype="int32"),
    "classify": np.array([0, 1, 1, 0, 1], dtype="int32"),
    "entail": np.array([0, 1, 1, 0, 1], dtype="int32"),
    "similarity": np.array([0, 1, 1, 0, 1], dtype="int32"),
    "embed": np.array([0, 1, 1, 0, 1], dtype="int32"),
    "choose": np.array([0, 2, 1, 0, 1], dtype="int32"),
}


# Of the weights of tiny models.
SEED = 1


# Recipes and bundles


def recipe_names(task: str | None = None) -> dict[str, str]:
    """Return recipes by id: for each paper one of each way to read text that its recipes have.

    Their tasks are those of single texts. They differ in the task, in the kind of tokenizer, in
    whether both languages share it, and in whether the source is reversed. The first of a paper is
    the one that made its default weights.

    Args:
        task: only its recipes.
    """
    found: dict[str, str] = {}
    for paper in catalog.names():
        ways: list[tuple] = []
        for name in own_recipes(paper):
            made = recipes.load(name)
            settings = made.tokenizer
            way = (made.task, settings.kind, settings.shared, made.data.reverse_source)
            if way in ways or made.task not in TASKS:
                continue
            other = made.task if all(made.task != each for each, *_ in ways) else settings.kind
            ways.append(way)
            if task in (None, made.task):
                found[paper if len(ways) == 1 else f"{paper}-{other}"] = name
    return found


@functools.cache
def own_recipes(paper: str, task: str | None = None) -> list[str]:
    """Return the recipes of a paper, or those for one task, that of its default weights first."""
    entry = catalog.entry(paper)
    first = entry.weights[entry.default].recipe if entry.default else ""
    mine = [
        name
        for name, made in ((name, recipes.load(name)) for name in recipes.names())
        if made.paper == paper and task in (None, made.task)
    ]
    return sorted(mine, key=lambda name: name != first)


def small(name: str) -> recipes.Recipe:
    """Return the seconds-long version of a recipe, resolved, with both vocabularies different."""
    made = recipes.load(name).smoke()
    settings = made.tokenizer
    apart = APART if settings.kind == "sentencepiece" else WORDS
    pieces = {"sentencepiece": SHARED, "bpe": BYTE_PAIRS, "wordpiece": BYTE_PAIRS, "albert": SHARED}
    together = pieces.get(settings.kind, WORDS)
    changes = {
        "name": "tiny",
        "tokenizer.vocabulary": together if settings.shared else apart,
        "tokenizer.source_vocabulary": None if settings.shared else apart - 4,
        "tokenizer.byte_fallback": False,  # 256 pieces more
        "evaluate.beam_size": 2,
        "evaluate.max_extra": 4,
    }
    short = SHORT if "chunk" in made.resolved().model.arguments else {}
    return made.changed(changes | short).resolved()


@contextlib.contextmanager
def zeroed() -> Iterator[None]:
    """Let weights have shapes and no values: a model at full size takes neither memory nor time."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    # Or the end of the next such scope would draw them all.
    global_state.set_global_attribute("uninitialized_variables", [])


def randomise(model: keras.Model) -> None:
    """Move every weight away from where training begins, so that each one counts.

    What comes out depends on names and shapes alone, not on what a backend draws or in which order.
    """
    for name, variable in weights.variables(model).items():
        random = np.random.default_rng([zlib.crc32(name.encode()), SEED])
        value = ops.convert_to_numpy(variable)
        begins = value if np.ptp(value) == 0 else np.zeros_like(value)  # zeros, ones
        value = begins + random.normal(scale=0.4, size=value.shape)
        variable.assign(abs(value) if name.endswith("variance") else value)


def write_bundle(name: str, folder: Path, pairs: list[tuple[str, str]]) -> Path:
    """Write a bundle of a recipe's tiny version: random weights, tokenizers learned from pairs."""
    made = small(name)
    keras.utils.set_random_seed(1)
    model = catalog.builder(catalog.entry(made.paper), made.model.size)(**made.model.arguments)
    model.build()
    rows = task_class(made.task).learned_texts(Example(*pair) for pair in pairs)
    tokenizers = train_tokenizers(made.tokenizer, rows, made.data.languages, made.seed)
    if model.trainable_variables:
        randomise(model)
    else:
        texts = task_class(made.task).encode_examples(
            [Example(*row) for row in pairs], tokenizers, made
        )
        trainer = trainer_of(made)(model, made, texts, texts, tokenizers[0])
        trainer.update(0)
        made, model = trainer.result(model)
    return bundle.write(
        folder,
        model=model,
        recipe=made,
        tokenizers=tokenizers,
        metrics={"metric": made.evaluate.metric, "value": 1.5, "sentences": 20},
        history=[{"epoch": 1, "loss": 4.5}, {"epoch": 2, "loss": 4.25, "validation_loss": 4.0}],
    )


# Models


@dataclass(frozen=True)
class Variant:
    """A paper's model for one task, at the size of its smoke run, with a few arguments changed."""

    paper: str
    task: str
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> recipes.Recipe:
        return small(own_recipes(self.paper, self.task)[0])

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments; vocabularies of 30 and 16, or one of 30."""
        arguments = dict(self.recipe.model.arguments)
        sizes = {"vocabulary": 30, "source_vocabulary": 30, "target_vocabulary": 16}
        return arguments | {k: v for k, v in sizes.items() if k in arguments} | self.changes

    @property
    def parameters(self) -> tuple[dataclasses.Field, ...]:
        """The builder's own arguments."""
        return dataclasses.fields(self.builder.Arguments)

    @property
    def builder(self):
        return catalog.builder(catalog.entry(self.paper), self.recipe.model.size)

    @property
    def inputs(self):
        """A batch that the model can read; `labels` belong to it."""
        return INPUTS[self.task]

    @property
    def labels(self) -> np.ndarray:
        return LABELS[self.task]

    def make(self, **changes: Any) -> keras.Model:
        """Return the model, built, with random weights, or with counts of a random text."""
        keras.utils.set_random_seed(1)
        model = self.builder(**(self.arguments | changes))
        model.build()
        if model.trainable_variables:
            randomise(model)
        else:
            own = model.arguments
            values = counted(own.order, own.smoothing, own.interpolated)[1]
            for name, variable in weights.variables(model).items():
                variable.assign(values[name])
        return model

    def copy(self, model: keras.Model, **changes: Any) -> keras.Model:
        """Return another model with the weights of one that `make` returned."""

        def build() -> keras.Model:
            made = self.builder(**(self.arguments | changes))
            made.build()
            return made

        return weights.filled(build, weights.arrays(model))


@functools.cache
def counted(
    order: int, smoothing: str, interpolated: bool
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return sizes and weights of n-grams of a random text of 30 words, TOKENS among it.

    A little noise on each number keeps equal counts apart, so that a search has no ties.
    """
    random = np.random.default_rng(SEED)
    rows = [np.array([START, *random.integers(3, 30, 8), END]) for _ in range(300)]
    rows += [np.array([*row, word]) for row in TOKENS for word in random.integers(3, 30, 12)]
    offsets = np.cumsum([0, *map(len, rows)])
    counts = count(np.concatenate(rows), offsets, order, 30, started=True)
    table = smooth(counts, smoothing, interpolated=interpolated, started=True)
    orders = [
        replace(each, log_p=each.log_p - random.uniform(0, 0.1, len(each))) for each in table.orders
    ]
    return layout.laid_out(NGrams(orders, table.interpolated))


def variants(task: str | None = None) -> dict[str, Variant]:
    """Return every paper of the catalog in each of its tasks, or those of one task.

    What a paper's file offers beside the paper comes too.
    """
    found = {}
    for paper in catalog.names():
        entry = catalog.entry(paper)
        for each in dict.fromkeys([entry.task, *entry.builders]):
            classes = {"classes": 2} if each == "similarity" else {}  # a number has one alone
            name = paper if each == entry.task else f"{paper}-{each}"
            found[name] = Variant(paper, each, classes | WINDOWS.get(paper, {}))
    marian = {
        "attention_bias": True, "positions": "halves", "activation": "swish", "output_bias": True,
    }  # fmt: skip
    found |= {
        "vaswani2017-marian": Variant("vaswani2017", "translate", marian),
        "bahdanau2015-conditional": Variant(
            "bahdanau2015", "translate", {"decoder": "conditional"}
        ),
        "bengio2003-direct": Variant(
            "bengio2003", "generate", {"order": 7, "direct": True, "hidden": 0}
        ),
        "oord2016-tree": Variant("oord2016", "generate", {"layers": 3, "units": "tree"}),
    }
    # Histories that hold a whole row of TOKENS.
    for name, smoothing, interpolated in (
        ("bigram", "kneser-ney", True), ("bigram-back-off", "witten-bell", False),
    ):  # fmt: skip
        sizes = {"order": 7, "smoothing": smoothing, "interpolated": interpolated, "start": START}
        found[name] = Variant("bigram", "generate", sizes | counted(7, smoothing, interpolated)[0])
    return {name: each for name, each in found.items() if task in (None, each.task)}


def logits(model: keras.Model, inputs: Any, training: bool = False) -> np.ndarray:
    """Return what a model gives for a batch."""
    if keras.backend.backend() == "jax":  # a loop outside of a jit is compiled at each call
        found = compiling.run(_forward, model, training, {"inputs": inputs})
    else:
        found = model(inputs, training=training)
    return ops.convert_to_numpy(found)


def _forward(model: keras.Model, training: bool, arrays: dict[str, Any]) -> Any:
    return model(arrays["inputs"], training=training)
