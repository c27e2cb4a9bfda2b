"""Fine-tuning in one stage, or in the two stages of ulmfit2018."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from zoo.config import catalog
from zoo.config.recipe import Recipe
from zoo.config.tasks import task_class
from zoo.data.examples import each_text
from zoo.errors import CheckpointError
from zoo.tasks.base import Tokenizers
from zoo.training import finetune

# Folders of the stages within the run's folder.
ADAPTING, LAST = "language-model", "model"


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned model with the recipe, metrics and training curve of its last stage."""

    model: keras.Model
    recipe: Recipe
    metrics: dict[str, Any]
    history: list[dict[str, float]]


def run(
    model: keras.Model,
    base: Recipe,
    tokenizers: Tokenizers,
    data: Any,
    targets: Iterable[Any] | None = None,
    *,
    task: str | None = None,
    validation: float | Any = 0.1,
    adapt: bool | Any | None = None,
    changes: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    resume: bool = False,
) -> Tuned:
    """Train a copy of a model on a user's examples, in one stage or two.

    Other arguments and errors are those of `Pretrained.finetune`.

    Args:
        base: the resolved recipe of the model.
        folder: the folder of the run; None keeps nothing.
    """
    if resume and (folder is None or not folder.is_dir()):
        raise CheckpointError(
            f"there is no run to resume in {folder}" if folder else "resume needs `out`",
            "start it without resume",
        )
    if folder is not None and folder.is_dir() and not resume:
        raise CheckpointError(
            f"{folder} already holds a run", "go on with resume, or delete that folder"
        )
    # Both stages need the examples, and an iterator gives them only once.
    data, targets = (list(x) if isinstance(x, Iterator) else x for x in (data, targets))
    # Read all examples before the first stage, so that errors show before an hour of training.
    last = finetune.plan(
        base, tokenizers, data, targets, validation=validation, task=task, changes=changes
    )
    stages = {LAST: last}
    if adapt is None:
        adapt = catalog.entry(base.paper).adapt
    other_task = last.recipe.task != base.task
    if other_task and task_class(base.task).adapts and adapt is not False:
        texts = adapt
        if adapt is True:
            examples = task_class(last.recipe.task).read(last.recipe, data, targets)
            texts = [text for given, _ in examples for text in each_text(given)]
        stages = {ADAPTING: finetune.plan(base, tokenizers, texts, checked=adapt is True), **stages}
    metrics: dict[str, Any] = {}
    history: list[dict[str, float]] = []
    for name, planned in stages.items():
        own = folder / name if folder is not None else None
        begun = own is not None and any(own.glob("step-*"))
        try:
            model, metrics, history = finetune.run(
                model, planned, tokenizers[1], own, resume and begun
            )
        except BaseException:
            if folder is not None and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
            raise
    return Tuned(model, last.recipe, metrics, history)
