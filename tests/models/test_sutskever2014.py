"""Two LSTMs: their size to the weight, the paper's equations in plain NumPy, padding, reversal."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from tiny import zeroed

from zoo.bundle import weights
from zoo.config import catalog
from zoo.models import contracts
from zoo.models.sutskever2014 import SequenceToSequence

SOURCE = np.array([[5, 6, 7, 8, 3], [9, 10, 3, 0, 0]], dtype="int32")
TARGET = np.array([[2, 11, 12, 13], [2, 14, 15, 16]], dtype="int32")


def tiny(**arguments) -> SequenceToSequence:
    """A model with weights far from zero, so that every term of the equations counts."""
    settings = {
        "source_vocabulary": 20, "target_vocabulary": 24, "embedding": 6, "width": 8, "layers": 3,
    }  # fmt: skip
    model = SequenceToSequence(**(settings | arguments))
    model.build()
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(random.normal(scale=0.5, size=variable.shape))
    return model


@pytest.fixture(scope="module")
def model() -> SequenceToSequence:
    return tiny()


def logits(model, source=SOURCE, target=TARGET) -> np.ndarray:
    return ops.convert_to_numpy(model({"source": source, "target": target}))


def logistic(x):
    return 1.0 / (1.0 + np.exp(-x))


def lstm_step(weight, layer, x, h, c):
    """One step of an LSTM, gate by gate; Keras keeps the gates i, f, c, o side by side."""
    W, U, b = (weight[f"{layer}.cell.{name}"] for name in ("kernel", "recurrent_kernel", "bias"))
    sums = x @ W + h @ U + b
    i, f, g, o = np.split(sums, 4)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


def by_hand(model, source, target) -> np.ndarray:
    """The logits of one pair without padding, float64: equation 1 and the LSTM written out."""
    weight = {name: array.astype(np.float64) for name, array in weights.arrays(model).items()}
    layers, width = model.arguments.layers, model.arguments.width
    states = [(np.zeros(width), np.zeros(width)) for _ in range(layers)]
    for word in source:
        x = weight["source_embedding.embeddings"][word]
        for k in range(layers):
            states[k] = lstm_step(weight, f"encoder_layers.{k}", x, *states[k])
            x = states[k][0]
    rows = []
    for word in target:
        x = weight["target_embedding.embeddings"][word]
        for k in range(layers):
            states[k] = lstm_step(weight, f"decoder_layers.{k}", x, *states[k])
            x = states[k][0]
        rows.append(x @ weight["softmax.kernel"] + weight["softmax.bias"])
    return np.array(rows)


def test_the_papers_size_to_the_weight():
    """The paper counts 384 million parameters, of which 64 million are the LSTMs'."""
    arguments = catalog.size(catalog.entry("sutskever2014"), "paper").arguments
    # Fewer words, so that the test needs no gigabytes; the words' share is exact arithmetic.
    words = {"source_vocabulary": 16, "target_vocabulary": 8}
    with zeroed():
        model = SequenceToSequence(**(arguments | words))
        model.build()
    shapes = {name: tuple(each.shape) for name, each in weights.variables(model).items()}
    matrices = sum(int(np.prod(shape)) for shape in shapes.values() if len(shape) == 2)
    biases = sum(int(np.prod(shape)) for shape in shapes.values() if len(shape) == 1)
    recurrent = sum(int(np.prod(s)) for name, s in shapes.items() if "cell" in name and len(s) == 2)
    assert recurrent == 64_000_000
    assert shapes["source_embedding.embeddings"] == (16, 1000)
    assert shapes["target_embedding.embeddings"] == (8, 1000)
    assert shapes["softmax.kernel"] == (1000, 8)
    source, target = (arguments[f"{side}_vocabulary"] - words[f"{side}_vocabulary"] for side in ("source", "target"))  # fmt: skip # noqa: E501
    assert matrices + 1000 * source + 2 * 1000 * target == 384_000_000
    assert biases + target == 112_000
    assert shapes["encoder_layers.3.cell.kernel"] == (1000, 4000)
    assert "decoder_layers.4.cell.kernel" not in shapes


def test_the_equations_in_numpy(model):
    expected = by_hand(model, SOURCE[0], TARGET[0])
    np.testing.assert_allclose(logits(model)[0], expected, atol=1e-5)


def test_padding_is_not_read(model):
    """The second source is shorter: its logits are those of its words alone."""
    expected = by_hand(model, SOURCE[1, :3], TARGET[1])
    np.testing.assert_allclose(logits(model)[1], expected, atol=1e-5)


def test_no_row_is_empty(model, monkeypatch):
    """cuDNN refuses a mask without a word, and the last batch of a bucket has such rows."""
    masks = []
    layer = model.encoder_layers[0]
    call = layer.call
    monkeypatch.setattr(
        layer, "call", lambda x, mask=None, **rest: masks.append(mask) or call(x, mask=mask, **rest)
    )
    model.encode(np.array([[5, 6, 3], [0, 0, 0]], dtype="int32"))
    expected = [[True, True, True], [True, False, False]]
    np.testing.assert_array_equal(ops.convert_to_numpy(masks[0]), expected)


def test_steps_in_numpy(model):
    """Step by step, from the encoder's final state, layer by layer."""
    memory, state = model.start({"source": ops.convert_to_tensor(SOURCE)}, 4)
    expected = [by_hand(model, SOURCE[0], TARGET[0]), by_hand(model, SOURCE[1, :3], TARGET[1])]
    for position in range(4):
        token = ops.convert_to_tensor(TARGET[:, position])
        found, state = model.step(token, position, memory, state)
        for row in range(2):
            np.testing.assert_allclose(
                ops.convert_to_numpy(found)[row], expected[row][position], atol=1e-5
            )


def test_the_sentence_is_one_vector(model):
    """(h, c) of each layer is all that the decoder gets: 8000 numbers at the paper's size."""
    memory, state = model.start({"source": ops.convert_to_tensor(SOURCE)}, 4)
    assert memory == {}
    assert {name: tuple(leaf.shape) for name, leaf in state.items()} == {
        f"{kind}_{layer}": (2, 8) for kind in "hc" for layer in range(3)
    }


def test_everything_begins_uniform():
    """Between -0.08 and 0.08 (section 3.4), the forget gate's bias too."""
    keras.utils.set_random_seed(3)
    model = SequenceToSequence(
        source_vocabulary=50, target_vocabulary=50, embedding=20, width=20, layers=1
    )
    model.build()
    for name, array in weights.arrays(model).items():
        assert np.abs(array).max() <= 0.08, name
        assert np.abs(array).max() > 0.06, name
        assert abs(array.std() - 0.16 / np.sqrt(12)) < 0.012, name


def test_there_is_no_attention(model):
    assert not isinstance(model, contracts.Aligner)
