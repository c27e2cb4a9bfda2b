"""Sinusoidal position tables (vaswani2017, section 3.5), in the layouts that checkpoints use."""

from __future__ import annotations

import numpy as np

LAYOUTS = ("interleaved", "halves")


def sinusoid(length: int, width: int, layout: str = "interleaved") -> np.ndarray:
    """Return the position table, float32 of shape [length, width].

    PE(pos, 2i) = sin(pos / 10000^(2i/width)) and PE(pos, 2i+1) = cos(the same).

    Args:
        layout: "interleaved" alternates sines and cosines, as the paper writes it; "halves" has
            all sines first and all cosines after, as Marian does.

    Raises:
        ValueError: if the layout is not one of these two.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"positions must be one of {', '.join(LAYOUTS)}, not {layout!r}")
    position = np.arange(length, dtype=np.float64)[:, None]
    frequency = 10000.0 ** (-np.arange(0, width, 2, dtype=np.float64) / width)
    angle = position * frequency  # [length, ceil(width / 2)]
    sines, cosines = np.sin(angle), np.cos(angle[:, : width // 2])
    if layout == "halves":
        return np.concatenate([sines, cosines], axis=1).astype(np.float32)
    table = np.empty((length, width), dtype=np.float32)
    table[:, 0::2] = sines
    table[:, 1::2] = cosines
    return table
