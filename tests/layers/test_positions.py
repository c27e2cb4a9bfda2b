"""The sinusoids against the formulas of section 3.5, one number at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoo.layers.positions import sinusoid


@pytest.mark.parametrize("width", [2, 6, 7, 16])
@pytest.mark.parametrize("layout", ["interleaved", "halves"])
def test_every_number_is_the_formulas(width, layout):
    table = sinusoid(40, width, layout)
    assert table.shape == (40, width)
    assert table.dtype == np.float32
    sines = math.ceil(width / 2)
    for position in range(40):
        for i in range(width):
            angle = position / 10000 ** ((i - i % 2) / width)
            value = math.cos(angle) if i % 2 else math.sin(angle)
            column = i if layout == "interleaved" else i // 2 + (sines if i % 2 else 0)
            assert table[position, column] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("width", [2, 6, 7, 16])
def test_every_number_is_tensor2tensors(width):
    """exp(-i log(10000) / (width/2 - 1)), all sines first, from any position on."""
    table = sinusoid(40, width, "tensor2tensor", first=2)
    half = width // 2
    for row in range(40):
        for i in range(half):
            angle = (row + 2) * math.exp(-i * math.log(10000) / max(half - 1, 1))
            assert table[row, i] == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[row, half + i] == pytest.approx(math.cos(angle), abs=1e-6)
        assert not table[row, 2 * half :].any()


@pytest.mark.parametrize("layout", ["interleaved", "halves", "tensor2tensor"])
def test_the_first_row_may_be_any_position(layout):
    np.testing.assert_array_equal(sinusoid(6, 8, layout, first=3), sinusoid(9, 8, layout)[3:])


def test_a_shift_is_a_rotation():
    """PE(pos + k) is a linear function of PE(pos), the paper's reason for sinusoids."""
    width, shift = 8, 5
    table = sinusoid(50, width).astype(np.float64)
    angle = shift * 10000.0 ** (-np.arange(0, width, 2) / width)
    sines, cosines = table[:-shift, 0::2], table[:-shift, 1::2]
    expected = sines * np.cos(angle) + cosines * np.sin(angle)
    np.testing.assert_allclose(table[shift:, 0::2], expected, atol=1e-5)


def test_an_unknown_layout_is_refused():
    with pytest.raises(ValueError, match="interleaved, halves, tensor2tensor, not 'marian'"):
        sinusoid(4, 4, "marian")
