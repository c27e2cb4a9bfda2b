"""Many texts through a model: few static shapes, and a bar that shows how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from zoo.errors import InputError
from zoo.progress import Bar

# A batch is padded to the next of these lengths and numbers of rows: few shapes, few compilings.
LENGTHS = (8, 16, 32, 64, 128, 256, 512)
ROWS = (1, 8, 32, 128, 512)


def listed(texts: Any) -> tuple[bool, list[str]]:
    """Return whether it is one text, and a list of texts.

    Raises:
        InputError: it is neither a text nor a list of texts.
    """
    if isinstance(texts, str):
        return True, [texts]
    if isinstance(texts, (bytes, Mapping)) or not isinstance(texts, Iterable):
        raise InputError(f"{type(texts).__name__} is no text", "give a text or a list of texts")
    found = list(texts)
    for number, text in enumerate(found, start=1):
        if not isinstance(text, str):
            raise InputError(f"text {number} is {type(text).__name__}, not text", "convert it")
    return False, found


def bucket(value: int, buckets: Sequence[int]) -> int:
    """Return the smallest bucket that holds the value; beyond the last, multiples of it."""
    fitting = [each for each in buckets if each >= value]
    return fitting[0] if fitting else -(-value // buckets[-1]) * buckets[-1]


def padded(rows: Sequence[Sequence[int]], length: int, padding: int) -> np.ndarray:
    """Return rows of ids as int32 [rows, length], filled up on the right."""
    array = np.full((len(rows), length), padding, dtype=np.int32)
    for row, ids in zip(array, rows, strict=True):
        row[: len(ids)] = ids
    return array


def with_progress(batches: Sequence[np.ndarray], wanted: bool) -> Iterator[np.ndarray]:
    """Go through batches, with a bar of texts on stderr if that is a terminal."""
    if not wanted or len(batches) < 2:
        yield from batches
        return
    with Bar("reading", sum(map(len, batches))) as bar:
        done = 0
        for part in batches:
            yield part
            done += len(part)
            bar.show(done)
