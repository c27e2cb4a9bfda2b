"""What exists: papers, sizes and weights, read from registry/. Imports no Keras."""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from zoo.config import metrics as measures
from zoo.config.choices import imported
from zoo.config.tables import Table, parse, read_toml
from zoo.errors import BundleError, OptionError, RecipeError, UnknownName, ZooError, did_you_mean

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


def data_root() -> Path:
    """Return what holds registry/, recipes/ and experiments/: inside the wheel, or the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data"
    return installed if installed.is_dir() else package.parent


def names() -> list[str]:
    """Return the names of all papers, oldest first."""
    return sorted(_files(), key=lambda name: (entry(name).paper.year, name))


def entry(name: str) -> Entry:
    """Return what the registry says about one paper.

    Raises:
        UnknownName: there is no paper of that name.
    """
    files = _files()
    if name not in files:
        raise UnknownName(f"there is no model '{name}'", did_you_mean(name, files))
    return _read(files[name])


def size(found: Entry, name: str | None = None) -> Size:
    """Return one size of an entry, the first when none is named."""
    if name is None:
        return next(iter(found.sizes.values()))
    if name not in found.sizes:
        raise UnknownName(f"{found.name} has no size '{name}'", did_you_mean(name, found.sizes))
    return found.sizes[name]


def weights(found: Entry, tag: str) -> Weights:
    """Return one set of weights of an entry, by its own tag or one that a pattern stands for."""
    chosen = found.find(tag)
    if chosen is None:
        known = [*found.weights, *found.patterns]
        raise UnknownName(f"{found.name} has no weights '{tag}'", did_you_mean(tag, known))
    return chosen


def split_reference(reference: str) -> tuple[Entry, str]:
    """Return entry and weights tag of "name" or "name.tag"; a bare name gets its default tag.

    Raises:
        UnknownName: there is no such paper or it has no such weights.
    """
    name, dot, tag = reference.partition(".")
    found = entry(name)
    if not dot:
        if found.default is None:
            raise UnknownName(
                f"{name} has no trained weights", f"zoo.build('{name}') gives the untrained model"
            )
        return found, found.default
    weights(found, tag)
    return found, tag


def find_bundle(reference: str | os.PathLike[str]) -> Path:
    """Return the folder of a bundle: "name", "name.tag", or the path of a folder.

    A text is a path when it holds a separator or begins with "." or "~"; a name always wins over
    a folder of that name in the working directory.

    Raises:
        UnknownName: there is no such paper or weights.
        BundleError: the folder is not there.
    """
    if not is_path(reference):
        _check_for_folder(str(reference))
        found, tag = split_reference(str(reference))
        chosen = weights(found, tag)
        if is_here(chosen):
            return _bundles() / str(chosen.bundle)
        missing = f"the weights {found.name}.{tag} do not come with this installation"
        if chosen.hub is not None:
            raise BundleError(
                f"{missing}: they are {chosen.hub} on the hub",
                f"zoo.load('{found.name}.{tag}') fetches them",
            )
        raise BundleError(
            missing, f"load them from a checkout, or make them with `zoo train {chosen.recipe}`"
        )
    path = Path(reference).expanduser()
    if not path.is_dir():
        raise BundleError(f"there is no folder {path}", "`zoo list` shows the models by name")
    return path


def is_here(weights: Weights) -> bool:
    """Return whether weights came with this installation."""
    return weights.bundle is not None and (_bundles() / weights.bundle).is_dir()


def _bundles() -> Path:
    return data_root() / "registry" / "bundles"


def refresh() -> None:
    """Read the registry again when it is asked for: a file of it has changed."""
    _read.cache_clear()


def finetune(found: Entry, size_name: str | None = None) -> dict[str, str]:
    """Return the recipes that fine-tuning a model of that size starts from, by task."""
    return found.finetune | size(found, size_name).finetune


def task(found: Entry, size_name: str | None = None) -> str:
    """Return what a model of that size is for."""
    return size(found, size_name).task or found.task


def builder(found: Entry, size_name: str | None = None) -> Callable[..., Any]:
    """Return the class that builds a model of that size; this imports its module and Keras."""
    made: Callable[..., Any] = imported(found.builders[task(found, size_name)])
    return made


def arguments(found: Entry, size_name: str | None, changes: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of the builder: the size's with `changes` over them.

    Raises:
        UnknownName: there is no such size.
        OptionError: the builder has no such argument.
    """
    chosen = size(found, size_name).arguments
    parameters = inspect.signature(builder(found, size_name)).parameters.values()
    known = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    known += ["dtype", "name"]  # Keras' own, which every model takes
    for name in changes:
        if name not in known:
            raise OptionError(f"{found.name} has no argument '{name}'", did_you_mean(name, known))
        if isinstance(changes[name], int) and changes[name] < 0:
            raise OptionError(f"{name} is {changes[name]}", f"{name} is at least 0")
    return chosen | changes


def metrics(found: Entry, tag: str) -> dict[str, Any]:
    """Return metrics.json of one set of weights, empty when they are not in this installation."""
    try:
        path = find_bundle(f"{found.name}.{tag}") / "metrics.json"
        held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return held
    except (BundleError, FileNotFoundError):
        return {}
    except ValueError:
        raise BundleError(f"{path} is not valid JSON", "`git checkout` restores it") from None


def parameters(found: Entry, tag: str) -> int:
    """Return how many trainable parameters these weights have."""
    return int(metrics(found, tag).get("parameters", size(found, found.weights[tag].size).params))


def measured(held: dict[str, Any]) -> str:
    """Return the main number of a metrics.json as text, such as "BLEU 45.1"; "" without one."""
    if "metric" not in held or "value" not in held:
        return ""
    return measures.spec(str(held["metric"])).shown(held["value"])


def _parts(pattern: str, text: str) -> dict[str, str] | None:
    """Return what stands for the {names} of a pattern in a text, None if the text does not fit."""
    pieces = re.split(r"\{(\w+)\}", pattern)
    parts = [f"(?P<{each}>[A-Za-z0-9_]+)" if i % 2 else re.escape(each)
             for i, each in enumerate(pieces)]  # fmt: skip
    found = re.fullmatch("".join(parts), text)
    return found.groupdict() if found else None


def _check_for_folder(name: str) -> None:
    """Say how to write a folder that is meant by a text that is no model's name."""
    if name and Path(name).is_dir() and name.partition(".")[0] not in _files():
        raise UnknownName(
            f"there is no model '{name}'", f"for the folder of that name write ./{name}"
        )


def is_path(reference: str | os.PathLike[str]) -> bool:
    """Return whether a reference is a folder's path rather than a name."""
    if not isinstance(reference, str):
        return True
    return reference.startswith((".", "~")) or "/" in reference or os.sep in reference


def _files() -> dict[str, Path]:
    folder = data_root() / "registry"
    files = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    if not files:
        raise ZooError(f"there is no registry in {folder}", "install the package again")
    return files


@functools.cache
def _read(path: Path) -> Entry:
    data = read_toml(path, RecipeError)
    data.setdefault("name", path.stem)
    return parse(Entry, data, f"registry entry {path.stem}", RecipeError)
