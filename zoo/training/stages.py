"""Fine-tuning in one stage, or in the two stages of ulmfit2018."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from zoo import bundle
from zoo.config import catalog
from zoo.config.recipe import Recipe
from zoo.config.tasks import spec, task_class
from zoo.data.columns import PLAIN, TableOptions
from zoo.data.examples import each_text
from zoo.data.readers import TABLES, kind
from zoo.errors import CheckpointError, check_path
from zoo.tasks.base import Tokenizers
from zoo.training import finetune, lora
from zoo.training.callbacks import checked
from zoo.training.options import Options

# Folders of the stages within the run's folder.
ADAPTING, LAST = "language-model", "model"


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned model with the recipe, metrics and training curve of its last stage."""

    model: keras.Model
    recipe: Recipe
    metrics: dict[str, Any]
    history: list[dict[str, float]]


def run_folder(out: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder of the run whose bundle is to be `out`; None for no bundle.

    Raises:
        OptionError, BundleError: no bundle can be written there.
    """
    if out is None:
        return None
    check_path("out", out)
    bundle.check_writable(out)
    return Path(f"{Path(out).expanduser().resolve()}.run")


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
    options: Options | None = None,
    callbacks: Any = None,
    folder: Path | None = None,
    resume: bool = False,
    table: TableOptions = PLAIN,
) -> Tuned:
    """Train a copy of a model on a user's examples, in one stage or two.

    Other arguments and errors are those of `Pretrained.finetune`.

    Args:
        base: the resolved recipe of the model.
        options: of the last stage; its seed is that of both.
        callbacks: Keras callbacks, which follow the last stage.
        folder: the folder of the run; None keeps nothing.
        table: how to read the examples.
    """
    options, callbacks = options or Options(), checked(callbacks)
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
        base, tokenizers, data, targets, validation=validation, task=task, changes=changes,
        options=options, table=table, tell=True,
    )  # fmt: skip
    last = dataclasses.replace(last, callbacks=callbacks)
    if last.recipe.train.lora_rank is not None:
        lora.check(model, base.paper)
    stages = {LAST: last}
    if adapt is None:
        adapt = catalog.entry(base.paper).adapt
    other_task = last.recipe.task != base.task
    if other_task and task_class(base.task).adapts and adapt is not False:
        texts = adapt
        if adapt is True:
            examples = task_class(last.recipe.task).read(last.recipe, data, targets, table=table)
            texts = [text for given, _ in examples for text in each_text(given)]
        plain = isinstance(texts, (str, os.PathLike)) and kind(Path(texts)) not in TABLES
        further = PLAIN if adapt is True or plain else table.of_source(texts)
        as_texts = further.for_roles(spec(base.task).columns[0])
        first = finetune.plan(
            base, tokenizers, texts, options=Options(seed=options.seed), table=as_texts,
            tell=adapt is not True, checked=adapt is True,
        )  # fmt: skip
        # Nobody asks how well the first stage writes.
        stages = {ADAPTING: dataclasses.replace(first, tokenizers=None), **stages}
    metrics: dict[str, Any] = {}
    history: list[dict[str, float]] = []
    for name, planned in stages.items():
        own = folder / name if folder is not None else None
        begun = own is not None and any(own.glob("step-*"))
        if own is not None and begun:
            planned = planned.resumed(own)
        try:
            model, metrics, history = finetune.run(
                model, planned, tokenizers[1], own, resume and begun
            )
        except BaseException:
            if folder is not None and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
            raise
    return Tuned(model, planned.recipe, metrics, history)
