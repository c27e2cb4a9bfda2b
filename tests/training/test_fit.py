"""Fitting: resumed runs, the best weights, loss that is no number, precision, progress."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny_run import TOKENIZER, Run, copies, fitted, made

from zoo.errors import CheckpointError, TrainingError
from zoo.optim import schedules
from zoo.training import checkpoints, run
from zoo.training.callbacks import CheckpointCallback
from zoo.training.trainers import SequenceToSequenceTrainer


def numbers(model: keras.Model) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in model.variables]


def same(first: keras.Model, second: keras.Model) -> bool:
    return all(map(np.array_equal, numbers(first), numbers(second)))


def steps(folder: Path) -> list[int]:
    return [int(path.name.removeprefix(checkpoints.PREFIX)) for path in checkpoints.found(folder)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Run, Path]:
    """A run of six updates that nothing disturbed, and its folder, which is only read."""
    folder = tmp_path_factory.mktemp("whole")
    return fitted(folder, made()), folder


@pytest.fixture(scope="module")
def longer(tmp_path_factory) -> tuple[Run, Path, list[str]]:
    """A run that learns something, its folder and what it printed."""
    folder, printed = tmp_path_factory.mktemp("longer"), io.StringIO()
    recipe = made(train__updates=35, train__updates_per_epoch=10, train__average=3)
    with contextlib.redirect_stderr(printed):
        run = fitted(folder, recipe)
    return run, folder, printed.getvalue().splitlines()


@pytest.fixture
def ruinous(monkeypatch) -> dict:
    """A schedule that learns for four updates and then ruins everything, with finite numbers."""

    def rate(recipe):
        return schedules.Rate(lambda step: keras.ops.where(step <= 4.0, 3e-3, 20.0))

    monkeypatch.setattr(schedules, "constant", rate)
    return {"schedule__name": "constant", "train__updates": 10}


# One run


def test_it_learns_and_ends_at_exactly_its_updates(longer):
    run, _, _ = longer
    rows = run.result.history
    assert [row["step"] for row in rows] == [10, 20, 30, 35]
    assert set(rows[0]) == {"step", "loss", "val_loss", "seconds"}
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.1
    assert rows[-1]["val_loss"] < rows[0]["val_loss"] - 0.1
    assert int(keras.ops.convert_to_numpy(run.model.optimizer.iterations)) == 35


def test_it_tells_loss_speed_and_time_left(longer):
    lines = [line for line in longer[2] if line.startswith("step")]
    form = r"step 10/35  loss \d\.\d{3}  val_loss \d\.\d{3}  [\d,]+ tokens/s  \d:\d\d:\d\d left"
    assert len(lines) == 4
    assert re.fullmatch(form, lines[0])
    assert lines[-1].endswith("0:00:00 left")


def test_loss_and_batches_are_the_recipes():
    """Twelve sentences in one batch: the two losses differ by the tokens of a sentence."""
    data, losses = copies(12, 1), {}
    for per in ("token", "sentence"):
        size = {"train__batch_tokens": None, "train__batch_sentences": 12, "train__buckets": [16]}
        recipe = made(train__loss=per, **size)
        keras.utils.set_random_seed(1)
        model = run.build(recipe)
        trainer = SequenceToSequenceTrainer(model, recipe, data, data, TOKENIZER)
        assert trainer.batches.per_pass == 1
        losses[per] = trainer.validate()
    tokens = data.target.lengths.mean()
    assert losses["sentence"] == pytest.approx(losses["token"] * tokens, rel=1e-4)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_has_float32_weights_and_logits(tmp_path, precision):
    run = fitted(tmp_path, made(train__precision=precision, train__updates=2))
    assert all(np.isfinite([row["loss"], row["val_loss"]]).all() for row in run.result.history)
    assert {variable.dtype for variable in run.model.trainable_variables} == {"float32"}
    inputs = {"source": np.array([[5, 6, 3]]), "target": np.array([[2, 5]])}
    assert run.model.compute_dtype == precision.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(run.model(inputs).dtype) == "float32"


# Resuming


def test_a_run_that_was_broken_off_ends_as_if_it_never_was(whole, tmp_path, monkeypatch):
    """Broken off in the middle of its second epoch, resumed with another random state."""
    first, folder = whole
    assert any("seed" in variable.path for variable in first.model.variables)  # dropout is on
    ended = CheckpointCallback.on_train_batch_end

    def interrupted(self, batch, logs=None):
        ended(self, batch, logs)
        if len(self.state["history"]) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(CheckpointCallback, "on_train_batch_end", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path, made())
    monkeypatch.undo()
    assert steps(tmp_path) == [2]
    resumed = fitted(tmp_path, made(), seed=99, resume=True)

    assert same(first.model, resumed.model)
    last = [checkpoints.latest(each) for each in (folder, tmp_path)]
    for name in (checkpoints.WEIGHTS, checkpoints.OPTIMIZER):
        assert (last[0] / name).read_bytes() == (last[1] / name).read_bytes(), name
    states = [json.loads((path / checkpoints.STATE).read_text("utf-8")) for path in last]
    for state in states:
        for row in state["history"]:
            del row["seconds"]
    assert states[0] == states[1]
    assert resumed.result.chosen == first.result.chosen
    assert resumed.result.val_loss == first.result.val_loss


def test_a_run_on_several_corpora_is_resumed_exactly(tmp_path, monkeypatch):
    """Broken off after its second of three epochs; each corpus goes on where it was."""
    also = [{"corpus": "multi30k", "share": [0.9, 0.2]}, {"corpus": "opus-100", "share": [0, 0.3]}]
    recipe = made(data__also=also)
    first = fitted(tmp_path / "whole", recipe)
    ended = CheckpointCallback.on_train_batch_end

    def interrupted(self, batch, logs=None):
        ended(self, batch, logs)
        if len(self.state["history"]) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(CheckpointCallback, "on_train_batch_end", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "broken", recipe)
    monkeypatch.undo()
    assert steps(tmp_path / "broken") == [2, 4]
    resumed = fitted(tmp_path / "broken", recipe, seed=99, resume=True)
    assert same(first.model, resumed.model)
    assert not same(first.model, fitted(tmp_path / "alone", made()).model)


def test_a_finished_run_resumed_is_the_same(whole, tmp_path):
    first, folder = whole
    shutil.copytree(folder, tmp_path / "run")
    again = fitted(tmp_path / "run", made(), seed=5, resume=True)
    assert same(first.model, again.model)
    assert again.result == first.result


def test_an_earlier_run_is_not_overwritten(whole):
    with pytest.raises(CheckpointError, match="already holds a run, up to step-00000006") as caught:
        fitted(whole[1], made())
    assert "--resume" in caught.value.hint


# Which weights


def test_the_best_on_validation_are_taken(tmp_path, ruinous):
    run = fitted(tmp_path, made(**ruinous))
    losses = [row["val_loss"] for row in run.result.history]
    assert min(losses) == losses[1] < losses[-1] - 1
    assert run.result.chosen == "step 4"
    assert run.result.val_loss == losses[1]
    assert steps(tmp_path) == [4, 8, 10]  # the best, and two to resume from
    taken = numbers(run.model)
    checkpoints.restore_weights(tmp_path / "step-00000004", run.model)
    assert all(map(np.array_equal, taken, numbers(run.model)))


def test_a_worse_average_is_not_taken(tmp_path, ruinous):
    run = fitted(tmp_path, made(**ruinous, train__average=3))
    assert run.result.chosen == "step 4"
    assert steps(tmp_path) == [4, 6, 8, 10]


def test_an_average_is_taken_if_it_is_better(longer):
    run, folder, _ = longer
    losses = [row["val_loss"] for row in run.result.history]
    taken = numbers(run.model)
    checkpoints.average(checkpoints.found(folder)[-3:], run.model)
    averaged = all(map(np.array_equal, taken, numbers(run.model)))
    assert averaged == (run.result.chosen == "average of the last 3")
    assert averaged == (run.result.val_loss != min(losses))
    assert run.result.val_loss <= min(losses)


def test_patience_ends_a_run_for_good(tmp_path, ruinous):
    recipe = made(**(ruinous | {"train__updates": 40}), train__patience=2)
    run = fitted(tmp_path, recipe)
    assert [row["step"] for row in run.result.history] == [2, 4, 6, 8]
    again = fitted(tmp_path, recipe, resume=True)
    assert again.result == run.result


# Loss that is no number


def test_a_loss_that_is_no_number_names_the_last_good_weights(tmp_path, whole, monkeypatch):
    fitted(tmp_path, made(train__updates=2))
    good = tmp_path / "step-00000002"
    before = {path.name: path.read_bytes() for path in good.iterdir()}
    with monkeypatch.context() as wild:
        wild.setattr(schedules, "constant", lambda recipe: schedules.Rate(lambda step: 1e30))
        message = r"the (validation )?loss became (nan|inf)"
        with pytest.raises(TrainingError, match=message) as caught:
            fitted(tmp_path, made(), resume=True)
    assert str(good) in caught.value.hint
    assert steps(tmp_path) == [2]
    assert {path.name: path.read_bytes() for path in good.iterdir()} == before
    # With a sane rate it goes on from there, as if nothing had been.
    run = fitted(tmp_path, made(), resume=True)
    assert same(run.model, whole[0].model)


def test_a_loss_that_is_no_number_from_the_start(tmp_path):
    wild = made(schedule__peak=1e30, schedule__warmup=0, train__updates_per_epoch=6)
    with pytest.raises(TrainingError, match="in the epoch after step 0") as caught:
        fitted(tmp_path, wild)
    assert "nothing was saved yet" in caught.value.hint
    assert steps(tmp_path) == []
