"""What a model remembers of a text that sees its last words only: the end of a row of tensors."""

from __future__ import annotations

from typing import Any

from keras import ops

from zoo import typed


def last(past: Any, x: Any, lengths: Any = None) -> Any:
    """Return the last steps of the past and x together, float32, as many as the past has.

    Args:
        past: [batch, reach, ...], reach at least 1.
        x: [batch, time, ...], what came after it.
        lengths: int32 [batch], steps of x that are real, its first ones; None is all of them.
    """
    reach = past.shape[1]
    both = ops.concatenate([ops.cast(past, "float32"), ops.cast(x, "float32")], axis=1)
    if lengths is None:
        return both[:, -reach:]
    places = ops.expand_dims(lengths, 1) + typed.arange(reach)[None]  # [batch, reach]
    return ops.take_along_axis(both, ops.reshape(places, (-1, reach, *[1] * len(x.shape[2:]))), 1)


def prompt(inputs: Any) -> tuple[Any, Any] | None:
    """Return a prompt except its last token, and how many tokens of each row are real.

    The tokens are int32 [batch, time - 1], the real ones of each row first and zeros after them;
    the lengths int32 [batch], or None if all are real. A prompt of one token gives None.

    Args:
        inputs: "tokens", int32 [batch, time], padded on the left; "lengths", int32 [batch], the
            real tokens of each row, by default all.
    """
    tokens = inputs["tokens"]
    time = ops.shape(tokens)[1]
    if isinstance(time, int) and time <= 1:
        return None
    if "lengths" not in inputs:
        return tokens[:, :-1], None
    tokens, lengths, time = tokens[:, :-1], inputs["lengths"] - 1, time - 1
    places = typed.arange(time)[None] + ops.expand_dims(time - lengths, 1)  # [batch, time]
    moved = ops.take_along_axis(tokens, ops.minimum(places, time - 1), axis=1)
    return typed.where(places < time, moved, 0), lengths
