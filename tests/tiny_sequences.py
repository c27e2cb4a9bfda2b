"""Tiny models of gpt1 that read sequences, with random weights, as tasks and as what is trained."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo import compiling, tasks
from zoo.models.gpt1 import Chooser, Classifier
from zoo.recipe import Data, Evaluate
from zoo.text import BpeTokenizer

LINES = ["it rains and it is wet", "it is dry", "the sky is blue", "grass is green", "red or blue"]
TOKENIZER = BpeTokenizer.train(LINES, vocabulary=60)
VOCABULARY, CONTEXT = 60, 24
LABELS = {"classify": ["neg", "pos"], "entail": ["no", "perhaps", "yes"], "similarity": ["0", "1"]}
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
    arguments = {
        "vocabulary": VOCABULARY, "context": CONTEXT, "width": 8, "layers": 1, "heads": 2,
        "feed_forward": 16,
    }  # fmt: skip
    made = Chooser(**arguments) if task == "choose" else Classifier(classes=classes, **arguments)
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
