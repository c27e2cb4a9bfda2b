"""The Hugging Face hub: find models by name, download and check them, and publish bundles.

names       the meaning of a name, "hf://user/repo@revision" or a path
client      huggingface_hub, with one message for each failure
records     what was downloaded and checked, in our own folder of the cache
download    download and check a repository's files
converted   other libraries' checkpoints as bundles, converted once
verify      check everything again
cache       list and delete the content of the cache
pin         write a revision and hashes into the registry
publish     upload a bundle

Importing these modules imports neither Keras nor huggingface_hub.
"""

from __future__ import annotations

import os
from pathlib import Path

from zoo.config import catalog
from zoo.hub import names


def find(reference: str | os.PathLike[str]) -> Path:
    """Return the folder of "name", "name.tag", "hf://user/repo@revision" or a path.

    A repository of the hub is downloaded and checked unless that was done before; the user's own
    folders and the package's weights are not checked.

    Raises:
        UnknownName: no such paper or weights.
        BundleError: the folder is missing, or a repository's bundle cannot be used.
        HubError: the download fails, or brings something other than expected.
    """
    source = names.source(reference)
    if source is None:
        return catalog.find_bundle(reference)
    from zoo.hub import download

    return download.fetch(source)
