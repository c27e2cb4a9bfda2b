"""The tasks, one row each. Whatever depends on a task is told here or by the task's own class.

To add a task, add its row and write its class (see `zoo.tasks.base.Task`). A name without a row is
an error everywhere. Imports no Keras.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

from zoo.errors import UnknownName, did_you_mean


@dataclass(frozen=True)
class TaskSpec:
    """What the light parts of the package know about one task."""

    #: of the class that reads, encodes, trains and measures: "module:Class"
    path: str
    #: what the hub calls the task
    pipeline: str
    #: recipe keys that the task cannot do without
    needs: tuple[str, ...]
    #: metrics that experiments may compare; the first one is the main one
    metrics: tuple[str, ...]
    #: column names to look for together; the first ones name columns without names
    columns: tuple[tuple[str, ...], ...]
    #: what one input is called
    input: Literal["text", "pair", "question"] = "text"
    #: the parts of an input that is no single text
    parts: tuple[str, ...] = ()
    #: an input as Python code, for a message and for a model card
    example: str = "at least one word"
    card_example: str = '"..."'
    #: what a line of a shell holds if its parts are separated by tabs
    line: str = ""
    #: whether examples have labels from `data.labels`, numbers where there are none, or neither
    labels: Literal["none", "classes", "classes or numbers"] = "none"
    #: the main metric where numbers take the place of labels
    number_metric: str = ""
    #: what examples are counted in
    unit: str = "texts"
    #: what metrics.json calls the number of test examples that training saw too
    seen: str = "texts_in_training"
    #: what the validation loss is a mean over; "" is what `train.loss` says
    loss_per: str = "text"
    #: whether experiments measure trained models again, side by side, for metrics that a run lacks
    measured_again: bool = False
    #: whether training may read further corpora (`data.also`)
    also: bool = False
    #: what the rows of a corpus may hold for the task to read them
    rows: tuple[str, ...] = ("text",)
    #: what a message calls that which is given; "" is `input`
    given: str = ""


_BATCHES = ("train.buckets", "train.batch_sentences")
_LABEL_METRICS = ("accuracy", "error", "loss", "macro_f1")
_TWO_TEXTS = 'two texts, as in ("It rains.", "It is wet.")'

TASKS: dict[str, TaskSpec] = {
    "translate": TaskSpec(
        path="zoo.tasks.translate:Translate",
        pipeline="translation",
        needs=("data.source", "data.target", "data.max_length", "train.buckets"),
        metrics=("bleu", "chrf", "loss", "perplexity"),
        columns=(("source", "target"), ("text", "label")),
        unit="pairs",
        seen="targets_in_training",
        rows=("translation",),
        given="source",
        measured_again=True,
        loss_per="",
    ),
    "generate": TaskSpec(
        path="zoo.tasks.generate:Generate",
        pipeline="text-generation",
        needs=("data.language", "train.bptt", "train.batch_sentences"),
        metrics=("perplexity", "loss"),
        columns=(("text",),),
        loss_per="token",
        also=True,
        rows=("text", "pair", "question"),
    ),
    "classify": TaskSpec(
        path="zoo.tasks.classify:Classify",
        pipeline="text-classification",
        needs=("data.language", "data.labels", *_BATCHES),
        metrics=_LABEL_METRICS,
        columns=(("text", "label"), ("sentence", "label"), ("source", "target")),
        labels="classes",
    ),
    "entail": TaskSpec(
        path="zoo.tasks.entail:Entail",
        pipeline="text-classification",
        needs=("data.language", "data.labels", *_BATCHES),
        metrics=_LABEL_METRICS,
        columns=(
            ("premise", "hypothesis", "label"),
            ("sentence1", "sentence2", "label"),
            ("text", "hypothesis", "label"),
        ),
        input="pair",
        rows=("pair",),
        given="text",
        parts=("premise", "hypothesis"),
        example=_TWO_TEXTS,
        card_example='("...", "...")',
        line="two texts",
        labels="classes",
    ),
    "similarity": TaskSpec(
        path="zoo.tasks.similarity:Similarity",
        pipeline="text-classification",
        needs=("data.language", *_BATCHES),
        metrics=_LABEL_METRICS,
        columns=tuple(
            (*two, last)
            for two in (("sentence1", "sentence2"), ("question1", "question2"))
            for last in ("label", "score", "similarity")
        ),
        input="pair",
        rows=("pair",),
        given="text",
        parts=("first text", "second text"),
        example=_TWO_TEXTS,
        card_example='("...", "...")',
        line="two texts",
        labels="classes or numbers",
        number_metric="pearson",
    ),
    "choose": TaskSpec(
        path="zoo.tasks.choose:Choose",
        pipeline="multiple-choice",
        needs=("data.language", *_BATCHES),
        metrics=("accuracy", "error", "loss"),
        columns=(
            ("context", "answers", "label"),
            ("context", "choices", "label"),
            ("context", "answer_0", "answer_1", "label"),
        ),
        input="question",
        rows=("question",),
        parts=("context", "answers"),
        example='a context and its answers, as in ("The sky is", ["blue", "green"])',
        card_example='("...", ["...", "..."])',
        line="a context and two answers or more",
        loss_per="question",
    ),
}


def spec(name: str) -> TaskSpec:
    """Return a task's row.

    Raises:
        UnknownName: there is no such task.
    """
    if name not in TASKS:
        raise UnknownName(f"there is no task '{name}'", did_you_mean(name, TASKS))
    return TASKS[name]


def task_class(name: str) -> Any:
    """Return a task's class, which imports Keras; raises what `spec` does."""
    module, _, attribute = spec(name).path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def main_metric(name: str, has_labels: bool) -> str:
    """Return the metric that a recipe of the task is measured by."""
    row = spec(name)
    return row.number_metric if row.number_metric and not has_labels else row.metrics[0]
