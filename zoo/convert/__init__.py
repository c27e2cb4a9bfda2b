"""Read checkpoints of other libraries as models of the zoo: one module for each layout."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from zoo import bundle
from zoo.bundle.stored import check_stored
from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.config.recipe import Recipe
from zoo.errors import BundleError
from zoo.text import Tokenizer

# Modules with `recognises(path)` and `read(path)`, perhaps `further(folder)`, and what they read.
LAYOUTS = {
    "zoo.convert.openai_gpt": "OpenAI GPT as transformers or OpenAI wrote it",
    "zoo.convert.bert": "BERT as transformers, sentence-transformers or Google wrote it",
    "zoo.convert.albert": "ALBERT as transformers or Google wrote it",
    "zoo.convert.opus_mt": "OPUS-MT as transformers wrote it",
    "zoo.convert.fastai": "fast.ai's wt103 with itos_wt103.pkl",
    "zoo.convert.nematus": "Nematus' model.npz with options and dictionaries",
    "zoo.convert.fairseq": "fairseq's model.pt with dictionaries",
    "zoo.convert.arpa": "n-grams in an ARPA file, name.arpa or name.arpa.gz",
    "zoo.convert.rnnlm": "RNNLM's model as text",
}
KNOWN = f"`zoo list` shows the models by name; known checkpoints: {'; '.join(LAYOUTS.values())}"


@dataclass(frozen=True)
class Converted:
    """A checkpoint as a recipe, weights and tokenizers of the zoo."""

    recipe: Recipe  # resolved, with the checkpoint's arguments of the model
    weights: dict[str, np.ndarray]  # float32, by the names of `zoo.bundle.weights.variables`
    tokenizers: tuple[Tokenizer, Tokenizer]  # the source's and the target's, one object if shared


def adapted(base: str, arguments: Mapping[str, Any], changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe `base`, resolved, with these model arguments and dotted changes."""
    dotted = {f"model.arguments.{name}": value for name, value in arguments.items()}
    return recipes.load(base).changed({**changes, **dotted}).resolved()


def read(path: Path) -> Converted:
    """Read a checkpoint of another library: its folder, or one file of it.

    Raises:
        BundleError: the layout is unknown; a file or tensor is missing, surplus, of another shape
            or unsafe to read; the model is not the zoo's; or tokenizer and weights do not match.
    """
    module = layout(path)
    if module is not None:
        converted: Converted = module.read(path)
        return converted
    if path.is_dir():
        raise BundleError(f"{path} {unknown(file.name for file in path.iterdir())}", KNOWN)
    raise BundleError(
        f"{path} is no checkpoint that is known; a checkpoint is a folder as a rule", KNOWN
    )


def layout(path: Path) -> ModuleType | None:
    """Return the module that reads a folder or file, or None."""
    modules = map(importlib.import_module, LAYOUTS)
    return next((module for module in modules if module.recognises(path)), None)


def further(folder: Path) -> list[str]:
    """Return the names of files in subfolders that belong to a checkpoint of a known layout."""
    module = layout(folder)
    if module is None or not hasattr(module, "further"):
        return []
    names: list[str] = module.further(folder)
    return names


def unknown(names: Iterable[str]) -> str:
    """Describe a folder with these files that no module reads."""
    files = sorted(names)
    shown = ", ".join(files[:8]) + (" ..." if len(files) > 8 else "") or "nothing"
    return (
        f"is neither a bundle ({bundle.MANIFEST} is missing) nor a checkpoint that is known; it "
        f"holds {shown}"
    )


def write(path: Path, paper: str, out: Path, dtype: str = "float32") -> Path:
    """Write a checkpoint as a bundle and return its folder.

    Args:
        path: a folder or file that another library wrote.
        paper: the paper that the model must belong to.
        out: a new or empty folder, or a bundle to replace.
        dtype: how weights are stored, "float16", "bfloat16", "float32" or "int8".

    Raises:
        UnknownName: no such paper.
        OptionError: no such dtype.
        BundleError: see `read`; the checkpoint is of another paper, the folder holds something
            else, or the disk refuses.
    """
    catalog.entry(paper)
    check_stored(dtype)
    if not path.exists():
        raise BundleError(f"there is no file or folder {path}", "look at the path")
    if path.is_dir() and bundle.is_bundle(path):
        raise BundleError(f"{path} is a bundle already", "zoo.load reads it as it is")
    bundle.check_writable(out)
    converted = read(path)
    if converted.recipe.paper != paper:
        raise BundleError(
            f"{path} holds a model of {converted.recipe.paper}, not of {paper}",
            f"write --as {converted.recipe.paper}",
        )
    # Building the model proves that the bundle can be read.
    model = bundle.model_with(converted.weights, converted.recipe)
    recipe, tokenizers = converted.recipe, converted.tokenizers
    return bundle.write(out, model=model, recipe=recipe, tokenizers=tokenizers, dtype=dtype)
