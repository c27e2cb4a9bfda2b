"""Check everything again, whatever earlier checks found: the package's bundles and the cache."""

from __future__ import annotations

import dataclasses
import os

from zoo import bundle
from zoo.config import catalog
from zoo.errors import BundleError, HubError, counted
from zoo.hub import client, download, names, records


def everything() -> list[str]:
    """Return references of all local weights: the package's own and downloaded ones."""
    packaged = [
        f"{name}.{tag}"
        for name in catalog.names()
        for tag, weights in catalog.entry(name).weights.items()
        if catalog.is_here(weights)
    ]
    return packaged + [f"{names.PREFIX}{x.repo}@{x.commit}" for x in records.every()]


def verify(reference: str | os.PathLike[str]) -> str:
    """Read every file of a model again and describe the result in one line.

    Raises:
        UnknownName: no such paper or weights.
        BundleError: a bundle is damaged.
        HubError: downloaded files are damaged, and were set aside; or nothing was downloaded yet.
    """
    source = names.source(reference)
    if source is None:
        folder = catalog.find_bundle(reference)
        bundle.verify(folder)
        return f"{reference}: {counted(len(bundle.names(folder)), 'file')} as its manifest says"
    commit = source.commit or records.last_commit(source.repo, source.mark)
    record = records.read(source.repo, commit) if commit else None
    if record is None:
        raise HubError(
            f"{source.name} was not fetched yet", f"`zoo download {source.name}` fetches it"
        )
    if source.sha256:
        pinned = {name: client.File(sha256=sha256) for name, sha256 in source.sha256.items()}
        record = dataclasses.replace(record, files=pinned, pinned=True)
    problems = download.check_again(record)
    if record.converted.is_dir():
        try:
            bundle.verify(record.converted)
        except BundleError as error:
            aside = download.set_aside(record.converted)
            problems.append(f"{error.message}; it was set aside as {aside}")
    if problems:
        raise HubError(
            "\n".join(problems), f"`zoo download {source.name}` fetches what is missing again"
        )
    by = "the registry says" if record.pinned else "the hub reported: not pinned"
    return f"{source.name}: {counted(len(record.files), 'file')} as {by}"
