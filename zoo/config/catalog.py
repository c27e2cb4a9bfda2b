"""The catalog of papers, sizes and weights, read from registry/. Imports no Keras."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from pathlib import Path
from typing import Any

from zoo.config import metrics as measures
from zoo.config import shards
from zoo.config.choices import imported
from zoo.config.entries import Entry, Size, Weights
from zoo.config.tables import parse, read_toml
from zoo.errors import BundleError, OptionError, RecipeError, UnknownName, ZooError, did_you_mean


@functools.cache
def data_root() -> Path:
    """Return the folder of registry/, recipes/ and experiments/, in the wheel or the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data"
    return installed if installed.is_dir() else package.parent


def names() -> list[str]:
    """Return the names of all papers, oldest first."""
    files = _files()
    return sorted(files, key=lambda name: (_read(files[name]).paper.year, name))


def entry(name: str) -> Entry:
    """Return a paper's registry entry.

    Raises:
        UnknownName: there is no paper of that name.
    """
    files = _files()
    if name not in files:
        raise UnknownName(f"there is no model '{name}'", did_you_mean(name, files))
    return _read(files[name])


def size(paper: Entry, name: str | None = None) -> Size:
    """Return a size of an entry, by default the first."""
    if name is None:
        return next(iter(paper.sizes.values()))
    if name not in paper.sizes:
        raise UnknownName(f"{paper.name} has no size '{name}'", did_you_mean(name, paper.sizes))
    return paper.sizes[name]


def weights(paper: Entry, tag: str) -> Weights:
    """Return the weights of an entry with a tag, its own or one that fits a pattern."""
    chosen = paper.find(tag)
    if chosen is None:
        tags = [*paper.weights, *paper.patterns]
        raise UnknownName(f"{paper.name} has no weights '{tag}'", did_you_mean(tag, tags))
    return chosen


def weights_by_recipe() -> dict[str, list[str]]:
    """Return "name.tag" of all registered weights, by the recipe that describes them."""
    found: dict[str, list[str]] = {}
    for name in names():
        for tag, chosen in entry(name).weights.items():
            found.setdefault(chosen.recipe, []).append(f"{name}.{tag}")
    return found


def split_reference(reference: str) -> tuple[Entry, str]:
    """Return entry and weights tag of "name" or "name.tag"; a bare name gets its default tag.

    Raises:
        UnknownName: an unknown paper or unknown weights.
    """
    name, dot, tag = reference.partition(".")
    paper = entry(name)
    if not dot:
        if paper.default is None:
            raise UnknownName(
                f"{name} has no trained weights", f"zoo.build('{name}') gives the untrained model"
            )
        return paper, paper.default
    weights(paper, tag)
    return paper, tag


def find_bundle(reference: str | os.PathLike[str]) -> Path:
    """Return the folder of a bundle: "name", "name.tag", or the path of a folder.

    A text with a separator, or with "." or "~" at its start, is a path; a name wins over a folder
    of that name in the working directory.

    Raises:
        UnknownName: an unknown paper or unknown weights.
        BundleError: the folder is missing.
    """
    if not is_path(reference):
        name = str(reference)
        if name and Path(name).is_dir() and name.partition(".")[0] not in _files():
            raise UnknownName(
                f"there is no model '{name}'", f"for the folder of that name write ./{name}"
            )
        paper, tag = split_reference(name)
        chosen = weights(paper, tag)
        if is_here(chosen):
            return bundles() / str(chosen.bundle)
        missing = f"the weights {paper.name}.{tag} do not come with this installation"
        if chosen.hub is not None:
            raise BundleError(
                f"{missing}: they are {chosen.hub} on the hub",
                f"zoo.load('{paper.name}.{tag}') fetches them",
            )
        raise BundleError(
            missing, f"load them from a checkout, or make them with `zoo train {chosen.recipe}`"
        )
    path = Path(reference).expanduser()
    if path.is_file():
        raise BundleError(
            f"{path} is a file, and a model is a folder",
            f"a checkpoint of another library: `zoo convert {path} --as NAME --out FOLDER`",
        )
    if not path.is_dir():
        raise BundleError(f"there is no folder {path}", "`zoo list` shows the models by name")
    return path


def is_here(weights: Weights) -> bool:
    """Return whether this installation includes the weights."""
    return weights.bundle is not None and (bundles() / weights.bundle).is_dir()


def weights_hash(paper: Entry, tag: str) -> str | None:
    """Return the hash of a set of weights, see `shards.hash_of`, None if it is unknown.

    That of weights of another library is unknown: they are converted when they are fetched.
    """
    chosen = weights(paper, tag)
    if chosen.is_converted:
        return None
    if not is_here(chosen):
        return shards.hash_of(chosen.sha256)
    manifest = bundles() / str(chosen.bundle) / "bundle.json"
    try:
        files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        return shards.hash_of({name: str(facts["sha256"]) for name, facts in files.items()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def named(paper: Entry, sha256: str) -> str | None:
    """Return the name of the paper's weights that have a hash, or None."""
    tags = (tag for tag in paper.weights if sha256 and weights_hash(paper, tag) == sha256)
    return next((f"{paper.name}.{tag}" for tag in tags), None)


def bundles() -> Path:
    """Return the folder of the bundles that the package or the checkout holds."""
    return data_root() / "registry" / "bundles"


def refresh() -> None:
    """Read the registry again at the next use, after a change of its files."""
    _read.cache_clear()


def finetune(paper: Entry, size_name: str | None = None) -> dict[str, str]:
    """Return the recipes for fine-tuning a model of that size, by task."""
    return paper.finetune | size(paper, size_name).finetune


def task(paper: Entry, size_name: str | None = None) -> str:
    """Return the task of a model of that size."""
    return size(paper, size_name).task or paper.task


def builder(paper: Entry, size_name: str | None = None) -> type[Any]:
    """Import and return the class of a model of that size, which imports Keras."""
    model: type[Any] = imported(paper.builders[task(paper, size_name)])
    return model


def arguments(paper: Entry, size_name: str | None, changes: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of the builder: the size's with `changes` over them.

    Raises:
        UnknownName: there is no such size.
        OptionError: the builder has no such argument.
    """
    fields = dataclasses.fields(builder(paper, size_name).Arguments)
    valid = [field.name for field in fields] + ["dtype", "name"]  # the last two are Keras' own
    for name, value in changes.items():
        if name not in valid:
            raise OptionError(f"{paper.name} has no argument '{name}'", did_you_mean(name, valid))
        if isinstance(value, int) and value < 0:
            raise OptionError(f"{name} is {value}", f"{name} is at least 0")
    return size(paper, size_name).arguments | changes


def metrics(paper: Entry, tag: str) -> dict[str, Any]:
    """Return metrics.json of a set of weights, {} if they are not in this installation."""
    chosen = weights(paper, tag)
    if chosen.bundle is None:
        return {}
    path = bundles() / chosen.bundle / "metrics.json"
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return values
    except FileNotFoundError:
        return {}
    except ValueError:
        raise BundleError(f"{path} is not valid JSON", "`git checkout` restores it") from None


def parameters(paper: Entry, tag: str) -> int:
    """Return the number of trainable parameters of a set of weights."""
    return int(metrics(paper, tag).get("parameters", size(paper, paper.weights[tag].size).params))


def measured(values: dict[str, Any]) -> str:
    """Return the main number of a metrics.json as text, such as "BLEU 45.1"; "" without one."""
    if "metric" not in values or "value" not in values:
        return ""
    return measures.spec(str(values["metric"])).shown(values["value"])


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
