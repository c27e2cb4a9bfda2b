"""The feed-forward network of words: its sizes, its equation in NumPy, its gradients by PyTorch."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from tiny import zeroed

from zoo.bundle import weights
from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.models.bengio2003 import NeuralLanguageModel
from zoo.optim.optimizers import optimizer

TOKENS = np.array([[5, 6, 7, 5, 8, 1, 2], [9, 10, 5, 3, 12, 6, 4]], dtype="int32")
LABELS = np.array([[6, 7, 5, 8, 1, 2, 11], [10, 5, 3, 12, 6, 4, 0]], dtype="int32")
PADDING = 3
NETWORKS = {
    "direct": {"hidden": 5, "direct": True},
    "hidden alone": {"hidden": 5, "direct": False},
    "no hidden units": {"hidden": 0, "direct": True},
}


def tiny(**arguments) -> NeuralLanguageModel:
    sizes = {
        "vocabulary": 20,
        "order": 4,
        "embedding": 3,
        "hidden": 5,
        "direct": True,
        "start_id": PADDING,
    }
    model = NeuralLanguageModel(**(sizes | arguments))
    model.build()
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(random.normal(scale=0.5, size=variable.shape))
    return model


def numbers(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


# Its weights


@pytest.mark.parametrize(
    ("size", "count", "parts"),
    [
        ("mlp1", 5_762_483, {982_980, 12_000, 50, 819_150, 16_383, 3_931_920}),
        ("mlp3", 4_931_283, {982_980, 16_383, 3_931_920}),
        ("mlp5", 3_299_033, None),
        ("mlp7", 2_313_053, None),
        ("mlp9", 2_158_273, {491_490, 12_000, 100, 1_638_300, 16_383}),
        ("ap", 11_904_264, None),
        ("names", 11_897, {270, 6_000, 200, 5_400, 27}),
    ],
)
def test_the_papers_sizes_to_the_weight(size, count, parts):
    found = catalog.size(catalog.entry("bengio2003"), size)
    with zeroed():
        model = NeuralLanguageModel(**found.arguments)
        model.build()
    assert model.count_params() == found.params == count
    v, n, m, h = (found.arguments[each] for each in ("vocabulary", "order", "embedding", "hidden"))
    direct = v * (n - 1) * m
    formula = v * (1 + n * m + h) + h * (1 + (n - 1) * m)
    assert count == formula - (0 if found.arguments["direct"] else direct)
    if parts:
        assert {int(np.prod(each.shape)) for each in model.trainable_variables} == parts


def test_names_of_weights_are_a_format():
    """A bundle is keyed by these names: changing one breaks every bundle that is out there."""
    assert list(weights.variables(tiny())) == [
        "direct.kernel", "embedding.embeddings", "hidden_layer.bias", "hidden_layer.kernel",
        "output_layer.bias", "output_layer.kernel",
    ]  # fmt: skip
    alone = ["direct.bias", "direct.kernel", "embedding.embeddings"]
    assert list(weights.variables(tiny(hidden=0))) == alone


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"order": 1}, "order is 1, and is at least 2"),
        ({"hidden": 0, "direct": False}, "without hidden units the output needs direct connect"),
    ],
)
def test_networks_that_predict_nothing_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        tiny(**arguments)


# What it computes


def by_hand(model, tokens: np.ndarray) -> np.ndarray:
    """Logits of equation 1, one word after the other: y = b + W x + U tanh(d + H x)."""
    sizes, weight = model.arguments, weights.arrays(model)
    C = weight["embedding.embeddings"]
    rows = []
    for row in tokens:
        words = [PADDING] * (sizes.order - 1) + row.tolist()
        for t in range(sizes.order - 1, len(words)):
            x = np.concatenate([C[words[t - k]] for k in range(sizes.order - 1)])
            y = np.zeros(sizes.vocabulary)
            if sizes.hidden:
                H, d = weight["hidden_layer.kernel"].T, weight["hidden_layer.bias"]
                U, b = weight["output_layer.kernel"].T, weight["output_layer.bias"]
                y += b + U @ np.tanh(d + H @ x)
            if sizes.direct:
                y += weight["direct.kernel"].T @ x + weight.get("direct.bias", 0.0)
            rows.append(y)
    return np.reshape(rows, (*tokens.shape, -1))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("order", [2, 3, 5, 12])
def test_it_is_equation_1(network, order):
    model = tiny(order=order, **NETWORKS[network])
    np.testing.assert_allclose(numbers(model(TOKENS)), by_hand(model, TOKENS), atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_its_gradients_are_pytorchs(network):
    """One step of plain gradient descent at rate 1 subtracts the gradient."""
    torch = pytest.importorskip("torch")
    model = tiny(**NETWORKS[network])
    before = weights.arrays(model)
    weight = {name: torch.tensor(each, requires_grad=True) for name, each in before.items()}
    padded = np.concatenate([np.full((2, 3), PADDING), TOKENS], axis=1)
    vectors = weight["embedding.embeddings"][torch.tensor(padded)]
    x = torch.cat([vectors[:, 3:], vectors[:, 2:-1], vectors[:, 1:-2]], dim=-1)
    y = torch.zeros(())
    if "hidden_layer.kernel" in weight:
        hidden = torch.tanh(x @ weight["hidden_layer.kernel"] + weight["hidden_layer.bias"])
        y = y + hidden @ weight["output_layer.kernel"] + weight["output_layer.bias"]
    if "direct.kernel" in weight:
        y = y + x @ weight["direct.kernel"] + weight.get("direct.bias", torch.zeros(()))
    labels = torch.tensor(LABELS).long()
    torch.nn.functional.cross_entropy(y.reshape(-1, 20), labels.reshape(-1)).backward()
    model.compile(
        optimizer=keras.optimizers.SGD(1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.train_on_batch(TOKENS, LABELS)
    for name, after in weights.arrays(model).items():
        gradient = weight[name].grad.numpy()
        assert np.abs(gradient).max() > 1e-3, name
        np.testing.assert_allclose(before[name] - after, gradient, atol=1e-6, err_msg=name)


def test_a_word_counts_for_the_next_n_minus_1_words_and_no_longer():
    model = tiny(order=4)
    changed = TOKENS.copy()
    changed[:, 1] = 15
    apart = np.abs(numbers(model(changed)) - numbers(model(TOKENS))).max(axis=-1)
    assert (apart[:, 1:4] > 1e-3).all()
    assert (apart[:, [0, 4, 5, 6]] == 0).all()


def test_its_state_is_the_last_words():
    model = tiny(order=5)
    first = numbers(model.initial_state(2)["words"])
    np.testing.assert_array_equal(first, np.full((2, 4), PADDING))
    _, state = model.read(TOKENS[:, :3], model.initial_state(2))
    expected = [[PADDING, 5, 6, 7], [PADDING, 9, 10, 5]]
    np.testing.assert_array_equal(numbers(state["words"]), expected)
    logits, state = model.read(TOKENS[:, 3:], state)
    np.testing.assert_array_equal(numbers(state["words"]), TOKENS[:, -4:])
    np.testing.assert_allclose(numbers(logits), by_hand(model, TOKENS)[:, 3:], atol=1e-5)


# The paper's training


def test_weights_decay_and_biases_do_not():
    """Section 3.1: the penalty is on W, H, U and C, not on b and d."""
    paper = recipes.load("bengio2003-brown")
    assert paper.optimizer.weight_decay == 1e-4
    assert (paper.schedule.peak, paper.schedule.decay) == (1e-3, 1e-8)
    assert (paper.train.batch_sentences, paper.train.bptt) == (1, 1)  # one word at a time
    model = tiny()
    before = weights.arrays(model)
    rule = optimizer(paper.changed({"optimizer.learning_rate": 1000.0}), model)
    rule.build(model.trainable_variables)
    rule.apply([ops.zeros(each.shape) for each in model.trainable_variables])
    for name, after in weights.arrays(model).items():
        kept = 1.0 if name.endswith("bias") else 1.0 - 1e-4
        np.testing.assert_allclose(after, kept * before[name], rtol=1e-6, err_msg=name)
