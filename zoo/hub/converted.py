"""Checkpoints of other libraries as bundles, made once and kept in the cache."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from zoo import bundle, convert
from zoo.errors import BundleError, HubError
from zoo.hub import records


def bundle_of(folder: Path) -> Path:
    """Return the bundle of a checkpoint that `download.fetch` returned, made now if need be.

    Weights keep 32 bits. It belongs to a commit and a version of this package, so that neither a
    moved branch nor a mended converter is answered with an old one. A folder that is a bundle, or
    that was not fetched from the hub, is returned as it is.

    Raises:
        BundleError: the checkpoint cannot be read.
        HubError: the bundle cannot be written.
    """
    if bundle.is_bundle(folder):
        return folder
    record = records.of(folder)
    if record is None:
        return folder
    with records.lock(record.repo):
        if not record.converted.is_dir():
            _convert(record)
    return record.converted


def _convert(record: records.Record) -> None:
    with tempfile.TemporaryDirectory() as aside:
        # Only files that were checked are read: another program may have put more beside them.
        for name in record.files:
            _link(record.folder / name, Path(aside) / name)
        found = convert.read(Path(aside))
        try:
            bundle.write(
                record.converted,
                model=found.weights,
                recipe=found.recipe,
                tokenizers=found.tokenizers,
                dtype="float32",
            )
        except BundleError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            raise HubError(
                f"the bundle made of {record.repo} cannot be kept: {error.message}",
                "free some space (`zoo cache` shows what lies there), or set HF_HOME to a folder "
                "that can be written",
            ) from error


def _link(path: Path, link: Path) -> None:
    try:
        os.symlink(path.resolve(), link)
    except OSError:  # Windows lets only some users make links
        shutil.copyfile(path, link)
