"""The peer that training is measured against is the same model with the same loss."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo import bundle
from zoo.layers.positions import sinusoid
from zoo.models.vaswani2017 import Transformer
from zoo.tasks.losses import LabelSmoothedCrossEntropy

torch = pytest.importorskip("torch")

SOURCE = np.array([[5, 6, 7, 8, 3], [9, 10, 3, 0, 0]], dtype="int32")
TARGET = np.array([[2, 11, 12, 13], [2, 14, 15, 0]], dtype="int32")
LABELS = np.array([[11, 12, 13, 3], [14, 15, 3, 0]], dtype="int32")
NAMES = {
    "self_attention": "self_attn", "cross_attention": "multihead_attn",
    "self_attention_norm": "norm1", "feed_forward.inner": "linear1",
    "feed_forward.outer": "linear2",
}  # fmt: skip


@pytest.fixture(scope="module")
def ours() -> Transformer:
    keras.utils.set_random_seed(0)
    model = Transformer(
        vocabulary=40, width=16, encoder_layers=2, decoder_layers=2, heads=4, feed_forward=24,
        attention_bias=True, max_length=12,
    )  # fmt: skip
    model.build()
    return model


@pytest.fixture(scope="module")
def theirs(ours):
    from benchmarks.peers import TorchTransformer

    model = TorchTransformer(ours.arguments, sinusoid(12, 16)).eval()
    held = bundle.arrays(ours)
    state = {"embedding.weight": held.pop("embedding.table")}
    for side, last in (("encoder", "norm2"), ("decoder", "norm3")):
        names = NAMES | {"cross_attention_norm": "norm2", "feed_forward_norm": last}
        for i in range(2):
            layer = f"{side}_layers.{i}."
            own = {name.removeprefix(layer): held.pop(name) for name in list(held)
                   if name.startswith(layer)}  # fmt: skip
            for part, name in names.items():
                to = f"{side}.layers.{i}.{name}"
                if f"{part}.query.kernel" in own:
                    three = [own[f"{part}.{each}.kernel"].T for each in ("query", "key", "value")]
                    state[f"{to}.in_proj_weight"] = np.concatenate(three)
                    three = [own[f"{part}.{each}.bias"] for each in ("query", "key", "value")]
                    state[f"{to}.in_proj_bias"] = np.concatenate(three)
                    state[f"{to}.out_proj.weight"] = own[f"{part}.projection.kernel"].T
                    state[f"{to}.out_proj.bias"] = own[f"{part}.projection.bias"]
                elif f"{part}.kernel" in own:
                    state[f"{to}.weight"] = own[f"{part}.kernel"].T
                    state[f"{to}.bias"] = own[f"{part}.bias"]
                elif f"{part}.gamma" in own:
                    state[f"{to}.weight"] = own[f"{part}.gamma"]
                    state[f"{to}.bias"] = own[f"{part}.beta"]
    assert not held
    tensors = {name: torch.tensor(np.ascontiguousarray(each)) for name, each in state.items()}
    model.load_state_dict(tensors)
    return model


def tensors(array: np.ndarray):
    return torch.tensor(array.astype("int64"))


def test_it_has_as_many_weights(ours, theirs):
    assert sum(each.numel() for each in theirs.parameters()) == ours.count_params()


def test_it_computes_the_same(ours, theirs):
    with torch.no_grad():
        expected = theirs(tensors(SOURCE), tensors(TARGET)).numpy()
    found = keras.ops.convert_to_numpy(ours({"source": SOURCE, "target": TARGET}))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_its_loss_is_the_same(ours):
    from benchmarks.peers import smoothed_loss

    logits = np.random.default_rng(0).normal(size=(2, 4, 40)).astype("float32") * 2
    for smoothing in (0.0, 0.1):
        found = LabelSmoothedCrossEntropy(smoothing)(LABELS, logits)
        expected = smoothed_loss(torch.tensor(logits), tensors(LABELS), smoothing, 0)
        assert float(keras.ops.convert_to_numpy(found)) == pytest.approx(float(expected), abs=1e-5)
