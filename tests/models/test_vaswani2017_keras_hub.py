"""The paper's blocks against keras_hub's, with the same weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from zoo import bundle
from zoo.layers.positions import sinusoid
from zoo.layers.transformer import Block

keras_hub = pytest.importorskip("keras_hub")

WIDTH, HEADS, FEED_FORWARD, EPSILON = 16, 4, 24, 1e-6
# keras_hub's attention always has biases.
BLOCK = {
    "width": WIDTH, "heads": HEADS, "feed_forward": FEED_FORWARD, "dropout": 0.0,
    "attention_dropout": 0.0, "activation": "relu", "attention_bias": True, "epsilon": EPSILON,
}  # fmt: skip
# Its parts have no public names.
PARTS = {
    "self_attention": "_self_attention_layer",
    "self_attention_norm": "_self_attention_layer_norm",
    "cross_attention": "_cross_attention_layer",
    "cross_attention_norm": "_cross_attention_layer_norm",
    "feed_forward.inner": "_feedforward_intermediate_dense",
    "feed_forward.outer": "_feedforward_output_dense",
    "feed_forward_norm": "_feedforward_layer_norm",
}
ATTENTION = {"query": "_query_dense", "key": "_key_dense", "value": "_value_dense",
             "projection": "_output_dense"}  # fmt: skip


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def randomised(block: keras.layers.Layer) -> keras.layers.Layer:
    block.build()
    generator = np.random.default_rng(0)
    for variable in bundle.variables(block).values():
        variable.assign(generator.normal(size=variable.shape).astype("float32") * 0.5)
    return block


def copy(block: keras.layers.Layer, theirs: keras.layers.Layer) -> None:
    """Give keras_hub's block our weights; its attention keeps heads and dimensions apart."""
    copied = 0
    for name, variable in bundle.variables(block).items():
        part, leaf = name.rsplit(".", 1)
        holder, _, last = part.rpartition(".")
        if last in ATTENTION:
            layer = getattr(getattr(theirs, PARTS[holder]), ATTENTION[last])
        else:
            layer = getattr(theirs, PARTS[part])
        target = getattr(layer, leaf)
        target.assign(ops.reshape(variable, target.shape))
        copied += 1
    assert copied == len(theirs.weights)


def options(norm_first: bool) -> dict:
    return {
        "intermediate_dim": FEED_FORWARD, "num_heads": HEADS, "dropout": 0.0,
        "activation": "relu", "layer_norm_epsilon": EPSILON, "normalize_first": norm_first,
    }  # fmt: skip


def compare(found, expected) -> None:
    found, expected = ops.convert_to_numpy(found), ops.convert_to_numpy(expected)
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("norm_first", [False, True])
def test_the_encoder_layer(norm_first):
    ours = randomised(Block(**BLOCK, norm_first=norm_first))
    theirs = keras_hub.layers.TransformerEncoder(**options(norm_first))
    x = random(2, 5, WIDTH)
    theirs.build(x.shape)
    copy(ours, theirs)
    real = np.array([[True] * 5, [True, True, False, False, False]])
    compare(ours(x, real[:, None, None, :])[0], theirs(x, padding_mask=real))


@pytest.mark.parametrize("norm_first", [False, True])
def test_the_decoder_layer(norm_first):
    ours = randomised(Block(**BLOCK, norm_first=norm_first, cross_attention=True))
    theirs = keras_hub.layers.TransformerDecoder(**options(norm_first))
    x, source = random(2, 4, WIDTH), random(2, 5, WIDTH)
    theirs.build(x.shape, source.shape)
    copy(ours, theirs)
    real = np.array([[True] * 5, [True, True, False, False, False]])
    causal = np.tril(np.ones((4, 4), bool))[None, None]
    found, _, weights = ours(x, causal, source, real[:, None, None, :])
    compare(found, theirs(x, source, encoder_padding_mask=real))
    assert tuple(weights.shape) == (2, HEADS, 4, 5)


def test_the_positions():
    theirs = keras_hub.layers.SinePositionEncoding()(np.zeros((1, 30, WIDTH), "float32"))
    theirs = ops.convert_to_numpy(theirs)
    np.testing.assert_allclose(sinusoid(30, WIDTH), theirs.reshape(30, WIDTH), atol=1e-5)
