"""Many texts through a model: few static shapes, and a bar that shows how far it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np

# A batch is padded to the next of these lengths and numbers of rows: few shapes, few compilings.
LENGTHS = (8, 16, 32, 64, 128, 256, 512)
ROWS = (1, 8, 32, 128, 512)


def bucket(value: int, buckets: Sequence[int]) -> int:
    """Return the smallest bucket that holds the value; beyond the last, multiples of it."""
    fitting = [each for each in buckets if each >= value]
    return fitting[0] if fitting else -(-value // buckets[-1]) * buckets[-1]


def with_progress(batches: Sequence[np.ndarray], wanted: bool) -> Iterator[np.ndarray]:
    """Go through batches, with a bar of texts on stderr if that is a terminal."""
    if not wanted or len(batches) < 2 or not sys.stderr.isatty():
        yield from batches
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("reading", total=sum(len(part) for part in batches))
        for part in batches:
            yield part
            bar.advance(shown, len(part))
