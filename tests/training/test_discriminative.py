"""Discriminative rates and gradual unfreezing: Adam's own changes, scaled group by group."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from zoo.optim.discriminative import DiscriminativeAdam

# Of each group, from the input up; the first has two weights.
SHAPES = [[(3, 4), (4,)], [(4, 4)], [(4, 2)]]
SETTINGS = {"learning_rate": 0.1, "beta_1": 0.7, "beta_2": 0.99, "global_clipnorm": 2.0}


def drawn(updates: int) -> list[list[np.ndarray]]:
    """Return weights, then the gradients of each update, as one list without groups."""
    random = np.random.default_rng(0)
    shapes = [shape for group in SHAPES for shape in group]
    return [
        [random.normal(size=shape).astype("float32") for shape in shapes]
        for _ in range(updates + 1)
    ]


def grouped(flat: list) -> list[list]:
    left = iter(flat)
    return [[next(left) for _ in group] for group in SHAPES]


def numbers(variables) -> list[np.ndarray]:
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def changes(updates: int, **options) -> list[list[list[np.ndarray]]]:
    """Return by how much each update moves the weights of each group."""
    weights, *gradients = drawn(updates)
    variables = [keras.Variable(each) for each in weights]
    plain = options.pop("plain", False)
    settings = SETTINGS | options
    rule = (
        keras.optimizers.Adam(**settings)
        if plain
        else DiscriminativeAdam(grouped(variables), **settings)
    )
    found, before = [], weights
    for gradient in gradients:
        rule.apply([ops.convert_to_tensor(each) for each in gradient], variables)
        after = numbers(variables)
        found.append(grouped([b - a for a, b in zip(before, after, strict=True)]))
        before = after
    return found


def assert_scaled(found, plain, scale: float) -> None:
    for one, other in zip(found, plain, strict=True):
        np.testing.assert_allclose(one, scale * other, rtol=1e-3, atol=2e-7)
        assert np.abs(one).max() > 1e-3


def test_each_group_moves_by_a_factor_less_than_the_one_above():
    """2.6 in the paper; a factor on the gradient would change nothing, as Adam divides by it."""
    for ours, plain in zip(changes(5, factor=2.6), changes(5, plain=True), strict=True):
        for group in range(3):
            assert_scaled(ours[group], plain[group], 2.6 ** (group - 2))


def test_without_a_factor_it_is_adam():
    for ours, plain in zip(changes(3), changes(3, plain=True), strict=True):
        for group in range(3):
            assert_scaled(ours[group], plain[group], 1.0)


@pytest.mark.parametrize("decay", [None, 0.1])
def test_frozen_groups_thaw_one_after_the_other(decay):
    """From the last one down; nothing moves a frozen group, decay of weights neither."""
    settings = {"factor": 2.0, "unfreeze_every": 2, "weight_decay": decay, "global_clipnorm": None}
    plain = changes(6, plain=True, global_clipnorm=None)
    for update, ours in enumerate(changes(6, **settings)):
        for group in range(3):
            depth = 2 - group
            if update < 2 * depth:
                assert not any(each.any() for each in ours[group]), (update, group)
            elif decay is None:
                assert_scaled(ours[group], plain[update][group], 2.0**-depth)
            else:
                assert all(each.any() for each in ours[group])


def test_gradients_of_frozen_groups_do_not_count_in_clipping():
    """Those of the last group are clipped as if it were alone."""
    weights, gradient, second = drawn(2)
    variables = [keras.Variable(each) for each in weights]
    alone = keras.Variable(weights[-1])
    frozen = DiscriminativeAdam(grouped(variables), unfreeze_every=5, **SETTINGS)
    plain = keras.optimizers.Adam(**SETTINGS)
    for each in (gradient, second):
        huge = [100 * one for one in each[:-1]]
        frozen.apply([ops.convert_to_tensor(one) for one in (*huge, each[-1])], variables)
        plain.apply([ops.convert_to_tensor(each[-1])], [alone])
    np.testing.assert_allclose(*numbers([variables[-1], alone]), rtol=1e-5)
    assert np.linalg.norm(gradient[-1]) > SETTINGS["global_clipnorm"]  # there is what to clip


def test_the_rates_of_all_groups_are_held_in_a_variable():
    weights, *gradients = drawn(3)
    variables = [keras.Variable(each) for each in weights]
    rule = DiscriminativeAdam(grouped(variables), 2.0, unfreeze_every=2, **SETTINGS)
    found = []
    for each in gradients:
        rule.apply([ops.convert_to_tensor(one) for one in each], variables)
        found.append(numbers([rule.shares])[0].tolist())
    assert found == [[0, 0, 1], [0, 0, 1], [0, 0.5, 1]]
    assert any(each is rule.shares for each in rule.variables)  # so that a checkpoint has it


def test_weights_decay_by_the_rate_of_their_group():
    """The first update of a weight w takes 0.1 decay w / factor^depth more than without decay."""
    weights = grouped(drawn(0)[0])
    (plain,), (decayed,) = (changes(1, factor=2.0, weight_decay=each) for each in (None, 0.3))
    for group in range(3):
        for without, with_decay, weight in zip(
            plain[group], decayed[group], weights[group], strict=True
        ):
            expected = -0.1 * 0.3 * weight * 2.0 ** (group - 2)
            np.testing.assert_allclose(with_decay - without, expected, rtol=1e-2, atol=1e-6)


class Layers(keras.Model):
    """Three layers, a group each, that count how often Python runs through them."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = [keras.layers.Dense(4) for _ in range(3)]
        self.runs = 0

    def build(self, input_shape=None) -> None:
        for part in self.parts:
            part.build((None, 4))
        self.built = True

    def call(self, x):
        self.runs += 1
        for part in self.parts:
            x = part(x)
        return x


def compiled(seed: int = 1) -> Layers:
    keras.utils.set_random_seed(seed)
    model = Layers()
    model.build()
    groups = [part.trainable_variables for part in model.parts]
    rule = DiscriminativeAdam(groups, 2.6, unfreeze_every=3, learning_rate=0.1)
    model.compile(optimizer=rule, loss="mse")
    rule.build(model.trainable_variables)
    return model


def trained(model: Layers, steps: range) -> None:
    for step in steps:
        x, y = np.random.default_rng(step).normal(size=(2, 5, 4)).astype("float32")
        model.train_on_batch(x, y)


def test_nothing_is_compiled_again_when_a_group_thaws():
    model = compiled()
    trained(model, range(2))
    runs, before = model.runs, [numbers(part.trainable_variables) for part in model.parts]
    trained(model, range(2, 8))
    for part, kernels in zip(model.parts, before, strict=True):
        moved = zip(numbers(part.trainable_variables), kernels, strict=True)
        assert all(np.abs(a - b).max() > 1e-3 for a, b in moved)  # all have thawed
    if keras.backend.backend() == "torch":  # which never compiles
        assert model.runs == runs + 6
    else:
        assert model.runs == runs


def test_a_run_that_goes_on_is_as_one_that_never_stopped():
    """Stopped after four updates, when the second group has thawed and the first has not."""
    whole, first, second = compiled(), compiled(), compiled(seed=2)
    trained(whole, range(9))
    trained(first, range(4))
    for mine, other in ((first, second), (first.optimizer, second.optimizer)):
        for source, target in zip(mine.variables, other.variables, strict=True):
            target.assign(ops.convert_to_numpy(source))
    trained(second, range(4, 9))
    for one, other in zip(
        numbers(whole.trainable_variables), numbers(second.trainable_variables), strict=True
    ):
        np.testing.assert_array_equal(one, other)
