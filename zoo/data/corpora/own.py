"""A user's own corpus: a file of training examples, or a folder with a file for each split.

`zoo.data.readers` lists the kinds of files; in a folder a translator's split may also be one file a
language, as in train.de and train.en.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from zoo.config.recipe import Data
from zoo.config.settings import EXAMPLES
from zoo.data.corpora.parallel import Parallel
from zoo.data.examples import Example, drawn, split
from zoo.data.readers import find
from zoo.errors import DataError

# The names that files of the zoo's splits may have.
NAMES = {
    "train": ("train",), "valid": ("valid", "validation", "val", "dev"), "test": ("test",),
}  # fmt: skip
HELD_OUT = "validation"


def has(data: Data, name: str) -> bool:
    """Return whether the corpus has files of a split."""
    return bool(_files(data, _path(data), name))


def load(
    read: Callable[[Path], list[Example]],
    data: Data,
    name: str,
    *,
    seed: int,
    folder: Path | None = None,
    noun: str = "text",
) -> list[Example]:
    """Load the examples of one split: "train", "valid" or "test", or the name of a file.

    Without a file of validation examples, the share `data.validation` of the training examples is
    held out. `data.limit` keeps a random sample of the training examples.

    Args:
        read: reads the examples of a file.
        folder: another place of the corpus.
        noun: the name of an input in messages.

    Raises:
        DataError: there is no such file or split, or `read` fails.
    """
    path = folder or _path(data)
    name = next((split for split, names in NAMES.items() if name in names), name)
    from_train = name == "valid" and not _files(data, path, name)
    files = _files(data, path, "train" if from_train else name)
    if not files:
        raise DataError(
            f"{path} has no split '{name}'",
            f"put a file {name}.tsv, .csv, .jsonl or .txt into that folder",
        )
    rows = _pairs(data, path, files) if len(files) > 1 else read(files[0])
    if name == "train" or from_train:
        if data.limit is not None and data.limit < len(rows):
            classes = [
                wanted if data.labels and isinstance(wanted, str) else "" for _, wanted in rows
            ]
            rows = [rows[i] for i in drawn(classes, data.limit, seed)]
        if not _files(data, path, "valid"):
            rows = split(rows, data.validation, seed, noun)[from_train]
    return rows


def _path(data: Data) -> Path:
    path = data.path
    assert path is not None, "the corpus is a user's own"
    if not path.exists():
        raise DataError(
            f"there is no corpus {path}",
            "give, as data or --data, the path of a file of examples, or of a folder with train, "
            "valid and test",
        )
    return path


def _files(data: Data, path: Path, name: str) -> Sequence[Path]:
    """Return the file of a split, its two files, or nothing."""
    if path.is_file():
        return [path] if name == "train" else []
    for stem in NAMES.get(name, (name,)):
        for ending in EXAMPLES:
            if (file := find(path, stem + ending)) is not None:
                return [file]
        sides = [find(path, f"{stem}.{side}") for side in (data.source, data.target) if side]
        if len(sides) == 2 and all(sides):
            return [side for side in sides if side is not None]
    return []


def _pairs(data: Data, path: Path, files: Sequence[Path]) -> list[Example]:
    """Read a file for each of two languages, without the pairs that have an empty side."""
    stem = files[0].name.partition(".")[0]
    pairs = Parallel().read_folder(path, stem, data)
    return [pair for pair in pairs if all(map(str.strip, pair))]
