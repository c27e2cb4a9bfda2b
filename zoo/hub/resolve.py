"""Trained weights and their tokenizers by any reference that `zoo.load` takes, without a model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from zoo import bundle, convert, hub
from zoo.hub import converted
from zoo.text import Tokenizer, load_tokenizers


def folder(reference: str | os.PathLike[str]) -> Path:
    """Return the folder of trained weights, fetched and converted if they are on the hub.

    It is a bundle, or a checkpoint of another library that the user has.

    Raises:
        UnknownName, BundleError: there are none of that name.
        HubError: they are on the hub and cannot be fetched, or are not what they should be.
    """
    return converted.bundle_of(hub.find(reference))


def tokenizers(reference: str) -> tuple[Tokenizer, Tokenizer]:
    """Return the source's and the target's tokenizer; raises what `folder` and `zoo.load` do."""
    found = folder(reference)
    if bundle.is_bundle(found):
        return load_tokenizers(bundle.read(found).folder)
    return convert.read(found).tokenizers


def weights(reference: str) -> tuple[dict[str, np.ndarray], Tokenizer]:
    """Return float32 arrays by name, and the source's tokenizer; raises what `tokenizers` does."""
    found = folder(reference)
    if bundle.is_bundle(found):
        read = bundle.read(found)
        return bundle.read_weights(read.weights), load_tokenizers(read.folder)[0]
    made = convert.read(found)
    return made.weights, made.tokenizers[0]
