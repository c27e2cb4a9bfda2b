"""`keras.Model.export` of every paper's model works without a call before, or says what does."""

from __future__ import annotations

import importlib.util

import keras
import numpy as np
import pytest
import tiny

from zoo.errors import BundleError, NotSupported

BACKEND = keras.backend.backend()
# A model that reads pairs, one with a loop of its own, one with sequences; the rest is alike.
SAVED = ("vaswani2017", "ulmfit2018-classify", "gpt1-choose")
HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "tf2onnx"))


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch writes fixed sizes alone")
@pytest.mark.parametrize("name", SAVED)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_model_that_was_never_called_is_written(tmp_path, name):
    import tensorflow

    variant = tiny.variants()[name]
    model = variant.make()
    model.export(tmp_path / "saved", verbose=False)
    loaded = tensorflow.saved_model.load(str(tmp_path / "saved"))
    inputs = keras.tree.map_structure(tensorflow.constant, variant.inputs)
    found = loaded.serve(inputs).numpy()
    np.testing.assert_allclose(found, tiny.logits(model, variant.inputs), rtol=1e-4, atol=1e-4)
    if BACKEND == "tensorflow":
        none = keras.tree.map_structure(lambda each: each[:0], inputs)
        assert loaded.serve(none).shape == (0, *found.shape[1:])


def test_every_model_tells_keras_what_it_reads():
    for name, variant in tiny.variants().items():
        told = variant.make().specification()
        if variant.task == "similarity":  # the class also reads one sequence alone
            continue
        given = keras.tree.map_structure(lambda x: (len(x.shape), str(x.dtype)), variant.inputs)
        assert keras.tree.map_structure(lambda x: (len(x.shape), x.dtype), told) == given, name


def test_what_keras_cannot_write_is_one_message(tmp_path):
    model = tiny.variants()["merity2017"].make()
    with pytest.raises(NotSupported, match="'onnx'") as caught:
        model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    assert "zoo export" in caught.value.hint
    assert not (tmp_path / "model.onnx").exists()
    with pytest.raises(NotSupported, match="saved-model"):
        model.export(tmp_path / "saved", format="saved-model", verbose=False)


@pytest.mark.skipif(BACKEND != "torch", reason="of PyTorch")
def test_fixed_sizes_are_told_on_pytorch(tmp_path):
    model = tiny.variants()["gpt1"].make()
    for format in ("tf_saved_model", "onnx", "torch"):
        with pytest.raises(NotSupported, match="one fixed size alone") as caught:
            model.export(tmp_path / "saved", format=format)
        assert "input_signature" in caught.value.hint


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a SavedModel")
def test_a_disk_that_refuses_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises((BundleError, NotSupported), match=r"cannot write"):
        tiny.variants()["gpt1"].make().export(tmp_path / "file" / "saved", verbose=False)


@pytest.mark.skipif(not (HAS_ONNX and BACKEND == "tensorflow"), reason="needs tf2onnx and onnx")
def test_a_transformer_is_written_for_onnx(tmp_path):
    import onnx

    tiny.variants()["gpt1"].make().export(tmp_path / "model.onnx", format="onnx", verbose=False)
    (graph_input,) = onnx.load(tmp_path / "model.onnx").graph.input
    assert graph_input.name == "ids"
