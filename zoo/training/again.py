"""The command of a shell that fine-tunes a model again, as its card shows it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from typing import Any

from zoo import files
from zoo.config.recipe import Recipe
from zoo.config.tables import flat
from zoo.errors import OptionError, check_count
from zoo.training import finetune

RANK = "train.lora_rank"
# Options that may be examples.
EXAMPLES = ("validation", "adapt")
# Keys that the base, the data and the command's own options decide.
DECIDED = ("name", "paper", "task", "data.corpus", "data.labels", RANK)


def with_rank(changes: Mapping[str, Any] | None, rank: int | None) -> Mapping[str, Any] | None:
    """Return changes of a recipe with the rank of LoRA among them, if there is one."""
    if rank is None:
        return changes
    check_count("lora_rank", rank)
    if changes is not None and not isinstance(changes, Mapping):
        return changes  # which is an error that `finetune.plan` tells
    if (changes or {}).get(RANK, rank) != rank:
        raise OptionError(f"lora_rank is {rank}, and changes has another {RANK}", "give one")
    return {**(changes or {}), RANK: int(rank)}


def command(
    base: str, before: Recipe, recipe: Recipe, data: Any, targets: Any, asked: Mapping[str, Any]
) -> str:
    """Return a command that makes a fine-tuned model again, or "" if there can be none.

    It works in the folder that this process works in. There is none for examples in memory.

    Args:
        base: the model that was trained further, as `zoo.load` takes it; "" if it has no name.
        before: its recipe.
        recipe: that of the fine-tuned model.
        data, targets: the examples, as they were given.
        asked: options of `zoo finetune` by their names in Python, None for their defaults.
    """
    if not base or targets is not None or not isinstance(data, (str, os.PathLike)):
        return ""
    words = ["zoo", "finetune", _quoted(base), "--data", _quoted(files.shown(data))]
    words += ["--out", _quoted(f"./{recipe.name}-again")]
    for name, value in {"lora_rank": recipe.train.lora_rank, **asked}.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option if value else option.replace("--", "--no-", 1))
        elif name in EXAMPLES and isinstance(value, str):
            return ""  # a path, for which the command has no option
        elif isinstance(value, (str, int, float)):
            words += [option, _quoted(str(value))]
        elif name == "columns" and isinstance(value, Mapping):
            for role, columns in value.items():
                listed = columns if isinstance(columns, (list, tuple)) else [columns]
                for column in listed:
                    words += ["--column", _quoted(f"{role}={column}")]
        elif value is not None:
            return ""  # examples in memory, or callbacks
    usual = finetune.recipe(before, recipe.data.corpus, recipe.task, None, recipe.data.labels)
    unchanged = flat(usual.tables())
    for key, value in flat(recipe.tables()).items():
        decided = key in DECIDED or asked.get(key) is not None
        decided |= key.partition(".")[0] in ("base", "smoke", "tokenizer")
        # What the size of the data would decide is always said.
        if not decided and (key in finetune.SIZED or value != unchanged.get(key)):
            words += ["--set", _quoted(f"{key}={_written(value)}")]
    return " ".join(words)


def _quoted(word: str) -> str:
    """Return a word as a shell reads it; ~ stays the home folder."""
    return f"~/{shlex.quote(word[2:])}" if word.startswith("~/") else shlex.quote(word)


def _written(value: Any) -> str:
    """Return a value of a recipe so that `recipe.assignment` reads it."""
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
