"""The Hugging Face hub: models found by name, fetched, checked, kept; bundles published.

names       what a name, "hf://user/repo@revision" or a path means
client      huggingface_hub, with every failure told in one message
records     what was fetched and checked, in our own folder of the cache
download    a repository's files, fetched and checked
converted   other libraries' checkpoints as bundles, made once
verify      everything checked again
cache       what lies in the cache, and deleting it
pin         a revision and hashes written into the registry
publish     a bundle sent

Importing any of these imports neither Keras nor huggingface_hub.
"""

from __future__ import annotations

import os
from pathlib import Path

from zoo.config import catalog
from zoo.hub import names


def find(reference: str | os.PathLike[str]) -> Path:
    """Return the folder of "name", "name.tag", "hf://user/repo@revision" or a path.

    What is on the hub is fetched and checked if it is not here already; a folder of the user's
    own and weights that come with the package are not looked at.

    Raises:
        UnknownName: there is no such paper or weights.
        BundleError: the folder is not there, or a repository's bundle cannot be used.
        HubError: what is asked for cannot be fetched, or is not what it should be.
    """
    source = names.source(reference)
    if source is None:
        return catalog.find_bundle(reference)

    from zoo.hub import download

    return download.fetch(source)
