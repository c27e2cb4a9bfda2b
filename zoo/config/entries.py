"""The tables of a registry entry: paper, sizes, heads, weights. Imports no Keras."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from zoo.config.tables import Table

Builder = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]
Count = Annotated[int, Field(gt=0)]


class Result(Table):
    """One number that the paper reports."""

    data: str
    metric: str
    value: float
    size: str | None = None  # of the measured model


class Paper(Table):
    """The paper itself."""

    title: str
    authors: Annotated[list[str], Field(min_length=1)]
    year: int
    venue: str
    kind: Literal["inproceedings", "article", "misc"] = "inproceedings"  # of the BibTeX entry
    url: str
    introduced: str  # the news in one sentence
    results: list[Result] = []


class WithArguments(Table):
    """A table of a builder's arguments, which TOML holds flat beside the table's own keys."""

    arguments: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather_arguments(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "arguments" in data:
            return data
        own = {key: data[key] for key in data if key in cls.model_fields}
        return own | {"arguments": {key: data[key] for key in data if key not in own}}


class Size(WithArguments):
    """The builder's arguments and the resulting exact count of trainable parameters."""

    params: Count
    task: str | None = None  # that of the head that makes this size; None is the entry's
    finetune: dict[str, str] = {}  # recipes for fine-tuning, by task, beside the entry's


class Head(WithArguments):
    """A builder that another task puts on the networks of the sizes, and its further arguments.

    The head "classifier" adds a size "starter-classifier" to a size "starter", and "classifier" to
    the first size.
    """

    task: str
    builder: Builder
    params: Annotated[dict[str, Count], Field(min_length=1)]  # exact counts by size
    without: list[str] = []  # arguments of a size that the builder lacks
    changes: dict[str, dict[str, Any]] = {}  # arguments that differ, by size

    def on(self, name: str, size: Size) -> Size:
        """Return the size with this head."""
        arguments = {key: size.arguments[key] for key in size.arguments if key not in self.without}
        arguments |= self.arguments | self.changes.get(name, {})
        return Size(
            params=self.params[name], task=self.task, finetune=size.finetune, arguments=arguments
        )


class Weights(Table):
    """One set of trained weights: its place, origin and licences."""

    recipe: str
    size: str
    license: str
    data_license: str
    languages: list[str]
    origin: str  # "trained here" or "converted from URL"
    bundle: str | None = None  # folder of registry/bundles
    hub: str | None = None  # repository of the hub
    # hashes of the repository's files and its commit, both missing until someone pins it; hashes
    # alone pin the files at any commit that has them
    revision: Annotated[str, Field(pattern="^[0-9a-f]{40}$")] | None = None
    sha256: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = {}
    note: str = ""

    @property
    def is_converted(self) -> bool:
        """Whether another library trained them."""
        return not self.origin.startswith("trained here")

    def filled(self, parts: dict[str, str]) -> Weights:
        """Return the weights of a tag that fits a pattern, with its {names} filled."""
        changes: dict[str, Any] = {
            name: getattr(self, name).format(**parts) for name in ("recipe", "hub", "origin")
        }
        changes["languages"] = [language.format(**parts) for language in self.languages]
        return self.model_copy(update=changes)

    @model_validator(mode="after")
    def _check_place(self) -> Weights:
        if self.bundle is None and self.hub is None:
            raise ValueError("neither 'bundle' nor 'hub' says where the weights are")
        if self.revision is not None and not self.sha256:
            raise ValueError("'revision' and 'sha256' pin a repository together")
        if self.hub is None and self.sha256:
            raise ValueError("'revision' and 'sha256' are there, and no 'hub'")
        return self


class Entry(Table):
    """One paper of the zoo."""

    name: str
    builder: Builder  # of the model of `task`
    task: str
    paper: Paper
    sizes: Annotated[dict[str, Size], Field(min_length=1)]  # with and without a head
    heads: dict[str, Head] = {}  # other tasks that the paper trains the same network for
    weights: dict[str, Weights] = {}
    patterns: dict[str, Weights] = {}  # many tags of the hub, as in "opus-mt-{source}-{target}"
    default: str | None = None  # tag of a bare name
    finetune: dict[str, str] = {}  # recipes for fine-tuning, by task
    adapt: bool = False  # whether a language model reads a task's texts before it learns labels

    @property
    def builders(self) -> dict[str, str]:
        """The builder of each task's model."""
        return {self.task: self.builder} | {head.task: head.builder for head in self.heads.values()}

    def find(self, tag: str) -> Weights | None:
        """Return the weights of a tag, its own or one that fits a pattern, else None."""
        if tag in self.weights:
            return self.weights[tag]
        for pattern, weights in self.patterns.items():
            if parts := _parts(pattern, tag):
                return weights.filled(parts)
        return None

    def made_by(self, recipe: str, converted: bool) -> tuple[str | None, Weights | None]:
        """Return tag and weights of a recipe's name, or (None, None).

        Args:
            recipe: its name.
            converted: find weights of another library, which the recipe describes but did not make.
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
        for name, size in bare.items():
            self.sizes[name] = size
            for head_name, head in self.heads.items():
                full = head_name if name == next(iter(bare)) else f"{name}-{head_name}"
                if name in head.params:
                    self.sizes[full] = head.on(name, size)
        for head_name, head in self.heads.items():
            for name in (*head.params, *head.changes):
                if name not in bare:
                    raise ValueError(f"head '{head_name}' is of a size '{name}' that is not there")
        return self

    @model_validator(mode="after")
    def _check_names(self) -> Entry:
        if self.weights and self.default not in self.weights:
            raise ValueError(f"default '{self.default}' is none of its weights")
        for name, size in self.sizes.items():
            if size.task not in (None, *self.builders):
                raise ValueError(f"size '{name}' is for '{size.task}', which has no builder")
        for tag, weights in (self.weights | self.patterns).items():
            if weights.size not in self.sizes:
                raise ValueError(f"weights '{tag}' name a size '{weights.size}' that is not there")
        for tag, weights in self.patterns.items():
            if weights.bundle is not None or weights.sha256:
                raise ValueError(f"pattern '{tag}' stands for many repositories, of no one commit")
        return self


def _parts(pattern: str, text: str) -> dict[str, str] | None:
    """Return the values of a pattern's {names} in a text, None if the text does not fit."""
    expression = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[A-Za-z0-9_]+)", re.escape(pattern))
    match = re.fullmatch(expression, text)
    return match.groupdict() if match else None
