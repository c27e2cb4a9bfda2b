"""Scaled dot-product attention against loops in plain NumPy (section 3.2)."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers.attention import MultiHeadAttention

WIDTH, HEADS = 12, 3


def made(**options) -> MultiHeadAttention:
    keras.utils.set_random_seed(0)
    layer = MultiHeadAttention(WIDTH, HEADS, **options)
    layer.build()
    random = np.random.default_rng(1)
    for variable in layer.trainable_weights:
        variable.assign(random.normal(size=variable.shape).astype("float32"))
    return layer


def arrays(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape) + shape[1]).normal(size=shape).astype("float32")


def linear(dense: keras.layers.Dense, x: np.ndarray) -> np.ndarray:
    made = x @ ops.convert_to_numpy(dense.kernel)
    return made + ops.convert_to_numpy(dense.bias) if dense.use_bias else made


def plain(layer: MultiHeadAttention, x, memory, mask) -> tuple[np.ndarray, np.ndarray]:
    """softmax(Q K^T / sqrt(d_k)) V for one head after another: output and weights."""
    size = WIDTH // HEADS
    queries, keys = linear(layer.query, x), linear(layer.key, memory)
    values = linear(layer.value, memory)
    heads, all_weights = [], []
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        scores = queries[:, :, part] @ keys[:, :, part].transpose(0, 2, 1) / np.sqrt(size)
        scores = np.where(mask, scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        heads.append(weights @ values[:, :, part])
        all_weights.append(weights)
    return linear(layer.projection, np.concatenate(heads, axis=-1)), np.stack(all_weights, axis=1)


@pytest.mark.parametrize("bias", [False, True])
def test_it_is_the_papers_formula(bias):
    layer = made(bias=bias)
    assert len(layer.trainable_weights) == (8 if bias else 4)
    x, memory = arrays(2, 4, WIDTH), arrays(2, 5, WIDTH)
    real = np.array([[True] * 5, [True, True, True, False, False]])
    mask = real[:, None, None, :]
    expected, expected_weights = plain(layer, x, memory, mask[:, 0])
    found = ops.convert_to_numpy(layer(x, memory, mask))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    keys, values = layer.keys_values(memory)
    assert tuple(keys.shape) == (2, HEADS, 5, WIDTH // HEADS)
    _, weights = layer.attend(layer.queries(x), [(keys, values, mask)])
    weights = ops.convert_to_numpy(weights)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-5)
    assert not weights[1, :, :, 3:].any()


def test_one_position_gets_all_the_weight():
    layer = made()
    x, memory = arrays(2, 1, WIDTH), arrays(2, 1, WIDTH)
    expected, _ = plain(layer, x, memory, True)
    found = ops.convert_to_numpy(layer(x, memory, np.ones((1, 1, 1, 1), bool)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_dropout_on_the_weights_is_only_in_training():
    layer = made(dropout=0.5)
    x, mask = arrays(2, 4, WIDTH), np.ones((1, 1, 1, 1), bool)
    still = ops.convert_to_numpy(layer(x, x, mask))
    np.testing.assert_allclose(still, plain(layer, x, x, True)[0], atol=1e-4)
    moved = ops.convert_to_numpy(layer(x, x, mask, training=True))
    assert np.abs(moved - still).max() > 1e-2


def test_the_softmax_is_float32_under_mixed_precision():
    layer = made(dtype="mixed_bfloat16")
    x = ops.cast(arrays(2, 4, WIDTH), "bfloat16")
    keys, values = layer.keys_values(x)
    seen = keys, values, np.ones((1, 1, 1, 1), bool)
    output, weights = layer.attend(layer.queries(x), [seen])
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    np.testing.assert_allclose(ops.convert_to_numpy(ops.sum(weights, axis=-1)), 1, atol=1e-6)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"heads \(5\) must divide width \(12\)"):
        MultiHeadAttention(12, 5)


def test_config_rebuilds_it():
    layer = made(bias=True, dropout=0.25)
    again = MultiHeadAttention.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
