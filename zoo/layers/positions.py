"""Sinusoidal position tables (vaswani2017, section 3.5), in the layouts that checkpoints use."""

from __future__ import annotations

import numpy as np

LAYOUTS = ("interleaved", "halves", "tensor2tensor")


def sinusoid(length: int, width: int, layout: str = "interleaved", first: int = 0) -> np.ndarray:
    """Return the position table, float32 of shape [length, width].

    PE(pos, 2i) = sin(pos / 10000^(2i/width)) and PE(pos, 2i+1) = cos(the same).

    Args:
        layout: "interleaved" alternates sines and cosines, as the paper writes it; "halves" has
            all sines, then all cosines, as Marian does; "tensor2tensor" has halves of the
            frequencies 1 / 10000^(i / (width/2 - 1)), as tensor2tensor and fairseq do, and pads an
            odd width with a column of zeros.
        first: pos of the first row.

    Raises:
        ValueError: another layout.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"positions must be one of {', '.join(LAYOUTS)}, not {layout!r}")
    position = np.arange(first, first + length, dtype=np.float64)[:, None]
    exponent = np.arange(0, width, 2, dtype=np.float64) / width
    if layout == "tensor2tensor":
        half = width // 2
        exponent = np.arange(half, dtype=np.float64) / max(half - 1, 1)
    angle = position * 10000.0**-exponent  # [length, ceil(width / 2)], or width // 2
    sines, cosines = np.sin(angle), np.cos(angle[:, : width // 2])
    if layout == "interleaved":
        table = np.empty((length, width), dtype=np.float32)
        table[:, 0::2] = sines
        table[:, 1::2] = cosines
        return table
    halves = np.concatenate([sines, cosines], axis=1).astype(np.float32)
    return np.pad(halves, [(0, 0), (0, width - halves.shape[1])])
