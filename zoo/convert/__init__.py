"""Checkpoints of other libraries as models of the zoo: each layout is known to one file here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from zoo.errors import BundleError
from zoo.recipe import Recipe
from zoo.text import Tokenizer

# Modules with `recognises(folder)` and `read(folder)`, and what they read.
LAYOUTS = {
    "zoo.convert.openai_gpt": "OpenAI GPT as transformers or OpenAI wrote it",
    "zoo.convert.opus_mt": "OPUS-MT as transformers wrote it",
}


@dataclass(frozen=True)
class Converted:
    """A checkpoint in the zoo's own terms.

    Attributes:
        recipe: resolved; its model's arguments are those of the checkpoint.
        weights: float32 arrays by the names of `zoo.weights.variables`.
        tokenizers: the source's and the target's, one object if they are shared.
    """

    recipe: Recipe
    weights: dict[str, np.ndarray]
    tokenizers: tuple[Tokenizer, Tokenizer]


def read(folder: Path) -> Converted:
    """Read a folder that another library wrote.

    Raises:
        BundleError: no layout that is known; or a known one with something missing, surplus, of
            another shape or unsafe to read.
    """
    for name in LAYOUTS:
        module: ModuleType = importlib.import_module(name)
        if module.recognises(folder):
            found: Converted = module.read(folder)
            return found
    names = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") or "nothing"
    raise BundleError(
        f"{folder} is neither a bundle (bundle.json is missing) nor a checkpoint that is known; it "
        f"holds {shown}",
        f"`zoo list` shows the models by name; known checkpoints: {'; '.join(LAYOUTS.values())}",
    )
