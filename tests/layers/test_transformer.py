"""The Transformer's block as papers vary it; its formula is compared with keras_hub's elsewhere."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers import attention
from zoo.layers.transformer import Block

SIZES = {
    "width": 8, "heads": 2, "feed_forward": 12, "dropout": 0.0, "attention_dropout": 0.0,
    "activation": "relu", "epsilon": 1e-5,
}  # fmt: skip


def made(**options) -> Block:
    block = Block(**(SIZES | options))
    block.build()
    random = np.random.default_rng(0)
    for variable in block.trainable_variables:
        variable.assign(random.normal(scale=0.5, size=variable.shape))
    return block


def numbers(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


X = np.random.default_rng(1).normal(size=(2, 5, 8)).astype("float32")


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_steps_with_a_cache_are_the_causal_pass(norm_first, fused):
    """Also when the first two positions are a prompt of its own and the cache grows."""
    block = made(norm_first=norm_first, fused=fused)
    expected, own, weights = block(X, attention.causal(5))
    assert weights is None
    assert [tuple(each.shape) for each in own] == [(2, 2, 5, 4)] * 2
    _, prompt, _ = block(X[:, :2], attention.causal(2))
    cache = attention.empty_cache(1, (2, 2, 2, 4), "float32")
    for step in range(3):
        if step == 2:
            cache = attention.grown(cache, 3)
        x = ops.convert_to_tensor(X[:, 2 + step : 3 + step])
        queries, keys, values = block.queries_keys_values(x)
        cache = attention.written(cache, 0, step, keys, values)
        seen = attention.so_far(cache, step)
        parts = [(*prompt, np.ones((1, 1, 1, 2), bool)), (*cache.values(), seen)]
        found, _ = block.attend(x, queries, parts)
        np.testing.assert_allclose(numbers(found)[:, 0], numbers(expected)[:, 2 + step], atol=1e-5)


def test_one_matrix_or_three_are_the_same():
    three, one = made(), made(fused=True)
    mine, other = three.self_attention, one.self_attention
    parts = [mine.query, mine.key, mine.value]
    kernels = [numbers(part.kernel) for part in parts]
    other.query_key_value.kernel.assign(np.concatenate(kernels, axis=1))
    other.query_key_value.bias.assign(np.concatenate([numbers(part.bias) for part in parts]))
    pairs = [(mine.projection, other.projection), (three.feed_forward, one.feed_forward),
             (three.self_attention_norm, one.self_attention_norm),
             (three.feed_forward_norm, one.feed_forward_norm)]  # fmt: skip
    for first, second in pairs:
        second.set_weights(first.get_weights())
    mask = attention.causal(5)
    np.testing.assert_allclose(numbers(one(X, mask)[0]), numbers(three(X, mask)[0]), atol=1e-5)


def test_both_kinds_of_gelu():
    x = np.linspace(-3, 3, 8).astype("float32")
    exact = [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]
    tanh = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    for name, expected in (("gelu", exact), ("gelu_tanh", tanh)):
        function = made(activation=name).feed_forward.inner.activation
        np.testing.assert_allclose(numbers(function(x)), expected, atol=1e-6)
    assert np.abs(exact - tanh).max() > 1e-4


def test_matrices_on_the_way_to_the_residual_may_begin_smaller():
    options = {"initializer": keras.initializers.RandomNormal(stddev=0.02)}
    smaller = keras.initializers.RandomNormal(stddev=0.005)
    block = Block(**(SIZES | {"width": 64, "feed_forward": 256}), **options,
                  residual_initializer=smaller)  # fmt: skip
    block.build()
    for layer, deviation in (
        (block.self_attention.query, 0.02), (block.self_attention.projection, 0.005),
        (block.feed_forward.inner, 0.02), (block.feed_forward.outer, 0.005),
    ):  # fmt: skip
        assert numbers(layer.kernel).std() == pytest.approx(deviation, rel=0.1)
    first, second = block.self_attention.query, block.self_attention.key
    assert np.abs(numbers(first.kernel) - numbers(second.kernel)).max() > 0.01


@pytest.mark.parametrize("name", ["dropout", "attention_dropout"])
def test_dropout_is_only_in_training(name):
    whole, dropped = made(), made(**{name: 0.5})
    mask = attention.causal(5)
    np.testing.assert_array_equal(numbers(dropped(X, mask)[0]), numbers(whole(X, mask)[0]))
    moved = numbers(dropped(X, mask, training=True)[0])
    assert np.abs(moved - numbers(whole(X, mask)[0])).max() > 1e-2
