"""RNNsearch: its size to the weight, appendix A in plain NumPy, padding, the Nematus decoder."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from tiny import zeroed

from zoo.bundle import weights
from zoo.config import catalog
from zoo.models.bahdanau2015 import RNNSearch

SOURCE = np.array([[5, 6, 7, 8, 3], [9, 10, 3, 0, 0]], dtype="int32")
TARGET = np.array([[2, 11, 12, 13], [2, 14, 15, 16]], dtype="int32")
N, M, L = 8, 6, 4  # width, embedding, maxout
BIASES = {"b", "b_a", "b_s", "b_o", "bias"}


def tiny(**arguments) -> RNNSearch:
    """A model with weights far from zero, so that every term of the equations counts."""
    settings = {
        "source_vocabulary": 20, "target_vocabulary": 24, "embedding": M, "width": N,
        "alignment": 5, "maxout": L,
    }  # fmt: skip
    model = RNNSearch(**(settings | arguments))
    model.build()
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(random.normal(scale=0.5, size=variable.shape))
    return model


@pytest.fixture(scope="module", params=["paper", "conditional"])
def model(request) -> RNNSearch:
    return tiny(decoder=request.param)


def logits(model, source=SOURCE, target=TARGET) -> np.ndarray:
    return ops.convert_to_numpy(model({"source": source, "target": target}))


def logistic(x):
    return 1.0 / (1.0 + np.exp(-x))


def softmax(e):
    return np.exp(e - e.max()) / np.exp(e - e.max()).sum()


class ByHand:
    """Appendix A of the paper, sum by sum, one pair without padding, float64."""

    def __init__(self, model) -> None:
        self.w = {name: array.astype(np.float64) for name, array in weights.arrays(model).items()}
        self.conditional = model.arguments.decoder == "conditional"

    def gru(self, name, x, h, c=None):
        """h' of A.1.1 and A.2.2; `c` is what comes from the context, for all three sums."""
        w = self.w
        W, W_z, W_r = np.split(w[f"{name}.W"], 3, axis=1)
        b, b_z, b_r = np.split(w[f"{name}.b"], 3)
        U, (U_z, U_r) = w[f"{name}.U"], np.split(w[f"{name}.U_zr"], 2, axis=1)
        c, c_z, c_r = np.zeros((3, N)) if c is None else np.split(c, 3)
        z = logistic(x @ W_z + h @ U_z + c_z + b_z)
        r = logistic(x @ W_r + h @ U_r + c_r + b_r)
        if name == "decoder.context_gru":
            proposed = np.tanh(x @ W + r * (h @ U + b))
        elif self.conditional:
            proposed = np.tanh(x @ W + b + r * (h @ U))
        else:
            proposed = np.tanh(x @ W + (r * h) @ U + c + b)
        return (1 - z) * h + z * proposed

    def annotations(self, source):
        words = self.w["source_embedding.embeddings"][source]
        forward, backward = [np.zeros(N)], [np.zeros(N)]
        for x in words:
            forward.append(self.gru("encoder_forward", x, forward[-1]))
        for x in words[::-1]:
            backward.append(self.gru("encoder_backward", x, backward[-1]))
        return np.array([np.r_[f, b] for f, b in zip(forward[1:], backward[:0:-1], strict=True)])

    def __call__(self, source, target):
        """Return logits [target, words] and alpha [target, source]."""
        w, h = self.w, self.annotations(source)
        start = h.mean(axis=0) if self.conditional else h[0, N:]
        s = np.tanh(start @ w["decoder.W_s"] + w["decoder.b_s"])
        rows, alphas = [], []
        for i, word in enumerate(target):
            y = w["target_embedding.embeddings"][word] if i else np.zeros(M)
            before = s
            if self.conditional:
                s = self.gru("decoder.gru", y, s)
            W_a, U_a, b_a, v_a = (w[f"decoder.alignment.{k}"] for k in ("W_a", "U_a", "b_a", "v_a"))
            alpha = softmax(np.array([v_a @ np.tanh(s @ W_a + each @ U_a + b_a) for each in h]))
            c = sum(a * each for a, each in zip(alpha, h, strict=True))
            if self.conditional:
                s = self.gru("decoder.context_gru", c, s)
            else:
                s = self.gru("decoder.gru", y, s, c @ w["decoder.C"])
            read = s if self.conditional else before
            t = read @ w["decoder.U_o"] + y @ w["decoder.V_o"] + c @ w["decoder.C_o"]
            t = t + w["decoder.b_o"]
            t = np.tanh(t) if self.conditional else np.array([max(t[2 * j : 2 * j + 2]) for j in range(L)])  # fmt: skip # noqa: E501
            rows.append(t @ w["softmax.kernel"] + w["softmax.bias"])
            alphas.append(alpha)
        return np.array(rows), np.array(alphas)


def counts(model) -> tuple[int, int]:
    """Return how many weights are not biases, and how many are."""
    sizes = {name: int(np.prod(each.shape)) for name, each in weights.variables(model).items()}
    biases = sum(size for name, size in sizes.items() if name.split(".")[-1] in BIASES)
    return sum(sizes.values()) - biases, biases


def test_the_papers_size_to_the_weight():
    arguments = catalog.size(catalog.entry("bahdanau2015"), "paper").arguments
    with zeroed():
        model = RNNSearch(**arguments)
        model.build()
    assert counts(model) == (80_401_000, 42_000)


def test_the_size_of_the_nematus_checkpoint():
    """Edinburgh's WMT16 system has 161,260,885 numbers: ours, and three that ours need not keep.

    Its readout has three biases that are added, and c_tt a bias that the softmax over the source
    takes no notice of.
    """
    with zeroed():
        model = RNNSearch(
            source_vocabulary=85_000, target_vocabulary=85_000, embedding=500, width=1024,
            alignment=2048, maxout=500, decoder="conditional",
        )  # fmt: skip
        model.build()
    assert sum(counts(model)) + 2 * 500 + 1 == 161_260_885


def test_the_equations_in_numpy(model):
    expected, alpha = ByHand(model)(SOURCE[0], TARGET[0])
    np.testing.assert_allclose(logits(model)[0], expected, atol=1e-5)
    found = ops.convert_to_numpy(model.attention({"source": SOURCE, "target": TARGET}))
    assert found.shape == (2, 1, 4, 5)
    np.testing.assert_allclose(found[0, 0], alpha, atol=1e-5)


def test_padding_is_not_read(model):
    """The second source is shorter: its logits are those of its words alone, its weights too."""
    expected, alpha = ByHand(model)(SOURCE[1, :3], TARGET[1])
    np.testing.assert_allclose(logits(model)[1], expected, atol=1e-5)
    found = ops.convert_to_numpy(model.attention({"source": SOURCE, "target": TARGET}))[1, 0]
    np.testing.assert_allclose(found[:, :3], alpha, atol=1e-5)
    assert (found[:, 3:] == 0).all()


def test_steps_in_numpy(model):
    memory, state = model.start({"source": ops.convert_to_tensor(SOURCE)}, 4)
    by_hand = ByHand(model)
    expected = [by_hand(SOURCE[0], TARGET[0])[0], by_hand(SOURCE[1, :3], TARGET[1])[0]]
    for position in range(4):
        token = ops.convert_to_tensor(TARGET[:, position])
        found, state = model.step(token, position, memory, state)
        for row in range(2):
            np.testing.assert_allclose(
                ops.convert_to_numpy(found)[row], expected[row][position], atol=1e-5
            )


def test_the_first_state_is_made_of_the_first_word():
    """s_0 comes from the backward state at position 1, not from the one at the end (A.2.2)."""
    model = tiny()
    memory = model.encode(ops.convert_to_tensor(SOURCE))
    annotations = ops.convert_to_numpy(memory["annotations"])
    weight = weights.arrays(model)
    _, state = model.start({"source": ops.convert_to_tensor(SOURCE)}, 4)
    expected = np.tanh(annotations[:, 0, N:] @ weight["decoder.W_s"] + weight["decoder.b_s"])
    np.testing.assert_allclose(ops.convert_to_numpy(state["s"]), expected, atol=1e-6)


def test_nothing_goes_before_the_first_word(model):
    """The first input is no word: its embedding counts for nothing."""
    other = TARGET.copy()
    other[:, 0] = 17
    np.testing.assert_array_equal(logits(model), logits(model, target=other))


def test_weights_begin_as_in_appendix_b():
    keras.utils.set_random_seed(3)
    model = RNNSearch(
        source_vocabulary=50, target_vocabulary=50, embedding=40, width=40, alignment=40, maxout=20
    )
    model.build()
    for name, array in weights.arrays(model).items():
        leaf = name.split(".")[-1]
        if leaf in BIASES | {"v_a"}:
            assert (array == 0).all(), name
        elif leaf in ("U", "U_zr"):
            blocks = np.split(array, array.shape[1] // 40, axis=1)
            for block in blocks:
                np.testing.assert_allclose(block.T @ block, np.eye(40), atol=1e-5, err_msg=name)
            assert len(blocks) == 1 or not np.allclose(*blocks), name
        else:
            deviation = 0.001 if leaf in ("W_a", "U_a") else 0.01
            assert abs(array.std() - deviation) < 0.1 * deviation, name


def test_another_decoder_is_refused():
    with pytest.raises(ValueError, match="decoder must be one of paper, conditional"):
        tiny(decoder="luong")
