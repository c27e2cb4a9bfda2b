"""Matrices in 8 bits: w = q s, with whole numbers q from -127 to 127 and one scale s for each row.

Which way rows run, each matrix decides by itself: along the axis that loses less, in squared error.
Neither way is better for all. The root mean square of the error is, in percent of the weights':

                         each column   each row   what loses less
    MiniLM                  0.91         0.97          0.83
    bahdanau2015            0.78         0.84          0.72
    gpt1                    0.79         0.86          0.74
    ulmfit2018              0.78         0.83          0.71

where a column is all that goes into one output of a dense layer, and a row one word of an embedding
(MiniLM's are turned: PyTorch's layers hold [outputs, inputs]). An embedding loses less by its words
(0.73 and not 1.11 in MiniLM), unless a few of its columns are much larger (1.66 and not 0.59 in
gpt1); a layer that narrows, such as the second of a Transformer's block, by its inputs.

A scale keeps 17 of the 24 bits of a float32, so that q s is exact in float32. Its largest q is 127
or -127: quantizing what was read back gives the same numbers again.
"""

from __future__ import annotations

import numpy as np

# Numbers of a matrix from which on it is worth 8 bits.
SMALLEST = 4096
# Numbers of a row from which on its scale costs little: at most an eighth of the row.
SHORTEST = 32
LARGEST = 127
DROPPED = 24 - 17  # bits of a scale
TINY = np.finfo(np.float32).tiny


def is_matrix(array: np.ndarray) -> bool:
    """Return whether a weight is stored in 8 bits; vectors and small matrices are not."""
    return array.ndim >= 2 and array.size >= SMALLEST and array.dtype.kind in "fV"


def quantized(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 numbers, and float32 scales of which the axis that rows run along has length 1.

    Every weight comes back with an error of at most half its row's scale. Rows of zeros stay zeros.

    Args:
        matrix: finite float32 numbers, of two axes or more.
    """
    least, best = np.inf, None
    largest = np.maximum(np.abs(matrix).max(), TINY)  # so that no square is 0 or infinite
    for axis in _axes(matrix):
        scales = _scales(np.abs(matrix).max(axis, keepdims=True))
        numbers = np.rint(matrix / scales)
        lost = (numbers * scales - matrix) / largest
        error = float(np.square(lost).sum(dtype=np.float64))
        if error < least:
            least, best = error, (numbers.astype(np.int8), scales)
    assert best is not None
    return best


def dequantized(numbers: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return the float32 weights of int8 numbers and their scales; the product is exact."""
    weights = numbers.astype(np.float32)
    weights *= scales
    return weights


def _axes(matrix: np.ndarray) -> list[int]:
    """Return the axes that rows may run along: the long ones, or the longest."""
    long = [axis for axis, length in enumerate(matrix.shape) if length >= SHORTEST]
    return long or [int(np.argmax(matrix.shape))]


def _scales(largest: np.ndarray) -> np.ndarray:
    """Return scales for rows whose largest numbers have those absolute values."""
    bits = (largest / np.float32(LARGEST)).astype(np.float32).view(np.uint32)
    half, mask = np.uint32(1 << (DROPPED - 1)), np.uint32(~((1 << DROPPED) - 1) & 0xFFFFFFFF)
    scales: np.ndarray = ((bits + half) & mask).view(np.float32)
    return np.maximum(scales, TINY)
