"""Weights: their names, and what safetensors files hold them or are refused."""

from __future__ import annotations

import os
from pathlib import Path

import keras
import numpy as np
import pytest

from zoo import bundle
from zoo.bundle import weights
from zoo.errors import BundleError, OptionError

# Names of weights


class Block(keras.layers.Layer):
    def __init__(self, embedding):
        super().__init__()
        self.query = keras.layers.Dense(4)
        self.dropout = keras.layers.Dropout(0.1)
        self.shared = embedding

    def build(self, input_shape=None):
        self.query.build((None, 4))
        self.scale = self.add_weight(shape=(2,), name="scale", initializer="ones")
        self.built = True


class Model(keras.Model):
    def __init__(self):
        super().__init__()
        self.embedding = keras.layers.Embedding(7, 4)
        self.blocks = [Block(self.embedding) for _ in range(11)]
        self.norm = keras.layers.BatchNormalization()
        self.seed = keras.random.SeedGenerator(1)

    def build(self, input_shape=None):
        for layer in (self.embedding, *self.blocks):
            layer.build()
        self.norm.build((None, 4))
        self.built = True


def built():
    model = Model()
    model.build()
    return model


def test_weights_are_named_by_attribute_path():
    model = built()
    model.compile("adam", "mse", metrics=["mae"])
    names = list(bundle.variables(model))
    block = ["query.bias", "query.kernel", "scale"]
    assert names == [
        *(f"blocks.{index}.{name}" for index in range(11) for name in block),
        "embedding.embeddings",  # shared with every block, stored once under its shortest path
        "norm.beta", "norm.gamma", "norm.moving_mean", "norm.moving_variance",
    ]  # fmt: skip
    assert len(names) == len(model.weights)


def test_a_model_does_not_share_memory_with_what_it_was_given():
    def build():
        model = keras.layers.Dense(512, use_bias=False)
        model.build((None, 512))
        return model

    given = {"kernel": np.ones((512, 512), "float32")}
    for _ in range(20):  # JAX takes memory over only where it happens to be aligned
        taken = {name: each.copy() for name, each in given.items()}
        model = weights.filled(build, taken)
        for each in taken.values():
            each[:] = 5
        for name, each in weights.arrays(model).items():
            np.testing.assert_array_equal(each, given[name])


def test_names_are_the_same_in_the_next_model_of_the_process():
    first, second = Model(), Model()
    first.build(), second.build()
    assert list(bundle.variables(first)) == list(bundle.variables(second))


def test_a_weight_without_a_public_path_is_an_error():
    model = Model()
    model._hidden = keras.layers.Dense(3)
    model._hidden.build((None, 2))
    model.build()
    with pytest.raises(BundleError, match="no public path"):
        bundle.variables(model)


def test_two_weights_of_one_name_are_an_error():
    layer = keras.layers.Layer()
    layer.add_weight(shape=(1,), name="kernel")
    layer.add_weight(shape=(2,), name="kernel")
    with pytest.raises(BundleError, match="both called 'kernel'"):
        bundle.variables(layer)


# Files of weights


@pytest.mark.parametrize(
    ("dtype", "apart"), [("float16", 5e-4), ("bfloat16", 4e-3), ("float32", 0.0)]
)
def test_weights_come_back(tmp_path, dtype, apart):
    first = built()
    bundle.save_weights(tmp_path / "w.safetensors", first, dtype)
    second = weights.filled(built, tmp_path / "w.safetensors")
    before, after = bundle.arrays(first), bundle.arrays(second)
    for name in before:
        np.testing.assert_allclose(after[name], before[name], rtol=apart, atol=1e-7, err_msg=name)


def test_weights_of_every_layout_are_stored_as_they_read(tmp_path):
    arrays = {"transposed": np.arange(6.0).reshape(2, 3).T, "scalar": np.float32(3), "n": [1, 2]}
    bundle.save_weights(tmp_path / "w.safetensors", arrays, "float32")
    read = bundle.read_weights(tmp_path / "w.safetensors")
    assert set(read) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


def test_equal_weights_give_equal_files(tmp_path, tiny_bundle):
    arrays = bundle.read_weights(tiny_bundle / "model.safetensors")
    bundle.save_weights(tmp_path / "w.safetensors", dict(reversed(arrays.items())))
    saved = (tmp_path / "w.safetensors").read_bytes()
    assert saved == (tiny_bundle / "model.safetensors").read_bytes()


def test_what_cannot_be_stored_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(BundleError, match=r"'a' holds 1e\+05, too large for float16"):
        bundle.save_weights(path, {"a": np.array([1e5])})
    bundle.save_weights(path, {"a": np.array([1e5])}, "bfloat16")
    with pytest.raises(BundleError, match="'a' is not finite"):
        bundle.save_weights(path, {"a": np.array([np.nan])})
    with pytest.raises(OptionError, match="did you mean 'float16'"):
        bundle.save_weights(path, {}, "floot16")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_message():
    with pytest.raises(BundleError, match="cannot write /dev/full"):
        bundle.save_weights("/dev/full", {"a": np.zeros(3)})


@pytest.mark.parametrize("as_file", [True, False])
def test_weights_that_do_not_fit_are_named(tmp_path, as_file):
    given = bundle.arrays(built())
    lacking = {name: array for name, array in given.items() if name != "norm.beta"}
    path = tmp_path / "w.safetensors"

    def refused(arrays, message):
        bundle.save_weights(path, arrays)
        with pytest.raises(BundleError, match=message):
            weights.filled(built, path if as_file else arrays)

    does_not = "does not fit Model" if as_file else "do not fit the new Model"
    refused(lacking, f"{does_not}: 'norm.beta' missing")
    refused({**given, "norm.delta": np.zeros(2)}, "'norm.delta' not in the model")
    refused({**given, "norm.beta": np.zeros(5)}, r"'norm.beta' is \(5\) there, \(4\) in the model")
    assert weights.filled(built, given)  # nothing is left behind of what failed


# Models that are filled


class Drawing(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        raise AssertionError("a weight was drawn")


def test_a_model_that_is_filled_draws_nothing():
    def build():
        layer = keras.layers.Dense(2, kernel_initializer=Drawing(), bias_initializer=Drawing())
        layer.build((None, 3))
        return layer

    with pytest.raises(AssertionError, match="was drawn"):
        build()
    given = {"kernel": np.arange(6.0).reshape(3, 2), "bias": np.ones(2)}
    for name, array in bundle.arrays(weights.filled(build, given)).items():
        np.testing.assert_array_equal(array, given[name])


def test_dropout_of_a_model_that_is_filled_draws():
    def build():
        model = keras.Sequential([keras.layers.Dropout(0.5, seed=3)])
        model.build((None, 8))
        return model

    found = keras.ops.convert_to_numpy(
        weights.filled(build, {})(np.ones((8, 8), "float32"), training=True)
    )
    assert 0 < (found == 0).mean() < 1


def test_a_weight_that_cannot_be_read_is_the_error_and_the_next_model_is_filled():
    class Broken(dict):
        def __getitem__(self, name):
            raise OSError("the disk is gone")

    given = bundle.arrays(built())
    with pytest.raises(OSError, match="the disk is gone"):
        weights.filled(built, Broken(given))
    model = weights.filled(built, given)
    for name, array in bundle.arrays(model).items():
        np.testing.assert_array_equal(array, given[name])


def test_layers_make_weights_as_ever_once_a_model_is_filled():
    original = keras.layers.Layer.add_weight
    with pytest.raises(ZeroDivisionError):
        weights.filled(lambda: 1 / 0, {})
    assert keras.layers.Layer.add_weight is original


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's own view")
def test_pytorch_knows_the_weights_of_a_model_that_is_filled():
    plain = built()
    filled = weights.filled(built, bundle.arrays(plain))
    assert len(filled.state_dict()) == len(plain.state_dict()) > 0
    assert len(list(filled.parameters())) == len(list(plain.parameters()))


@pytest.mark.parametrize("length", [4, 20, 200, -1])
def test_a_truncated_file_of_weights_is_named(tiny_bundle, tmp_path, length):
    path = tmp_path / "w.safetensors"
    path.write_bytes((tiny_bundle / "model.safetensors").read_bytes()[:length])
    with pytest.raises(BundleError, match=r"w\.safetensors is truncated"):
        bundle.read_weights(path)


def test_bundles_never_open_pickles():
    for module in (bundle, weights):
        assert "pickle" not in vars(module)
        source = Path(module.__file__).read_text()
        assert "import pickle" not in source
        assert "allow_pickle" not in source
