"""The largest of many logits."""

from __future__ import annotations

from keras import ops

from zoo import typed

BLOCK = 64  # logits in a block


def largest(logits, k: int):
    """Return the k largest of logits [rows, vocabulary] and their indices, each [rows, k].

    The k largest lie in the k blocks with the largest maxima. Selecting these blocks first is
    several times faster than a search of all pieces, which costs as much as the model's layers.
    """
    rows, vocabulary = ops.shape(logits)
    blocks = vocabulary // BLOCK
    if blocks <= 4 * k:
        return ops.top_k(logits, k)
    inside = ops.reshape(logits[:, : blocks * BLOCK], (rows, blocks, BLOCK))
    _, block = ops.top_k(ops.max(inside, axis=-1), k)  # [rows, k]
    candidates = ops.take_along_axis(inside, block[:, :, None], axis=1)
    candidates = ops.reshape(candidates, (rows, k * BLOCK))
    pieces = ops.reshape(block[:, :, None] * BLOCK + typed.arange(BLOCK), (rows, k * BLOCK))
    if blocks * BLOCK < vocabulary:
        rest = typed.arange(blocks * BLOCK, vocabulary)[None]
        rest = ops.broadcast_to(rest, (rows, vocabulary % BLOCK))
        candidates = ops.concatenate([candidates, logits[:, blocks * BLOCK :]], axis=1)
        pieces = ops.concatenate([pieces, rest], axis=1)
    found, index = ops.top_k(candidates, k)
    return found, ops.take_along_axis(pieces, index, axis=1)
