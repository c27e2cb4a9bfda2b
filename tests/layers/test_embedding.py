"""One matrix as embedding and as pre-softmax linear map (section 3.4)."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers.embedding import TiedEmbedding


def made(bias: bool = False, dtype: str = "float32") -> TiedEmbedding:
    keras.utils.set_random_seed(0)
    layer = TiedEmbedding(50, 16, bias, dtype=dtype)
    layer.build()
    return layer


def test_rows_are_scaled_and_logits_are_not():
    layer = made()
    table = ops.convert_to_numpy(layer.table)
    ids = np.array([[3, 0, 49], [7, 7, 1]], dtype="int32")
    np.testing.assert_allclose(ops.convert_to_numpy(layer(ids)), table[ids] * 4.0, rtol=1e-6)
    hidden = np.random.default_rng(0).normal(size=(2, 3, 16)).astype("float32")
    logits = ops.convert_to_numpy(layer.logits(ops.convert_to_tensor(hidden)))
    np.testing.assert_allclose(logits, hidden @ table.T, atol=1e-5)


def test_there_is_one_weight_and_its_deviation_is_one_over_the_root_of_the_width():
    layer = made()
    assert [variable.name for variable in layer.trainable_weights] == ["table"]
    table = ops.convert_to_numpy(layer.table)
    assert table.std() == pytest.approx(16**-0.5, rel=0.1)


def test_the_bias_is_added_to_the_logits():
    layer = made(bias=True)
    assert [variable.name for variable in layer.trainable_weights] == ["table", "bias"]
    assert not ops.convert_to_numpy(layer.bias).any()
    bias = np.arange(50, dtype="float32")
    layer.bias.assign(bias)
    logits = ops.convert_to_numpy(layer.logits(ops.zeros((1, 16))))
    np.testing.assert_array_equal(logits[0], bias)


def test_logits_are_float32_under_mixed_precision():
    layer = made(dtype="mixed_bfloat16")
    embedded = layer(np.array([[1, 2]]))
    assert keras.backend.standardize_dtype(embedded.dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(layer.logits(embedded).dtype) == "float32"
    assert keras.backend.standardize_dtype(layer.table.dtype) == "float32"


def test_config_rebuilds_it():
    again = TiedEmbedding.from_config(made(bias=True).get_config())
    assert (again.vocabulary, again.width, again.use_bias) == (50, 16, True)
