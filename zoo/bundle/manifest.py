"""The manifest of a bundle: its files, with their lengths and sha256."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from zoo.bundle.tensors import Tensors
from zoo.config import shards
from zoo.config.shards import WEIGHTS
from zoo.errors import BundleError
from zoo.files import is_plain, sha256
from zoo.version import __version__

# 1 knows one file of weights in 16 or 32 bits, 2 shards and 8 bits too. A bundle names the least
# that reads it.
FORMAT = 2
MANIFEST = "bundle.json"
REQUIRED = ("recipe.toml", WEIGHTS)
EDITABLE = ("README.md", "LICENSE")

_AGAIN = "fetch or copy the bundle again, or restore it with `git checkout`"
_HOLDS = (
    f"a bundle holds {MANIFEST}, {', '.join(REQUIRED)} and a tokenizer; "
    "`zoo list` shows the models that have names"
)


def verify(folder: str | os.PathLike[str]) -> None:
    """Check that a folder is a bundle and that its files are unchanged.

    Raises:
        BundleError: the folder is not a bundle (naming the missing file) or one of a newer format
            (saying what to install), a file is truncated or altered, or a name leaves the folder.
    """
    with verifying(Path(folder)):
        pass


@contextlib.contextmanager
def verifying(folder: Path) -> Iterator[dict[str, str]]:
    """Verify a folder, hashing the weights, the longest part, beside the block.

    Yields the sha256 that each file should have. Raises what `verify` raises, at the end of the
    block if the weights were altered.
    """
    files = read(folder)["files"]
    weights = shards.of(files)
    for name in ("recipe.toml", *weights, shards.entry(files)):
        if name not in files:
            raise BundleError(f"{folder} is no bundle: {name} is missing", _HOLDS)
    for name, facts in files.items():
        if name.endswith(".safetensors") and name not in weights:
            raise BundleError(f"{folder} holds {name} beside {weights[0]}", _AGAIN)
        _check_length(folder / name, facts["bytes"])
    with ThreadPoolExecutor(1) as beside:
        checked = [
            beside.submit(_check_hash, folder / name, files[name]["sha256"]) for name in weights
        ]
        for name in set(files) - set(weights):
            _check_hash(folder / name, files[name]["sha256"])
        yield {name: facts["sha256"] for name, facts in files.items()}
        for each in checked:
            each.result()


def _check_length(path: Path, length: int) -> None:
    if not path.is_file():
        raise BundleError(f"{path.parent} is not complete: {path.name} is missing", _AGAIN)
    size = path.stat().st_size
    if size != length:
        state = "truncated" if size < length else "altered"
        raise BundleError(f"{path} is {state}: {size:,} bytes instead of {length:,}", _AGAIN)


def _check_hash(path: Path, expected: str) -> None:
    if sha256(path) != expected:
        raise BundleError(f"{path} was altered since the bundle was written", _AGAIN)


def names(folder: Path) -> list[str]:
    """Return the files that a bundle's manifest lists; raise BundleError as `verify` does."""
    return list(read(folder)["files"])


def weights_hash(folder: Path) -> str:
    """Return the hash of a bundle's weights by its manifest; see `zoo.config.shards.hash_of`."""
    files = read(folder)["files"]
    known = shards.hash_of({name: facts["sha256"] for name, facts in files.items()})
    if known is None:
        raise BundleError(f"{folder} is no bundle: its weights are not complete", _HOLDS)
    return known


def read(folder: Path) -> dict[str, Any]:
    """Return a manifest; raise BundleError unless it is one of a known format."""
    if not folder.is_dir():
        raise BundleError(f"there is no folder {folder}", "`zoo list` shows the models by name")
    if not (folder / MANIFEST).is_file():
        raise BundleError(f"{folder} is no bundle: {MANIFEST} is missing", _HOLDS)
    manifest = read_json(folder / MANIFEST)
    number, files = manifest.get("format"), manifest.get("files")
    if isinstance(number, int) and number > FORMAT:
        raise BundleError(
            f"{folder} has bundle format {number}, written by paperzoo {manifest.get('paperzoo')}; "
            f"this paperzoo reads formats up to {FORMAT}",
            f'pip install --upgrade "paperzoo>={manifest.get("paperzoo")}"',
        )
    well_formed = isinstance(files, dict) and all(
        isinstance(facts, dict) and isinstance(facts.get("bytes"), int) and "sha256" in facts
        for facts in files.values()
    )
    if not isinstance(number, int) or not well_formed:
        raise BundleError(f"{folder / MANIFEST} is not a bundle manifest", "fetch the bundle again")
    for name in files or ():
        plain(name, folder)
    return manifest


def write(folder: Path) -> None:
    """Write the manifest of a folder that is complete otherwise."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.iterdir())
        if path.name not in EDITABLE
    }
    weights = shards.entry(files)
    quantized = Tensors(folder / weights).quantized
    number = FORMAT if quantized or weights != WEIGHTS else 1
    said = {"dtype": "int8"} if quantized else {}
    manifest = {"format": number, "paperzoo": __version__, **said, "files": files}
    (folder / MANIFEST).write_text(to_json(manifest), encoding="utf-8", newline="\n")


def plain(name: str, folder: Path) -> str:
    """Return a file name; raise BundleError if it leaves the folder."""
    if not is_plain(name):
        raise BundleError(
            f"{folder / MANIFEST} names a file '{name}', which is not inside the bundle",
            "do not use this bundle: ask its author",
        )
    return name


def read_json(path: Path) -> dict[str, Any]:
    """Return the table in a JSON file, {} if it is missing or holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise BundleError(f"{path} is not valid JSON", "fetch the bundle again") from error
    return content if isinstance(content, dict) else {}


def to_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
