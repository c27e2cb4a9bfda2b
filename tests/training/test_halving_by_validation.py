"""The rate that halves when validation improves no more: its rule, its runs, resumed too."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tiny_stream
from keras import ops

from zoo import bundle
from zoo.errors import RecipeError
from zoo.optim.optimizers import optimizer
from zoo.optim.schedules import halvings
from zoo.training import loop, run
from zoo.training.trainers import NextTokenTrainer

SCHEDULE = {
    "schedule__name": "halving_by_validation", "schedule__peak": 0.08, "schedule__improvement": 1.1,
    "train__vary_bptt": False, "optimizer__name": "sgd",
}  # fmt: skip


def by_the_toolkit(losses: list[float], improvement: float) -> tuple[list[float], bool]:
    """Return the rate of each epoch, the next one's last, and whether it stops: RNNLM's trainNet.

    Its probabilities are logarithms, so a loss is one with the sign turned; the first epoch has
    -1e8 before it.
    """
    alpha, divide, before, rates = 1.0, False, -1e8, [1.0]
    for log_p in (-loss for loss in losses):
        if log_p * improvement < before:
            if divide:
                return rates, True
            divide = True
        if divide:
            alpha /= 2
        before = log_p
        rates.append(alpha)
    return rates, False


@pytest.mark.parametrize("improvement", [1.0, 1.003, 1.1])
def test_it_halves_and_stops_when_the_toolkit_does(improvement):
    random = np.random.default_rng(0)
    ends = set()
    for _ in range(100):
        steps = random.choice([0.8, 0.95, 0.998, 1.0, 1.01], size=12)
        losses = (6 * np.cumprod(steps)).tolist()
        rates, stopped = by_the_toolkit(losses, improvement)
        for epochs in range(len(losses) + 1):
            count, ended = halvings(losses[:epochs], improvement)
            assert 0.5**count == rates[min(epochs, len(rates) - 1)]
            assert ended == (stopped and epochs >= len(rates))
        ends.add(len(rates))
    assert len(ends) > 3


def test_the_rule_by_hand():
    """Better by 10 %: yes, no (halve), yes (halve), no (stop)."""
    losses = [6.0, 5.0, 4.9, 4.0, 3.9]
    assert [halvings(losses[:n], 1.1) for n in range(6)] == [
        (0, False), (0, False), (0, False), (1, False), (2, False), (2, True),
    ]  # fmt: skip


class Scripted(NextTokenTrainer):
    """Its validation losses are given, one for each two updates."""

    losses = (6.0, 5.0, 4.9, 4.0, 3.9, 3.0, 2.0)

    def validate(self) -> float:
        return self.losses[int(ops.convert_to_numpy(self.model.optimizer.iterations)) // 2 - 1]


class Rates(keras.callbacks.Callback):
    """The rate of every update."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_train_batch_begin(self, batch, logs=None) -> None:
        self.seen.append(float(ops.convert_to_numpy(self.model.optimizer.learning_rate)))


def fitted(folder, updates: int, resume: bool = False):
    keras.utils.set_random_seed(1)
    made = tiny_stream.made(**SCHEDULE, train__updates=updates)
    model, rates = run.build(made), Rates()
    texts = tiny_stream.documents(20, 0), tiny_stream.documents(4, 1)
    trainer = Scripted(model, made, *texts, tiny_stream.TOKENIZER)
    result = loop.fit(trainer, made, folder, resume, callbacks=[rates])
    return bundle.arrays(model), result, rates.seen


def test_a_run_halves_its_rate_and_ends_by_itself_also_when_it_is_resumed(tmp_path):
    weights, result, rates = fitted(tmp_path / "whole", 14)
    each = [0.08, 0.08, 0.08, 0.04, 0.02]  # the sixth and seventh epoch never come
    assert rates == pytest.approx(np.repeat(each, 2).tolist())
    assert [row["val_loss"] for row in result.history] == list(Scripted.losses[:5])
    fitted(tmp_path / "parts", 8)
    again, resumed, rates = fitted(tmp_path / "parts", 14, resume=True)
    assert rates == pytest.approx([0.02, 0.02])
    assert [row["step"] for row in resumed.history] == [2, 4, 6, 8, 10]
    for name, array in again.items():
        np.testing.assert_array_equal(array, weights[name])
    # A run that has ended stays so.
    *_, rates = fitted(tmp_path / "parts", 14, resume=True)
    assert rates == []


def test_what_it_cannot_go_with_is_one_error():
    with pytest.raises(RecipeError, match="set warmup to 0"):
        tiny_stream.made(**SCHEDULE, schedule__warmup=3)
    with pytest.raises(RecipeError, match=r"set schedule\.improvement"):
        tiny_stream.made(**SCHEDULE | {"schedule__improvement": None})
    made = tiny_stream.made(**SCHEDULE)
    with pytest.raises(RecipeError, match=r"set train\.vary_bptt to false"):
        optimizer(made, lengths=np.array([10, 20]))
