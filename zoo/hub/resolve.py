"""Find trained weights and their tokenizers by any reference of `zoo.load`, without a model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from zoo import bundle, convert, hub
from zoo.hub import converted
from zoo.text import Tokenizer, load_tokenizers


def folder(reference: str | os.PathLike[str]) -> Path:
    """Return the folder of trained weights: a bundle, or another library's checkpoint of the user.

    Weights on the hub are downloaded and converted.

    Raises:
        UnknownName, BundleError: no weights of that name.
        HubError: the download fails, or brings something other than expected.
    """
    return converted.bundle_of(hub.find(reference))


def tokenizers(reference: str) -> tuple[Tokenizer, Tokenizer]:
    """Return the source's and the target's tokenizer; raises what `folder` and `zoo.load` do."""
    path = folder(reference)
    if bundle.is_bundle(path):
        return load_tokenizers(bundle.read(path).folder)
    return convert.read(path).tokenizers


def weights(reference: str) -> tuple[dict[str, np.ndarray], Tokenizer]:
    """Return float32 arrays by name, and the source's tokenizer; raises what `tokenizers` does."""
    path = folder(reference)
    if bundle.is_bundle(path):
        stored = bundle.read(path)
        return bundle.read_weights(stored.weights), load_tokenizers(stored.folder)[0]
    checkpoint = convert.read(path)
    return checkpoint.weights, checkpoint.tokenizers[0]
