"""RNNLM: its size to the weight, its equations and gradients in plain numpy, RNNLM's arithmetic."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from tiny import zeroed

from zoo.bundle import weights
from zoo.models.mikolov2010 import RecurrentNetwork, classes_by_rank, fast_exponential
from zoo.training.streaming import Carried

VOCABULARY, WIDTH = 11, 5
TOKENS = np.random.default_rng(0).integers(0, VOCABULARY, (2, 9)).astype("int32")
LABELS = np.random.default_rng(1).integers(0, VOCABULARY, (2, 9)).astype("int32")
NAMES = ["embedding.embeddings", "hidden.recurrent_kernel", "softmax.kernel"]


def tiny(**arguments) -> RecurrentNetwork:
    """A model with weights far from zero, so that every term of the equations counts."""
    model = RecurrentNetwork(**({"vocabulary": VOCABULARY, "width": WIDTH} | arguments))
    model.build()
    random = np.random.default_rng(2)
    for variable in model.trainable_variables:
        variable.assign(random.normal(scale=0.8, size=variable.shape))
    return model


def numbers(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


# The network in plain numpy, word by word ---------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def plain_states(model, tokens: np.ndarray) -> np.ndarray:
    """Return s(0) and s(t) after each word of one text, float64 [words + 1, width]."""
    U, R, _ = (weights.arrays(model)[name].astype(float) for name in NAMES)
    states = [np.full(WIDTH, 0.1)]
    for word in tokens:
        states.append(sigmoid(U[word] + states[-1] @ R))
    return np.array(states)


def plain_gradients(model, tokens, labels, steps_back) -> list[np.ndarray]:
    """Return the gradients of the sum of -log p of one text's labels with respect to U, R, V.

    Each output's error goes back alone, through `steps_back(t)` copies of the network.
    """
    U, R, V = (weights.arrays(model)[name].astype(float) for name in NAMES)
    states = plain_states(model, tokens)
    dU, dR, dV = np.zeros_like(U), np.zeros_like(R), np.zeros_like(V)
    for t in range(len(tokens)):
        s = states[t + 1]
        y = np.exp(s @ V) / np.exp(s @ V).sum()
        y[labels[t]] -= 1.0
        dV += np.outer(s, y)
        error = V @ y
        for u in range(t, max(t - steps_back(t), -1), -1):
            net = error * states[u + 1] * (1 - states[u + 1])
            dU[tokens[u]] += net
            dR += np.outer(states[u], net)
            error = R @ net
    return [dU, dR, dV]


def found_gradients(model, batches, carried: bool = True) -> list[np.ndarray]:
    """Return the gradients of the sum of -log p over the labels, summed over batches of one pass.

    A step of plain gradient descent with rate 1 subtracts them; after each batch the weights go
    back, so that all batches see the same ones. The state passes from batch to batch, if it is
    carried.
    """
    rows = len(batches[0][0])
    trained = Carried(model, rows)
    trained.compile(
        optimizer=keras.optimizers.SGD(1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"),
        run_eagerly=keras.backend.backend() != "jax",
    )
    before, total = weights.arrays(model), None
    for number, (tokens, labels) in enumerate(batches):
        carry = np.full((rows, 1), float(carried and number > 0), "float32")
        trained.train_on_batch({"tokens": tokens, "carry": carry}, labels)
        after = weights.arrays(model)
        moved = [before[name] - after[name] for name in NAMES]
        total = moved if total is None else [a + b for a, b in zip(total, moved, strict=True)]
        for name, variable in weights.variables(model).items():
            variable.assign(before[name])
    return total


def assert_close(found, expected) -> None:
    for name, one, other in zip(NAMES, found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5, err_msg=name)


# Its weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "count"), [(100, 2_010_000), (200, 4_040_000), (250, 5_062_500)])
def test_the_papers_sizes_to_the_weight(width, count):
    with zeroed():
        model = RecurrentNetwork(vocabulary=10_000, width=width)
        model.build()
    assert model.count_params() == count


def test_names_of_weights_are_a_format():
    assert list(weights.variables(tiny())) == NAMES
    more = weights.variables(tiny(classes=3, stored_start=True))
    assert set(more) - set(NAMES) == {"class_index", "class_softmax.kernel", "hidden.start"}


def test_what_training_begins_with():
    keras.utils.set_random_seed(3)
    model = RecurrentNetwork(vocabulary=300, width=40)
    model.build()
    for name, array in weights.arrays(model).items():
        assert array.mean() == pytest.approx(0.0, abs=0.03), name
        assert array.var() == pytest.approx(0.1, rel=0.1), name
    assert (numbers(model.initial_state(2)["h"]) == np.float32(0.1)).all()


# What it computes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("tau", [0, 1, 4])
def test_it_is_equations_1_to_5(tau):
    model = tiny(tau=tau)
    V = weights.arrays(model)["softmax.kernel"]
    expected = [plain_states(model, row)[1:] @ V for row in TOKENS]
    np.testing.assert_allclose(numbers(model(TOKENS)), expected, atol=1e-5)


@pytest.mark.parametrize("tau", [1, 3, 5])
def test_each_output_sends_its_error_tau_steps_back(tau):
    """Boden's: the gradients of all copies, of each output by itself, are added up."""
    model = tiny(tau=tau)
    each = [plain_gradients(model, *row, lambda t: tau) for row in zip(TOKENS, LABELS, strict=True)]
    expected = [sum(parts) for parts in zip(*each, strict=True)]
    assert_close(found_gradients(model, [(TOKENS, LABELS)]), expected)


def test_with_tau_1_the_last_state_is_one_more_input():
    """The gradient of R is the product of s(t-1) and the error at t alone (Elman)."""
    model, tokens, labels = tiny(tau=1), TOKENS[:1, :2], LABELS[:1, :2]
    _, R, V = (weights.arrays(model)[name] for name in NAMES)
    states = plain_states(model, tokens[0])
    expected = np.zeros_like(R)
    for t in (0, 1):
        s = states[t + 1]
        y = np.exp(s @ V) / np.exp(s @ V).sum() - np.eye(VOCABULARY)[labels[0, t]]
        expected += np.outer(states[t], (V @ y) * s * (1 - s))
    found = found_gradients(model, [(tokens, labels)])[1]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("tau", [3, 5])
@pytest.mark.parametrize("length", [1, 2])
def test_errors_go_back_into_earlier_batches(tau, length):
    """Batches of one word are the authors' online training: its errors must reach the words before.

    The weights do not change between the batches, so the sum is that of one batch of all words.
    """
    model = tiny(tau=tau)
    pieces = [slice(first, first + length) for first in range(0, TOKENS.shape[1], length)]
    found = found_gradients(model, [(TOKENS[:, piece], LABELS[:, piece]) for piece in pieces])
    assert_close(found, found_gradients(model, [(TOKENS, LABELS)]))


def test_no_error_goes_back_beyond_the_beginning_of_a_pass():
    model, pieces = tiny(tau=4), (slice(0, 4), slice(4, 6))
    batches = [(TOKENS[:, piece], LABELS[:, piece]) for piece in pieces]
    each = [
        plain_gradients(model, *row, lambda t: 4)
        for batch in batches
        for row in zip(*batch, strict=True)
    ]
    expected = [sum(parts) for parts in zip(*each, strict=True)]
    assert_close(found_gradients(model, batches, carried=False), expected)


def test_the_chunk_lets_errors_flow_to_its_beginning():
    model = tiny(tau=0)
    each = [
        plain_gradients(model, *row, lambda t: t + 1) for row in zip(TOKENS, LABELS, strict=True)
    ]
    expected = [sum(parts) for parts in zip(*each, strict=True)]
    assert_close(found_gradients(model, [(TOKENS, LABELS)]), expected)
    assert_close(found_gradients(tiny(tau=9), [(TOKENS, LABELS)]), expected)


def test_gradients_of_the_chunk_are_the_backends_own():
    """What PyTorch's autograd finds for the loop that anybody would write."""
    torch = pytest.importorskip("torch")
    model = tiny(tau=0)
    U, R, V = (torch.tensor(weights.arrays(model)[name], requires_grad=True) for name in NAMES)
    tokens, labels = torch.tensor(TOKENS).long(), torch.tensor(LABELS).long()
    s, logits = torch.full((2, WIDTH), 0.1), []
    for t in range(TOKENS.shape[1]):
        s = torch.sigmoid(U[tokens[:, t]] + s @ R)
        logits.append(s @ V)
    flat = torch.stack(logits, 1).flatten(0, 1)
    torch.nn.functional.cross_entropy(flat, labels.flatten(), reduction="sum").backward()
    expected = [each.grad.numpy() for each in (U, R, V)]
    assert_close(found_gradients(model, [(TOKENS, LABELS)]), expected)


def test_dropout_is_on_what_is_read_and_on_what_the_output_reads():
    model = tiny(width=VOCABULARY, dropout=0.5)
    U = weights.arrays(model)[NAMES[0]]
    model.hidden.recurrent_kernel.assign(np.zeros((VOCABULARY, VOCABULARY)))
    model.softmax.kernel.assign(np.eye(VOCABULARY))  # the logits are what it reads
    assert numbers(model(TOKENS)) == pytest.approx(sigmoid(U[TOKENS]), abs=1e-5)
    found = numbers(model(TOKENS, training=True))
    expected = np.stack([np.zeros_like(found), np.ones_like(found), 2 * sigmoid(2 * U[TOKENS])])
    assert np.abs(found - expected).min(axis=0).max() < 1e-4
    assert all((np.abs(found - each) < 1e-4).sum() > 20 for each in expected)


# RNNLM's arithmetic -------------------------------------------------------------------------------


def test_the_fast_exponential_is_a_number_written_into_bits():
    x = np.linspace(-60, 30, 5001, dtype="float32")
    bits = np.float32(1.442695040) * x + np.float32(126.94269504)
    expected = (np.float32(2**23) * bits).astype("uint32").view("float32")
    found = numbers(fast_exponential(ops.convert_to_tensor(x)))
    np.testing.assert_allclose(found, expected, rtol=3e-5)  # a last digit of x log2(e)
    off = expected / np.exp(x.astype(float)) - 1
    assert -0.04 < off.min() < -0.035
    assert 0.019 < off.max() < 0.021


def softmax(z):
    return np.exp(z - z.max()) / np.exp(z - z.max()).sum()


def test_classes_factor_the_output():
    model = tiny(classes=3)
    index = weights.arrays(model)["class_index"]
    np.testing.assert_array_equal(index, classes_by_rank(VOCABULARY, 3))
    assert sorted(set(index)) == [0, 1, 2]
    V, C = (weights.arrays(model)[f"{name}.kernel"] for name in ("softmax", "class_softmax"))
    s = plain_states(model, TOKENS[0])[-1]
    expected = np.zeros(VOCABULARY)
    for c, of_class in enumerate(softmax(s @ C)):
        expected[index == c] = of_class * softmax((s @ V)[index == c])
    found = numbers(model(TOKENS[:1]))[0, -1]
    np.testing.assert_allclose(found, np.log(expected), atol=1e-5)
    model.class_index.assign(index[::-1].copy())  # any words may share a class
    np.testing.assert_allclose(np.exp(numbers(model(TOKENS))).sum(-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("classes", [0, 3])
def test_probabilities_of_the_fast_exponential_sum_to_one_and_learn(classes):
    exact, fast = tiny(classes=classes), tiny(classes=classes, fast_exponential=True)
    found, near = numbers(fast(TOKENS)), numbers(exact(TOKENS))
    np.testing.assert_allclose(np.exp(found).sum(-1), 1.0, atol=1e-5)
    near = near - np.log(np.exp(near).sum(-1, keepdims=True))
    assert 1e-3 < np.abs(found - near).max() < 0.2
    gradients = [found_gradients(each, [(TOKENS, LABELS)]) for each in (fast, exact)]
    for one, other in zip(*gradients, strict=True):
        assert np.abs(one - other).max() < 0.1 * np.abs(other).max()


def test_a_text_may_begin_with_a_stored_state():
    model, other = tiny(stored_start=True), tiny()
    np.testing.assert_allclose(numbers(model(TOKENS)), numbers(other(TOKENS)), atol=1e-6)
    model.hidden.start.assign(np.linspace(0.0, 1.0, WIDTH))
    assert (numbers(model.initial_state(3)["h"]) == np.linspace(0, 1, WIDTH, dtype="f4")).all()
    assert np.abs(numbers(model(TOKENS)) - numbers(other(TOKENS))).max() > 1e-2
