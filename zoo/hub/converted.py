"""Convert other libraries' checkpoints to bundles once, and keep them in the cache."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from zoo import bundle, convert
from zoo.errors import BundleError, HubError
from zoo.hub import records


def bundle_of(folder: Path) -> Path:
    """Return the bundle of a checkpoint that `download.fetch` returned, converting it if missing.

    Weights keep 32 bits. The bundle belongs to a commit and a version of this package, so a moved
    branch or a corrected converter gets a new one. A bundle, or a folder that was not downloaded
    from the hub, is returned unchanged. Raises BundleError if the checkpoint cannot be read, and
    HubError if the bundle cannot be written.
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
        # Read only checked files: another program may have put more beside them.
        for name in record.files:
            _link(record.folder / name, Path(aside) / name)
        checkpoint = convert.read(Path(aside))
        try:
            bundle.write(
                record.converted, model=checkpoint.weights, recipe=checkpoint.recipe,
                tokenizers=checkpoint.tokenizers, dtype="float32",
            )  # fmt: skip
        except BundleError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            raise HubError(
                f"the bundle made of {record.repo} cannot be kept: {error.message}",
                "free some space (`zoo cache` shows what lies there), or set HF_HOME to a folder "
                "that can be written",
            ) from error


def _link(path: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.symlink(path.resolve(), link)
    except OSError:  # Windows lets only some users make links
        shutil.copyfile(path, link)
