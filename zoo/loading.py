"""Load trained models: by name, from a folder or the hub, from another library's checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

from zoo import bundle, convert, keeping, starting
from zoo.errors import UnknownName
from zoo.hub import resolve
from zoo.pretrained import Pretrained
from zoo.text import load_tokenizers


def load(
    reference: str | os.PathLike[str], dtype: str | None = None, *, found: Path | None = None
) -> Pretrained:
    """Load a trained model; see `zoo.load`.

    Args:
        reference: see `zoo.hub.find`; a folder or repository may also be a checkpoint of another
            library that zoo.convert knows.
        found: what `zoo.hub.find` gave for it; None looks again.
    """
    if not isinstance(reference, (str, os.PathLike)):
        raise UnknownName(
            f"{reference!r} is neither a model's name nor a folder", "zoo.models() gives the names"
        )
    if dtype is not None:
        bundle.check_dtype(dtype)
    bundle.recover(Path(reference).expanduser())
    folder = resolve.folder(reference if found is None else found)
    if not bundle.is_bundle(folder):  # a user's own checkpoint, which is not cached
        converted = convert.read(folder)
        starting.import_keras()
        model = bundle.model_with(converted.weights, converted.recipe, dtype)
        at = keeping.Origin.of(model, folder.resolve())
        return Pretrained(model, converted.recipe, converted.tokenizers, origin=at)
    with bundle.reading(folder) as read:  # hashes the weights while Keras is imported
        tokenizers = load_tokenizers(read.folder)
        starting.import_keras()
    return Pretrained(
        bundle.build_model(read, dtype), read.recipe, tokenizers,
        metrics=read.metrics, golden=read.golden, history=read.history,
        origin=keeping.Origin(read.sha256, keeping.place(reference, folder)),
    )  # fmt: skip
