"""Run many texts through a model: batches of few static shapes, with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized
from typing import Any, TypeVar

import numpy as np
from keras import ops

from zoo import compiling
from zoo.data.encoded import padded
from zoo.decoding.search import Decoded
from zoo.progress import Bar

# A batch is padded to the next of these lengths and numbers of rows, so that few shapes compile.
LENGTHS = (8, 16, 32, 64, 128, 256, 512)
ROWS = (1, 8, 32, 128, 512)
# Finer, for sentences and windows whose words or pieces have logits: most are short.
FINER = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


def bucket(value: int, buckets: Sequence[int]) -> int:
    """Return the smallest bucket that holds the value; beyond the last, a multiple of it."""
    rounded_up = -(-value // buckets[-1]) * buckets[-1]
    return next((size for size in buckets if size >= value), rounded_up)


def by_length(lengths: Sequence[int], rows: int) -> list[list[int]]:
    """Return the places of inputs in batches of `rows` of similar length, the longest first."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    return [order[first : first + rows] for first in range(0, len(order), rows)]


def filled_up(batch: Sequence[Any], rows: int) -> list[Any]:
    """Return a batch with its last row again and again up to a number of rows that is compiled."""
    return [*batch, *[batch[-1]] * (min(bucket(len(batch), ROWS), rows) - len(batch))]


Some = TypeVar("Some", bound=Sized)


def with_progress(batches: Sequence[Some], progress: bool) -> Iterator[Some]:
    """Yield batches; `progress` counts their texts in a bar if stderr is a terminal."""
    if not progress or len(batches) < 2:
        yield from batches
        return
    with Bar("reading", sum(map(len, batches))) as bar:
        done = 0
        for batch in batches:
            yield batch
            done += len(batch)
            bar.show(done)


def read_by_length(
    run: Callable[[Any, Any, dict[str, Any]], Any],
    model: Any,
    texts: Sequence[np.ndarray],
    pad_id: int,
    rows: int,
    progress: bool,
    lengths: Sequence[int] = LENGTHS,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the place of each text and what the model gives for it, the longest first.

    Args:
        run: takes the model, None and {"tokens": int32 [rows, time]}; it is compiled.
        texts: int32 [ids] of each, padded on the right to one of `lengths`.
        rows: texts read together; their lengths are similar.
    """
    for batch in with_progress(by_length([len(ids) for ids in texts], rows), progress):
        chosen = filled_up([texts[i] for i in batch], rows)
        length = min(bucket(len(chosen[0]), lengths), model.context)
        arrays = {"tokens": padded(chosen, length, pad_id)}
        values = ops.convert_to_numpy(compiling.run(run, model, None, arrays))
        yield from zip(batch, values, strict=False)  # rows that fill up the batch are left out


def decode_by_length(
    decode: Callable[[int, np.ndarray, np.ndarray], Decoded],
    lengths: np.ndarray,
    limits: np.ndarray,
    batch_size: int,
    progress: bool,
) -> list[list[np.ndarray]]:
    """Decode inputs of similar length together; return the ids found for each, best first.

    Args:
        decode: decodes one batch: its number, the indices of its inputs, the limit of each.
        lengths: int [inputs].
        limits: most ids of each output, int [inputs].
    """
    order = np.argsort(-lengths, kind="stable")  # the longest first
    batches = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    outputs: list[list[np.ndarray]] = [[] for _ in lengths]
    for number, batch in enumerate(with_progress(batches, progress)):
        rows = min(bucket(len(batch), ROWS), batch_size)
        # Rows that only fill up the batch repeat the last one and stop after one step.
        indices = np.concatenate([batch, np.repeat(batch[-1:], rows - len(batch))])
        allowed = np.where(np.arange(rows) < len(batch), limits[indices], 1)
        decoded = decode(number, indices, allowed)
        for row, index in enumerate(batch):
            outputs[index] = list(decoded.ids[row][np.isfinite(decoded.scores[row])])
    return outputs
