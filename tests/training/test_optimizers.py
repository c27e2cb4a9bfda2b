"""The optimizer is the recipe's, setting for setting, and clips by the global norm.

SGD and Adadelta are followed for a few updates by the papers' own equations in plain NumPy.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo.config import recipe as recipes
from zoo.optim.bert import BertAdam, Lamb
from zoo.optim.optimizers import optimizer


def changed(**changes) -> recipes.Recipe:
    dotted = {f"optimizer.{key}": value for key, value in changes.items()}
    return recipes.load("vaswani2017-wmt14-en-de").changed(dotted)


def test_the_papers_adam():
    made = optimizer(changed())
    assert isinstance(made, keras.optimizers.Adam)
    assert (made.beta_1, made.beta_2, made.epsilon) == (0.9, 0.98, 1e-9)
    assert made.clipnorm is made.clipvalue is made.global_clipnorm is made.weight_decay is None
    assert made.use_ema is False


@pytest.mark.parametrize(
    ("name", "settings", "kind"),
    [
        ("adam", {"weight_decay": 1e-4}, keras.optimizers.Adam),
        ("adadelta", {"rho": 0.9, "epsilon": 1e-6}, keras.optimizers.Adadelta),
        ("sgd", {"momentum": 0.5}, keras.optimizers.SGD),
    ],
)
def test_every_kind_gets_its_settings(name, settings, kind):
    made = optimizer(changed(name=name, clip_norm=2.0, **settings))
    assert isinstance(made, kind)
    assert made.global_clipnorm == 2.0
    for key, value in settings.items():
        assert getattr(made, key) == value


def test_clipping_is_by_the_norm_of_all_gradients():
    """Two gradients of norm 3 and 4 have norm 5 together: clipped to 1, a fifth of each is left."""
    made = changed(name="sgd", clip_norm=1.0)
    made = made.changed({"schedule.name": "constant", "schedule.peak": 1.0, "schedule.warmup": 0})
    variables = [keras.Variable(np.zeros(1, "float32")) for _ in range(2)]
    gradients = [keras.ops.convert_to_tensor(np.array([each], "float32")) for each in (3.0, 4.0)]
    optimizer(made).apply(gradients, variables)
    found = [float(keras.ops.convert_to_numpy(each)[0]) for each in variables]
    assert found == pytest.approx([-0.6, -0.8], rel=1e-4)


SHAPES = [(3, 4), (5,), (2, 2, 2)]


def drawn(updates: int, scale: float) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Return weights and, for each update, their gradients; these differ in size by update."""
    random = np.random.default_rng(0)
    weights = [random.normal(size=shape).astype("float32") for shape in SHAPES]
    sizes = scale * 10.0 ** random.uniform(-1, 1, size=updates)
    gradients = [
        [(size * random.normal(size=shape)).astype("float32") for shape in SHAPES] for size in sizes
    ]
    return weights, gradients


def followed(made: recipes.Recipe, weights, gradients) -> list[list[np.ndarray]]:
    """Return the weights after each update of the recipe's optimizer."""
    variables = [keras.Variable(each) for each in weights]
    kept, found = optimizer(made), []
    for each in gradients:
        kept.apply([keras.ops.convert_to_tensor(part) for part in each], variables)
        found.append([np.array(keras.ops.convert_to_numpy(variable)) for variable in variables])
    return found


def clipped(gradient: list[np.ndarray], most: float) -> tuple[list[np.ndarray], bool]:
    """Return the gradient, most / norm of it if its norm is larger (sutskever2014, section 3.4)."""
    gradient = [each.astype(np.float64) for each in gradient]
    norm = np.sqrt(sum((each**2).sum() for each in gradient))
    return ([each * most / norm for each in gradient], True) if norm > most else (gradient, False)


def test_sutskevers_sgd():
    """g = gradient, 5 g / s where s = |g| > 5; w = w - 0.7 g, without momentum."""
    made = recipes.load("sutskever2014-wmt14-en-fr")
    weights, gradients = drawn(6, scale=1.0)
    found = followed(made, weights, gradients)
    weights = [each.astype(np.float64) for each in weights]
    large = 0
    for gradient, after in zip(gradients, found, strict=True):
        gradient, was_large = clipped(gradient, 5.0)
        weights = [w - 0.7 * g for w, g in zip(weights, gradient, strict=True)]
        large += was_large
        for ours, theirs in zip(after, weights, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert 0 < large < len(gradients)


def test_bahdanaus_adadelta():
    """Zeiler's algorithm 1 (arXiv 1212.5701), with rho 0.95 and epsilon 1e-6, no rate of its own.

    E[g2] = rho E[g2] + (1 - rho) g2; dx = -sqrt(E[dx2] + eps) / sqrt(E[g2] + eps) g;
    E[dx2] = rho E[dx2] + (1 - rho) dx2; x = x + dx. The gradient is clipped to norm 1 before.
    """
    made = recipes.load("bahdanau2015-wmt14-en-fr")
    weights, gradients = drawn(8, scale=0.2)
    found = followed(made, weights, gradients)
    rho, epsilon = 0.95, 1e-6
    weights = [each.astype(np.float64) for each in weights]
    squares = [np.zeros_like(each) for each in weights]
    changes = [np.zeros_like(each) for each in weights]
    before, large = [each.astype(np.float32) for each in weights], 0
    for gradient, after in zip(gradients, found, strict=True):
        gradient, was_large = clipped(gradient, 1.0)
        large += was_large
        for i, g in enumerate(gradient):
            squares[i] = rho * squares[i] + (1 - rho) * g**2
            change = -np.sqrt(changes[i] + epsilon) / np.sqrt(squares[i] + epsilon) * g
            changes[i] = rho * changes[i] + (1 - rho) * change**2
            weights[i] = weights[i] + change
            # The first changes are of the size of sqrt(eps) = 1e-3: a rate of 0.001 would show.
            np.testing.assert_allclose(after[i], weights[i], atol=2e-6)
            assert np.abs(after[i] - before[i]).max() > 5e-4
        before = after
    assert 0 < large < len(gradients)


def bert_rule(name: str, decay: float) -> recipes.Recipe:
    made = changed(
        name=name, beta_1=0.9, beta_2=0.999, epsilon=1e-6, weight_decay=decay, decay_vectors=False,
        clip_norm=1.0,
    )  # fmt: skip
    return made.changed({"schedule.name": "constant", "schedule.peak": 0.02, "schedule.warmup": 0})


@pytest.mark.parametrize("name", ["bert-adam", "lamb"])
@pytest.mark.parametrize("decay", [0.01, 0.5])
def test_berts_adam_and_alberts_lamb(name, decay):
    """As in optimization.py and lamb_optimizer.py of the papers' code, in NumPy.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g2; r = m / (sqrt(v) + eps), for matrices + decay w;
    w = w - rate r, for LAMB's matrices times |w| / |r|. The gradient is clipped to norm 1 before.
    """
    weights, gradients = drawn(8, scale=0.3)
    weights.append(np.zeros((2, 2), "float32"))  # its norm is 0: LAMB takes the step as it is
    gradients = [[*each, np.full((2, 2), 0.1, "float32")] for each in gradients]
    variables = [keras.Variable(each) for each in weights]
    holder = type("Holder", (), {"trainable_variables": variables})()
    kept = optimizer(bert_rule(name, decay), holder)
    assert isinstance(kept, keras.optimizers.Adam)
    weights = [each.astype(np.float64) for each in weights]
    m, v = ([np.zeros_like(each) for each in weights] for _ in range(2))
    large = 0
    for gradient in gradients:
        kept.apply([keras.ops.convert_to_tensor(part) for part in gradient], variables)
        gradient, was_large = clipped(gradient, 1.0)
        large += was_large
        for i, g in enumerate(gradient):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g**2
            r = m[i] / (np.sqrt(v[i]) + 1e-6)
            ratio = 1.0
            if weights[i].ndim > 1:
                r = r + decay * weights[i]
                norms = np.sqrt((weights[i] ** 2).sum()), np.sqrt((r**2).sum())
                ratio = norms[0] / norms[1] if name == "lamb" and min(norms) > 0 else 1.0
            weights[i] = weights[i] - 0.02 * ratio * r
            found = keras.ops.convert_to_numpy(variables[i])
            np.testing.assert_allclose(found, weights[i], atol=2e-5)
    assert 0 < large < len(gradients)


def test_keras_own_rules_are_others():
    """Why the zoo has its own: on the first update Adam's corrected step is 1 / sqrt(10) of BERT's,
    and Keras' LAMB decays outside of the trust ratio."""
    weight, gradient = np.full((2, 2), 2.0, "float32"), np.ones((2, 2), "float32")

    def stepped(rule) -> float:
        variable = keras.Variable(weight)
        rule.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        return float(2.0 - keras.ops.convert_to_numpy(variable)[0, 0])

    settings = {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-12}
    assert stepped(keras.optimizers.Adam(**settings)) == pytest.approx(0.01, rel=1e-3)
    assert stepped(BertAdam(**settings)) == pytest.approx(0.01 * 10**0.5, rel=1e-3)
    settings["weight_decay"] = 1.0
    assert stepped(Lamb(**settings)) == pytest.approx(0.01 * 2.0, rel=1e-3)
    assert stepped(keras.optimizers.Lamb(**settings)) == pytest.approx(
        0.01 * 2.0 + 0.01 * 2.0, rel=2e-2
    )


def test_lamb_knows_its_vectors_after_a_keras_file(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    rule = Lamb(0.1, weight_decay=0.5, global_clipnorm=1.0)
    rule.exclude_from_weight_decay([model.layers[0].bias])
    model.compile(optimizer=rule, loss="mse")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert (again.plain, again.decay, again.global_clipnorm) == ([1], 0.5, 1.0)


def test_vectors_do_not_decay_where_only_matrices_shall():
    """gpt1's rule: decoupled decay of matrices, none of biases and gains."""
    made = changed(name="adam", weight_decay=0.1, decay_vectors=False)
    made = made.changed({"schedule.name": "constant", "schedule.peak": 0.5, "schedule.warmup": 0})
    layer = keras.layers.Dense(2, kernel_initializer="ones", bias_initializer="ones")
    model = keras.Sequential([keras.Input((3,)), layer])
    zero = [keras.ops.zeros(each.shape) for each in model.trainable_variables]
    optimizer(made, model).apply(zero, model.trainable_variables)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.kernel), 0.95, rtol=1e-6)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.bias), 1.0)
