"""The files that hold a bundle's weights, and the one hash by which weights are known.

Small weights are one file, model.safetensors. Larger ones are split as Hugging Face splits them:
model-00001-of-00003.safetensors and so on, and model.safetensors.index.json, which says where each
tensor lies.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors")


def name(stem: str, number: int, total: int) -> str:
    """Return the name of a shard; they are counted from 1."""
    return f"{stem}-{number:05}-of-{total:05}.safetensors"


def of(listed: Iterable[str], stem: str = "model") -> list[str]:
    """Return the files that hold the weights of a bundle, in order, whether listed or not.

    Args:
        listed: the names of the bundle's files. One shard among them tells how many there must be.
    """
    listed = sorted(listed)
    found = [match for match in map(_SHARD.fullmatch, listed) if match and match[1] == stem]
    if f"{stem}.safetensors" in listed or not found:
        return [f"{stem}.safetensors"]
    total = int(found[0][3])
    return [name(stem, number, total) for number in range(1, total + 1)]


def entry(listed: Iterable[str]) -> str:
    """Return the file that a bundle's weights are read from: the only one, or the index."""
    return WEIGHTS if of(listed) == [WEIGHTS] else INDEX


def hash_of(hashes: Mapping[str, str]) -> str | None:
    """Return the hash by which a bundle's weights are known, None if one of a file is missing.

    That of a single file is its own sha256. That of shards is what
    `sha256sum model-*-of-*.safetensors | sha256sum` prints: the sha256 of a line for each shard,
    its sha256, two spaces and its name.

    Args:
        hashes: the sha256 of each file, by name; those of other files are ignored.
    """
    names = of(hashes)
    if any(each not in hashes for each in names):
        return None
    if len(names) == 1 and names[0] == WEIGHTS:
        return hashes[WEIGHTS]
    lines = "".join(f"{hashes[each]}  {each}\n" for each in names)
    return hashlib.sha256(lines.encode()).hexdigest()
