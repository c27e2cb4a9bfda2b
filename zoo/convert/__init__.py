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

# Modules with `recognises(path)` and `read(path)`, and what they read.
LAYOUTS = {
    "zoo.convert.openai_gpt": "OpenAI GPT as transformers or OpenAI wrote it",
    "zoo.convert.opus_mt": "OPUS-MT as transformers wrote it",
    "zoo.convert.fastai": "fast.ai's wt103 with itos_wt103.pkl",
    "zoo.convert.nematus": "Nematus' model.npz with options and dictionaries",
    "zoo.convert.fairseq": "fairseq's model.pt with dictionaries",
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


def read(path: Path) -> Converted:
    """Read a folder that another library wrote, or the one of its checkpoints that a file is.

    Raises:
        BundleError: no layout that is known; or a known one with something missing, surplus, of
            another shape or unsafe to read.
    """
    for name in LAYOUTS:
        module: ModuleType = importlib.import_module(name)
        if module.recognises(path):
            found: Converted = module.read(path)
            return found
    if path.is_file():
        what = "is no checkpoint that is known; a checkpoint is a folder as a rule"
    else:
        names = sorted(each.name for each in path.iterdir())
        shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") or "nothing"
        what = "is neither a bundle (bundle.json is missing) nor a checkpoint that is known; it "
        what += f"holds {shown}"
    raise BundleError(
        f"{path} {what}",
        f"`zoo list` shows the models by name; known checkpoints: {'; '.join(LAYOUTS.values())}",
    )
