"""The tables of a registry entry: paper, sizes, heads, weights. Imports no Keras."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, model_validator

from zoo.config.tables import Table

Builder = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]
Count = Annotated[int, Field(gt=0)]


class Result(Table):
    """One number that the paper reports; `size` is the model's size it belongs to."""

    data: str
    metric: str
    value: float
    size: str | None = None


class Paper(Table):
    """The paper itself; `introduced` says in one sentence what was new."""

    title: str
    authors: Annotated[list[str], Field(min_length=1)]
    year: int
    venue: str
    url: str
    introduced: str
    results: list[Result] = []


class Size(Table):
    """The builder's arguments and the exact count of trainable parameters that they give.

    `task` is what a model of this size is for, where a head of the entry makes it; `finetune`
    names recipes that fine-tuning a model of this size starts from, where they are not the entry's.
    """

    params: Count
    task: str | None = None
    finetune: dict[str, str] = {}
    arguments: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _gather_arguments(cls, data: Any) -> Any:
        return _gathered(data, ("params", "task", "finetune"))


class Head(Table):
    """What another task makes of the networks of the sizes: a builder and its further arguments.

    With the head "classifier" a size "starter" gives a further one, "starter-classifier"; of the
    first size it is "classifier" alone. `params` are the exact counts, by the sizes that have this
    head; `without` are arguments of a size that the builder lacks, `changes` those that differ, by
    size.
    """

    task: str
    builder: Builder
    params: Annotated[dict[str, Count], Field(min_length=1)]
    without: list[str] = []
    changes: dict[str, dict[str, Any]] = {}
    arguments: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather_arguments(cls, data: Any) -> Any:
        return _gathered(data, ("task", "builder", "params", "without", "changes"))

    def on(self, name: str, size: Size) -> Size:
        """Return the size with this head."""
        kept = {key: each for key, each in size.arguments.items() if key not in self.without}
        arguments = kept | self.arguments | self.changes.get(name, {})
        return Size(params=self.params[name], task=self.task, arguments=arguments)


def _gathered(data: Any, own: tuple[str, ...]) -> Any:
    """Return a table with its arguments in one, which TOML holds flat beside its own keys."""
    if not isinstance(data, dict) or "arguments" in data:
        return data
    known = {key: data[key] for key in own if key in data}
    return known | {"arguments": {key: data[key] for key in data if key not in own}}


class Weights(Table):
    """One set of trained weights: where it lies, what made it, under which licences.

    `bundle` is a folder of registry/bundles; `hub` is a repository with its `revision` (40 hex
    digits) and the `sha256` of every file, or without both if nobody has pinned it yet. `origin` is
    "trained here" or "converted from URL".
    """

    recipe: str
    size: str
    license: str
    data_license: str
    languages: list[str]
    origin: str
    bundle: str | None = None
    hub: str | None = None
    revision: Annotated[str, Field(pattern="^[0-9a-f]{40}$")] | None = None
    sha256: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = {}
    note: str = ""

    @property
    def is_converted(self) -> bool:
        """Whether they are another library's."""
        return not self.origin.startswith("trained here")

    def filled(self, parts: dict[str, str]) -> Weights:
        """Return the weights of a tag that a pattern stands for, its {names} filled."""
        changes: dict[str, Any] = {
            name: getattr(self, name).format(**parts) for name in ("recipe", "hub", "origin")
        }
        changes["languages"] = [each.format(**parts) for each in self.languages]
        return self.model_copy(update=changes)

    @model_validator(mode="after")
    def _check_place(self) -> Weights:
        if self.bundle is None and self.hub is None:
            raise ValueError("neither 'bundle' nor 'hub' says where the weights are")
        if (self.revision is None) != (not self.sha256):
            raise ValueError("'revision' and 'sha256' pin a repository together")
        if self.hub is None and self.revision is not None:
            raise ValueError("'revision' and 'sha256' are there, and no 'hub'")
        return self


class Entry(Table):
    """One paper of the zoo.

    `builder` makes the model of its `task`, `heads` those of other tasks that the paper trains
    the same network for; `sizes` hold those with a head too. `finetune` names the recipe that
    fine-tuning starts from, per task, and `adapt` is whether a language model goes on with a task's
    texts before it learns their labels. `patterns` are weights of the hub whose tags are many, as
    in "opus-mt-{source}-{target}".
    """

    name: str
    builder: Builder
    task: str
    paper: Paper
    sizes: Annotated[dict[str, Size], Field(min_length=1)]
    heads: dict[str, Head] = {}
    weights: dict[str, Weights] = {}
    patterns: dict[str, Weights] = {}
    default: str | None = None
    finetune: dict[str, str] = {}
    adapt: bool = False

    @property
    def builders(self) -> dict[str, str]:
        """What makes the model of each task."""
        return {self.task: self.builder} | {each.task: each.builder for each in self.heads.values()}

    def find(self, tag: str) -> Weights | None:
        """Return the weights of a tag, its own or those of a pattern that it fits, else None."""
        if tag in self.weights:
            return self.weights[tag]
        for pattern, weights in self.patterns.items():
            if found := _parts(pattern, tag):
                return weights.filled(found)
        return None

    def made_by(self, recipe: str, converted: bool) -> tuple[str | None, Weights | None]:
        """Return tag and weights of a recipe's name, (None, None) if there are none.

        Args:
            recipe: its name.
            converted: whether the weights are another library's, which were not made by it.
        """
        for tag, weights in self.weights.items():
            if weights.recipe == recipe and weights.is_converted == converted:
                return tag, weights
        for pattern, weights in self.patterns.items():
            parts = _parts(weights.recipe, recipe)
            if parts and weights.is_converted == converted:
                return pattern.format(**parts), weights.filled(parts)
        return None, None

    @model_validator(mode="after")
    def _add_heads(self) -> Entry:
        bare = dict(self.sizes)
        self.sizes.clear()
        for name, each in bare.items():
            self.sizes[name] = each
            for head_name, head in self.heads.items():
                full = head_name if name == next(iter(bare)) else f"{name}-{head_name}"
                if name in head.params:
                    self.sizes[full] = head.on(name, each)
        for head_name, head in self.heads.items():
            for name in (*head.params, *head.changes):
                if name not in bare:
                    raise ValueError(f"head '{head_name}' is of a size '{name}' that is not there")
        return self

    @model_validator(mode="after")
    def _check_names(self) -> Entry:
        if self.weights and self.default not in self.weights:
            raise ValueError(f"default '{self.default}' is none of its weights")
        for name, each in self.sizes.items():
            if each.task not in (None, *self.builders):
                raise ValueError(f"size '{name}' is for '{each.task}', which has no builder")
        for tag, weights in (self.weights | self.patterns).items():
            if weights.size not in self.sizes:
                raise ValueError(f"weights '{tag}' name a size '{weights.size}' that is not there")
        for tag, weights in self.patterns.items():
            if weights.bundle is not None or weights.revision is not None:
                raise ValueError(f"pattern '{tag}' stands for many repositories, of no one commit")
        return self


def _parts(pattern: str, text: str) -> dict[str, str] | None:
    """Return what stands for the {names} of a pattern in a text, None if the text does not fit."""
    pieces = re.split(r"\{(\w+)\}", pattern)
    parts = [f"(?P<{each}>[A-Za-z0-9_]+)" if i % 2 else re.escape(each)
             for i, each in enumerate(pieces)]  # fmt: skip
    found = re.fullmatch("".join(parts), text)
    return found.groupdict() if found else None
