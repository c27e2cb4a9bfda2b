"""Many texts through a model: few static shapes, and a bar that shows how far it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from zoo.progress import Bar

# A batch is padded to the next of these lengths and numbers of rows: few shapes, few compilings.
LENGTHS = (8, 16, 32, 64, 128, 256, 512)
ROWS = (1, 8, 32, 128, 512)


def bucket(value: int, buckets: Sequence[int]) -> int:
    """Return the smallest bucket that holds the value; beyond the last, multiples of it."""
    fitting = [each for each in buckets if each >= value]
    return fitting[0] if fitting else -(-value // buckets[-1]) * buckets[-1]


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
