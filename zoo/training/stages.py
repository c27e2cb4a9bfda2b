"""Fine-tuning in one stage or two (ulmfit2018): which, from what, and where their runs are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

# The folders of the stages within that of the run.
ADAPTING, LAST = "language-model", "model"


@dataclass(frozen=True)
class Tuned:
    """What came out: a model, the recipe of the last stage, what was measured, its curve."""

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
    """Train a copy of a model on a user's examples, in as many stages as it takes.

    Arguments and errors are those of `Pretrained.finetune`, but for these.

    Args:
        base: the resolved recipe of the model.
        folder: of the run; None keeps nothing.
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
    # Read once: both stages need them, and an iterator gives them only once.
    data, targets = (_kept(each) for each in (data, targets))
    # All examples are read before the first stage begins, so that nothing is wrong with them
    # after an hour of training.
    last = finetune.plan(
        base, tokenizers, data, targets, validation=validation, task=task, changes=changes
    )
    stages = {LAST: last}
    if adapt is None:
        adapt = catalog.entry(base.paper).adapt
    anew = last.recipe.task != base.task
    if anew and task_class(base.task).adapts and adapt is not False:
        texts = adapt
        if adapt is True:
            examples = task_class(last.recipe.task).read(last.recipe, data, targets)
            texts = [text for given, _ in examples for text in each_text(given)]
        stages = {ADAPTING: finetune.plan(base, tokenizers, texts), **stages}
    metrics: dict[str, Any] = {}
    history: list[dict[str, float]] = []
    for name, planned in stages.items():
        place = folder / name if folder is not None else None
        try:
            model, metrics, history = finetune.run(
                model, planned, tokenizers[1], place, resume and _begun(place)
            )
        except BaseException:
            if folder is not None and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
            raise
    return Tuned(model, last.recipe, metrics, history)


def _kept(data: Any) -> Any:
    """Return an iterator's items as a list, anything else as it is."""
    return list(data) if hasattr(data, "__next__") else data


def _begun(folder: Path | None) -> bool:
    return folder is not None and any(folder.glob("step-*"))
