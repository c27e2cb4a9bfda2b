"""What exists: papers, sizes and weights, read from registry/. Imports no Keras."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from pathlib import Path
from typing import Any

from zoo.config import metrics as measures
from zoo.config.choices import imported
from zoo.config.entries import Entry, Size, Weights
from zoo.config.tables import parse, read_toml
from zoo.errors import BundleError, OptionError, RecipeError, UnknownName, ZooError, did_you_mean


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


def builder(found: Entry, size_name: str | None = None) -> type[Any]:
    """Return the class that builds a model of that size; this imports its module and Keras."""
    made: type[Any] = imported(found.builders[task(found, size_name)])
    return made


def arguments(found: Entry, size_name: str | None, changes: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of the builder: the size's with `changes` over them.

    Raises:
        UnknownName: there is no such size.
        OptionError: the builder has no such argument.
    """
    chosen = size(found, size_name).arguments
    declared = dataclasses.fields(builder(found, size_name).Arguments)
    known = [field.name for field in declared] + ["dtype", "name"]  # the last two are Keras' own
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
