"""NT-ASGD: steps of plain SGD, the mean of the weights since it began, and when it begins."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest
import tiny_stream
from keras import ops

from zoo.optim.asgd import ASGD, stalled
from zoo.tasks.likelihood import stream_loss
from zoo.training import callbacks, checkpoints
from zoo.training.streaming import Carried

SHAPES = [(3, 4), (5,)]
SETTINGS = {"learning_rate": 0.5, "global_clipnorm": 2.0, "weight_decay": 0.01}


def drawn(updates: int) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Return weights and the gradients of each update."""
    random = np.random.default_rng(0)
    weights, *gradients = (
        [random.normal(size=shape).astype("float32") for shape in SHAPES]
        for _ in range(updates + 1)
    )
    return weights, gradients


def numbers(variables) -> list[np.ndarray]:
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def apply(rule, variables, gradients) -> list[np.ndarray]:
    rule.apply([ops.convert_to_tensor(each) for each in gradients], variables)
    return numbers(variables)


def assert_close(found, expected) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_steps_are_those_of_plain_sgd_while_it_averages_too():
    weights, gradients = drawn(6)
    rules = [ASGD(**SETTINGS), keras.optimizers.SGD(**SETTINGS)]
    variables = [[keras.Variable(each) for each in weights] for _ in rules]
    for step, gradient in enumerate(gradients):
        if step == 3:
            rules[0].begin()
        ours, plain = (
            apply(rule, own, gradient) for rule, own in zip(rules, variables, strict=True)
        )
        assert_close(ours, plain)


@pytest.mark.parametrize("first", [0, 3])
def test_the_mean_is_of_all_weights_since_it_began(first):
    weights, gradients = drawn(7)
    rule, variables = ASGD(**SETTINGS), [keras.Variable(each) for each in weights]
    rule.build(variables)
    seen: list[list[np.ndarray]] = []
    for step, gradient in enumerate(gradients):
        if step == first:
            assert not rule.averages
            rule.begin()
        assert rule.averages == (step >= first)
        seen.append(apply(rule, variables, gradient))
        counted = seen[first:] or seen[-1:]
        assert_close(numbers(rule.means), mean(counted))


def mean(counted: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Return the mean of the same weights at several times."""
    return [np.mean(each, axis=0) for each in zip(*counted, strict=True)]


def model(seed: int = 1) -> keras.Model:
    """One layer, built and compiled."""
    keras.utils.set_random_seed(seed)
    made = keras.Sequential([keras.layers.Dense(2)])
    made.build((None, 3))
    made.compile(optimizer=ASGD(learning_rate=0.1), loss="mse")
    made.optimizer.build(made.trainable_variables)
    return made


def trained(made: keras.Model, steps: int, seed: int = 0) -> list[list[np.ndarray]]:
    """Return the weights after each of some updates."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(steps):
        x, y = (random.normal(size=(4, width)).astype("float32") for width in (3, 2))
        made.train_on_batch(x, y)
        found.append(numbers(made.trainable_variables))
    return found


def test_a_compiled_step_averages_too():
    """Mean and weight begin equal and must not be one array."""
    made = model()
    assert_close(numbers(made.optimizer.means), numbers(made.trainable_variables))
    before = trained(made, 2)
    assert_close(numbers(made.optimizer.means), before[-1])
    made.optimizer.begin()
    after = trained(made, 3, seed=1)
    assert_close(numbers(made.optimizer.means), mean(after))
    assert np.abs(mean(after)[0] - after[-1][0]).max() > 1e-3


def test_the_means_are_lent_and_the_weights_come_back():
    made = model()
    raw = trained(made, 2)[-1]
    with made.optimizer.swapped(made.trainable_variables):  # none are there yet
        assert_close(numbers(made.trainable_variables), raw)
    made.optimizer.begin()
    raw = trained(made, 3, seed=1)[-1]
    means = numbers(made.optimizer.means)
    found = []

    def broken_off():
        with made.optimizer.swapped(made.trainable_variables):
            found.extend(numbers(made.trainable_variables))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert all(map(np.array_equal, found, means))
    assert all(map(np.array_equal, numbers(made.trainable_variables), raw))
    # What was lent was a copy: going on changes both as before.
    again = trained(made, 1, seed=2)[-1]
    expected = [old + (x - old) / 4 for x, old in zip(again, means, strict=True)]
    assert_close(numbers(made.optimizer.means), expected)


def test_a_checkpoint_has_both(tmp_path):
    """Resuming goes on with the weights as they are; what is measured are the means."""
    made = model()
    trained(made, 2)
    state = {"history": [], "best": None, "best_loss": None}
    plain = checkpoints.save(tmp_path, 2, made, state)
    assert not (plain / checkpoints.MEANS).exists()
    made.optimizer.begin()
    raw = trained(made, 3, seed=1)[-1]
    means = numbers(made.optimizer.means)
    path = checkpoints.save(tmp_path, 5, made, state)
    assert all(map(np.array_equal, numbers(made.trainable_variables), raw))

    other = model(seed=2)
    checkpoints.restore_weights(path, other)
    assert all(map(np.array_equal, numbers(other.trainable_variables), means))
    assert not other.optimizer.averages
    checkpoints.restore(path, other)
    assert all(map(np.array_equal, numbers(other.trainable_variables), raw))
    assert all(map(np.array_equal, numbers(other.optimizer.means), means))
    assert other.optimizer.averages
    ends = [trained(each, 2, seed=2)[-1] for each in (made, other)]
    assert all(map(np.array_equal, *ends))
    assert all(map(np.array_equal, numbers(made.optimizer.means), numbers(other.optimizer.means)))

    checkpoints.restore_weights(plain, other)
    assert not any(map(np.array_equal, numbers(other.trainable_variables), means))


# When it begins


def begins(losses: list[float], nonmonotone: int) -> int | None:
    """The epoch after which the authors' main.py begins to average, counted from 0."""
    best_val_loss: list[float] = []
    for epoch, val_loss in enumerate(losses):
        if len(best_val_loss) > nonmonotone and val_loss > min(best_val_loss[:-nonmonotone]):
            return epoch
        best_val_loss.append(val_loss)
    return None


def ours(losses: list[float], nonmonotone: int) -> int | None:
    return next(
        (each for each in range(len(losses)) if stalled(losses[: each + 1], nonmonotone)), None
    )


@pytest.mark.parametrize("nonmonotone", [1, 2, 5])
def test_it_begins_when_the_authors_code_does(nonmonotone):
    random = np.random.default_rng(nonmonotone)
    epochs = set()
    for _ in range(200):
        losses = (5 - 0.3 * np.arange(20) + random.normal(scale=0.8, size=20)).tolist()
        assert ours(losses, nonmonotone) == begins(losses, nonmonotone)
        epochs.add(begins(losses, nonmonotone))
    assert len(epochs) > 5


def test_the_papers_rule_by_hand():
    falling = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0]
    assert ours(falling, 5) is None
    assert ours([5.0] * 20, 5) is None  # no worse than the best
    assert ours([1.0, *falling], 5) == 6  # the first epoch that has more than five before it
    # 5.5 is worse than 5.0, which is not among the last five from the sixth epoch after it on.
    assert ours([9.0, 5.0, *[5.5] * 10], 5) == 7


# A whole run


def test_a_run_measures_and_keeps_the_means(tmp_path, monkeypatch):
    """It begins after the second of four epochs; resumed for the last, it is the same run."""
    monkeypatch.setattr(callbacks, "stalled", lambda losses, nonmonotone: len(losses) == 2)
    recipe = tiny_stream.made(
        optimizer__name="asgd", optimizer__nonmonotone=5, schedule__peak=2.0, train__updates=8,
        train__vary_bptt=False,
    )  # fmt: skip
    folder = tmp_path / "whole"
    run = tiny_stream.fitted(folder, recipe)
    assert (folder / "step-00000006" / checkpoints.MEANS).exists()
    shutil.copytree(folder, tmp_path / "broken")
    shutil.rmtree(tmp_path / "broken" / "step-00000008")
    again = tiny_stream.fitted(tmp_path / "broken", recipe, seed=99, resume=True)
    for name in (checkpoints.MEANS, checkpoints.WEIGHTS, checkpoints.OPTIMIZER):
        ends = [(tmp_path / each / "step-00000008" / name) for each in ("whole", "broken")]
        assert ends[0].read_bytes() == ends[1].read_bytes(), name
    assert again.result.val_loss == run.result.val_loss

    # What was measured are the means: without their file, other weights are restored.
    ids, losses = tiny_stream.documents(4, 1).tokens.ids, []
    for file in (checkpoints.MEANS, checkpoints.WEIGHTS):
        surrounding = Carried(run.model, recipe.train.batch_sentences)
        checkpoints.restore_weights(folder / "step-00000008", surrounding)
        losses.append(stream_loss(run.model, ids, recipe.evaluate.batch_size))
        (folder / "step-00000008" / file).unlink()
    assert run.result.history[-1]["val_loss"] == pytest.approx(losses[0], rel=1e-6)
    assert abs(losses[0] - losses[1]) > 1e-4
