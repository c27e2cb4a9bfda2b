"""Tiny models of gpt1 that read sequences, with random weights, as tasks and as what is trained."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo import compiling, tasks
from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.config.recipe import Data, Evaluate, Recipe
from zoo.config.tasks import main_metric
from zoo.models.gpt1 import LanguageModel
from zoo.models.gpt1_tasks import Chooser, Classifier
from zoo.pretrained import Pretrained
from zoo.text import BpeTokenizer

LINES = ["it rains and it is wet", "it is dry", "the sky is blue", "grass is green", "red or blue"]
TOKENIZER = BpeTokenizer.train(LINES, vocabulary=60)
VOCABULARY, CONTEXT = 60, 24
LABELS = {"classify": ["neg", "pos"], "entail": ["no", "perhaps", "yes"], "similarity": ["0", "1"]}
SIZE = {
    "vocabulary": VOCABULARY, "context": CONTEXT, "width": 8, "layers": 1, "heads": 2,
    "feed_forward": 16,
}  # fmt: skip
# Some inputs of each task: the last is the longest.
INPUTS: dict[str, list[Any]] = {
    "classify": ["it is dry", "red", "the sky is blue or red"],
    "entail": [("it rains", "it is wet"), ("it", "red"), ("the sky is blue or red", "it is dry")],
    "choose": [
        ("the sky is", ("blue", "green")),
        ("grass is", ("red", "green and wet", "dry")),
        ("it rains and", ("it is wet", "the grass is dry")),
    ],
}
INPUTS["similarity"] = INPUTS["entail"]


@functools.cache
def model(task: str, classes: int = 2) -> keras.Model:
    """Return a built model of a task, each of its weights far enough from zero to count.

    Shared by all tests: do not change its weights.
    """
    keras.utils.set_random_seed(1)
    made = Chooser(classes=1, **SIZE) if task == "choose" else Classifier(classes=classes, **SIZE)
    made.build()
    random = np.random.default_rng(1)
    for variable in made.trainable_variables:
        noise = random.normal(scale=0.5, size=variable.shape)
        variable.assign(ops.convert_to_numpy(variable) + noise)
    return made


def task(name: str, labels: list[str] | None = None, **data: Any) -> Any:
    """Return a task with such a model; no labels are a regression."""
    labels = LABELS.get(name, []) if labels is None else labels
    settings = Data(corpus="x", language="en", labels=labels, **data)
    made = model(name, len(labels) or 1)
    options = Evaluate(metric="accuracy", batch_size=4)
    return tasks.task(name)(made, TOKENIZER, TOKENIZER, options, settings)


def logits(made: keras.Model, *sequences: list[int]) -> np.ndarray:
    """Return what a model gives for one example of sequences of one length, without padding."""
    tokens = np.array([sequences if len(sequences) > 1 else sequences[0]], dtype="int32")
    return ops.convert_to_numpy(compiling.run(_forward, made, None, {"tokens": tokens}))[0]


def _forward(made: keras.Model, options: None, arrays: dict[str, Any]) -> Any:
    return made(arrays["tokens"])


def recipe(name: str) -> Recipe:
    """Return the recipe of a task, two updates long."""
    start = recipes.load("ulmfit2018-imdb-lm" if name == "generate" else "ulmfit2018-imdb")
    tables = start.smoke().tables()
    tables |= {
        "name": f"tiny-{name}", "paper": "tiny", "task": name, "smoke": {},
        "model": {"size": name}, "optimizer": {"name": "adam"},
        "schedule": {"name": "constant", "peak": 0.01},
        "tokenizer": {"kind": "bpe", "vocabulary": VOCABULARY},
    }  # fmt: skip
    labels = LABELS.get(name, [])
    tables["data"] |= {"corpus": "mine", "labels": labels, "max_length": None}
    tables["evaluate"] |= {"metric": main_metric(name, bool(labels)), "minimum": None}
    tables["train"] |= {"updates": 2, "updates_per_epoch": 1, "batch_sentences": 4}
    if name != "generate":
        tables["train"]["buckets"] = [12, 2 * CONTEXT]  # the context cuts the last one
    return recipes.loads(tables)


def entry(folder: Path) -> catalog.Entry:
    """Return the registry's entry of a paper called "tiny", whose recipes are in a folder."""
    model = "zoo.models.gpt1_tasks"
    tasks_ = ("generate", "classify", "entail", "similarity", "choose")
    for name in tasks_:
        made = recipe(name)
        (folder / f"{name}.toml").write_text(recipes.dumps(made), encoding="utf-8")
    held = catalog.entry("ulmfit2018").model_dump()
    heads = {
        name: {
            "task": name, "params": {"generate": 1}, "arguments": {"classes": classes},
            "builder": f"{model}:{'Chooser' if name == 'choose' else 'Classifier'}",
        }
        for name, classes in {"classify": 2, "entail": 2, "similarity": 2, "choose": 1}.items()
    }  # fmt: skip
    held |= {
        "name": "tiny", "builder": "zoo.models.gpt1:LanguageModel", "task": "generate",
        "sizes": {"generate": {"params": 1, "arguments": SIZE}}, "heads": heads, "weights": {},
        "default": None, "finetune": {name: str(folder / f"{name}.toml") for name in tasks_},
        "adapt": False,
    }  # fmt: skip
    return catalog.Entry.model_validate(held)


def pretrained(name: str) -> Pretrained:
    """Return a model of the paper called "tiny", with random weights; its entry must be there."""
    made = recipe(name).resolved()
    if name == "generate":
        keras.utils.set_random_seed(1)
        built = LanguageModel(**SIZE)
        built.build()
    else:
        built = model(name, len(made.data.labels) or 1)
    return Pretrained(built, made, (TOKENIZER, TOKENIZER))
