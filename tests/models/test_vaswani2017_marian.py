"""transformers' Marian and our model, with one set of random weights, compute the same."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from zoo import bundle
from zoo.models.vaswani2017 import Transformer

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

VOCABULARY, END, PAD = 61, 0, 60
SOURCE = np.array([[5, 6, 7, 8, 9, END], [10, 11, END, PAD, PAD, PAD]], dtype="int32")
# Marian starts with the padding id.
TARGET = np.array([[PAD, 12, 13, 14, 15], [PAD, 16, 17, 18, 19]], dtype="int32")


@pytest.fixture(scope="module")
def ours() -> Transformer:
    """The shape of opus-mt checkpoints, small, with every weight random and far from zero."""
    keras.utils.set_random_seed(0)
    model = Transformer(
        vocabulary=VOCABULARY, width=32, encoder_layers=2, decoder_layers=3, heads=4,
        feed_forward=48, dropout=0.1, activation="swish", attention_bias=True,
        positions="halves", epsilon=1e-5, output_bias=True, padding_id=PAD, max_length=20,
    )  # fmt: skip
    model.build()
    random = np.random.default_rng(0)
    for name, variable in bundle.variables(model).items():
        middle = 1.0 if name.endswith("gamma") else 0.0
        values = middle + 0.3 * random.normal(size=variable.shape)
        variable.assign(values.astype("float32"))
    return model


@pytest.fixture(scope="module")
def theirs(ours):
    from benchmarks.peers import marian

    model = marian(vars(ours.arguments), bundle.arrays(ours), end_id=END, start_id=PAD)
    assert model.final_logits_bias.abs().min() > 0
    return model


def tensors(array: np.ndarray):
    return torch.tensor(array.astype("int64"))


def test_they_have_the_same_weights(ours, theirs):
    positions = 2 * 20 * 32
    count = sum(parameter.numel() for parameter in theirs.parameters())
    assert count - positions == ours.count_params() - VOCABULARY  # its bias is a buffer
    table = theirs.model.encoder.embed_positions.weight.detach().numpy()
    np.testing.assert_allclose(ours._positions, table, atol=1e-6)


def test_the_full_pass(ours, theirs):
    with torch.no_grad():
        expected = theirs(
            input_ids=tensors(SOURCE),
            attention_mask=tensors(SOURCE != PAD),
            decoder_input_ids=tensors(TARGET),
        ).logits.numpy()
    found = ops.convert_to_numpy(ours({"source": SOURCE, "target": TARGET}))
    assert expected.std() > 1
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)


def test_cached_steps(ours, theirs):
    mask = tensors(SOURCE != PAD)
    memory, state = ours.start({"source": ops.convert_to_tensor(SOURCE)}, TARGET.shape[1])
    with torch.no_grad():
        encoded = theirs.model.encoder(input_ids=tensors(SOURCE), attention_mask=mask)
        # transformers 5.24 calls it "cache" where earlier ones had "past_key_values".
        known = inspect.signature(theirs.forward).parameters
        name = "cache" if "cache" in known else "past_key_values"
        cache = None
        for position in range(TARGET.shape[1]):
            made = theirs(
                encoder_outputs=encoded,
                attention_mask=mask,
                decoder_input_ids=tensors(TARGET[:, position : position + 1]),
                use_cache=True,
                **{name: cache},
            )
            cache = getattr(made, name, None) or made.past_key_values
            token = ops.convert_to_tensor(TARGET[:, position])
            found, state = ours.step(token, position, memory, state)
            np.testing.assert_allclose(
                ops.convert_to_numpy(found), made.logits[:, 0].numpy(), atol=1e-4, rtol=0
            )
