"""Checkpoints of other libraries as models of the zoo: each layout is known to one file here."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from zoo import bundle
from zoo.bundle.weights import check_stored
from zoo.config import catalog
from zoo.config.recipe import Recipe
from zoo.errors import BundleError
from zoo.text import Tokenizer

# Modules with `recognises(path)` and `read(path)`, and what they read.
LAYOUTS = {
    "zoo.convert.openai_gpt": "OpenAI GPT as transformers or OpenAI wrote it",
    "zoo.convert.opus_mt": "OPUS-MT as transformers wrote it",
    "zoo.convert.fastai": "fast.ai's wt103 with itos_wt103.pkl",
    "zoo.convert.nematus": "Nematus' model.npz with options and dictionaries",
    "zoo.convert.fairseq": "fairseq's model.pt with dictionaries",
}
KNOWN = f"`zoo list` shows the models by name; known checkpoints: {'; '.join(LAYOUTS.values())}"


@dataclass(frozen=True)
class Converted:
    """A checkpoint in the zoo's own terms.

    Attributes:
        recipe: resolved; its model's arguments are those of the checkpoint.
        weights: float32 arrays by the names of `zoo.bundle.weights.variables`.
        tokenizers: the source's and the target's, one object if they are shared.
    """

    recipe: Recipe
    weights: dict[str, np.ndarray]
    tokenizers: tuple[Tokenizer, Tokenizer]


def read(path: Path) -> Converted:
    """Read a folder that another library wrote, or the one of its checkpoints that a file is.

    Raises:
        BundleError: no layout that is known; or a known one with something missing, surplus, of
            another shape or unsafe to read.
    """
    module = layout(path)
    if module is not None:
        found: Converted = module.read(path)
        return found
    if path.is_dir():
        raise BundleError(f"{path} {unknown(each.name for each in path.iterdir())}", KNOWN)
    raise BundleError(
        f"{path} is no checkpoint that is known; a checkpoint is a folder as a rule", KNOWN
    )


def layout(path: Path) -> ModuleType | None:
    """Return the module that reads a folder or file, None if none does."""
    modules = map(importlib.import_module, LAYOUTS)
    return next((module for module in modules if module.recognises(path)), None)


def unknown(names: Iterable[str]) -> str:
    """Return what is to be said of a folder with such files that no module reads."""
    files = sorted(names)
    shown = ", ".join(files[:8]) + (" ..." if len(files) > 8 else "") or "nothing"
    return (
        f"is neither a bundle ({bundle.MANIFEST} is missing) nor a checkpoint that is known; it "
        f"holds {shown}"
    )


def write(path: Path, paper: str, out: Path, dtype: str = "float32") -> Path:
    """Write a checkpoint as a bundle and return its folder.

    Args:
        path: a folder, or a file, that another library wrote.
        paper: whose model it is to be.
        out: a new or empty folder, or a bundle to replace.
        dtype: how weights are stored, "float16", "bfloat16" or "float32".

    Raises:
        UnknownName: there is no such paper.
        OptionError: there is no such dtype.
        BundleError: as `read`; or the checkpoint is of another paper, or the folder holds something
            else, or the disk refuses.
    """
    catalog.entry(paper)
    check_stored(dtype)
    if not path.exists():
        raise BundleError(f"there is no file or folder {path}", "look at the path")
    if path.is_dir() and bundle.is_bundle(path):
        raise BundleError(f"{path} is a bundle already", "zoo.load reads it as it is")
    bundle.check_writable(out)
    found = read(path)
    if found.recipe.paper != paper:
        raise BundleError(
            f"{path} holds a model of {found.recipe.paper}, not of {paper}",
            f"write --as {found.recipe.paper}",
        )
    # Through a model, so that nothing is written that could not be read.
    model = bundle.model_with(found.weights, found.recipe)
    return bundle.write(
        out, model=model, recipe=found.recipe, tokenizers=found.tokenizers, dtype=dtype
    )
