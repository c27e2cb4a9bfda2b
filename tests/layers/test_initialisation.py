"""A model that is about to be loaded draws no random weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo.layers.initialisation import skipped


def test_weights_begin_at_zero_inside_and_at_random_outside():
    with skipped():
        layer = keras.layers.Dense(4)
        layer.build((None, 3))
        norm = keras.layers.LayerNormalization()
        norm.build((None, 3))
    for variable in (*layer.weights, *norm.weights):
        assert not keras.ops.convert_to_numpy(variable).any()
    after = keras.layers.Dense(4)
    after.build((None, 3))
    assert np.abs(keras.ops.convert_to_numpy(after.kernel)).min() > 0


def test_it_ends_when_the_block_fails():
    original = keras.layers.Layer.add_weight
    with pytest.raises(ZeroDivisionError), skipped():
        1 / 0
    assert keras.layers.Layer.add_weight is original


def test_dropout_still_draws():
    with skipped():
        layer = keras.layers.Dropout(0.5, seed=3)
    found = keras.ops.convert_to_numpy(layer(np.ones((8, 8), "float32"), training=True))
    assert 0 < (found == 0).mean() < 1
