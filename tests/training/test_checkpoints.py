"""Checkpoints: everything comes back, and what cannot be written harms nothing."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import keras
import numpy as np
import pytest

from zoo import files
from zoo.errors import CheckpointError
from zoo.training import checkpoints

STATE = {"history": [{"step": 2, "loss": 1.5}], "best": 2, "best_loss": 1.25}


def made(seed: int, width: int = 4) -> keras.Model:
    """A model with a seed generator and a momentum, every number random."""
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(width), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.build((None, 3))
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    model.optimizer.build(model.trainable_variables)
    random = np.random.default_rng(seed)
    for variable in (*model.trainable_variables, *model.optimizer.variables[2:]):
        variable.assign(random.normal(size=variable.shape).astype("float32"))
    return model


def numbers(model: keras.Model) -> list[np.ndarray]:
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_everything_comes_back(tmp_path):
    first, second = made(1), made(2)
    assert any("seed" in variable.path for variable in first.variables)
    first.optimizer.iterations.assign(7)
    path = checkpoints.save(tmp_path, 2, first, STATE)
    assert path == tmp_path / "step-00000002"
    assert [each.name for each in tmp_path.iterdir()] == ["step-00000002"]
    assert checkpoints.restore(path, second) == {"step": 2, **STATE}
    assert same(numbers(first), numbers(second))


def test_weights_alone(tmp_path):
    first, second = made(1), made(2)
    before = numbers(second)[len(second.variables) :]
    checkpoints.restore_weights(checkpoints.save(tmp_path, 2, first, STATE), second)
    count = len(first.variables)
    assert same(numbers(first)[:count], numbers(second)[:count])
    assert same(numbers(second)[count:], before)


def test_a_transposed_array_is_stored_as_it_reads(tmp_path):
    model = made(1)
    kernel = np.arange(12, dtype="float32").reshape(4, 3).T
    model.layers[0].kernel.assign(kernel)
    other = made(2)
    checkpoints.restore(checkpoints.save(tmp_path, 2, model, STATE), other)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(other.layers[0].kernel), kernel)


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_files_have_the_modes_of_other_files(tmp_path):
    (tmp_path / "other").write_text("x")
    expected = stat.S_IMODE((tmp_path / "other").stat().st_mode)
    path = checkpoints.save(tmp_path / "run", 2, made(1), STATE)
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.iterdir()} == {expected}


def test_a_full_disk_leaves_the_one_before_intact(tmp_path, monkeypatch):
    first = checkpoints.save(tmp_path, 2, made(1), STATE)
    before = contents(first)

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CheckpointError, match=r"step 4 could not be written .*No space") as caught:
        checkpoints.save(tmp_path, 4, made(2), STATE)
    assert "free some space" in caught.value.hint
    assert "--resume" in caught.value.hint
    assert f"{first} is intact" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002"]
    assert contents(first) == before
    monkeypatch.undo()
    assert checkpoints.restore(checkpoints.latest(tmp_path), made(3))["step"] == 2


def test_a_full_disk_at_the_first_one_says_so(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CheckpointError) as caught:
        checkpoints.save(tmp_path, 2, made(1), STATE)
    assert caught.value.hint == "free some space and start again"


@pytest.mark.parametrize("moment", range(5))
def test_a_kill_while_writing_leaves_the_one_before(tmp_path, monkeypatch, moment):
    """Three files, their folder, then the rename: a kill at any of these is a kill in between."""
    checkpoints.save(tmp_path, 2, made(1), STATE)
    flushed = []

    def killed(path: Path) -> None:
        if len(flushed) == moment:
            raise KeyboardInterrupt
        flushed.append(path)

    monkeypatch.setattr(files, "flush", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(tmp_path, 4, made(2), STATE)
    monkeypatch.undo()
    latest = checkpoints.latest(tmp_path)
    # Only the last flush comes after the rename.
    assert latest.name == ("step-00000004" if moment == 4 else "step-00000002")
    model = made(3)
    checkpoints.restore(latest, model)
    assert same(numbers(model), numbers(made(2 if moment == 4 else 1)))
    assert checkpoints.save(tmp_path, 4, made(2), STATE).name == "step-00000004"
    assert len(list(tmp_path.iterdir())) == 2


def test_the_average_is_the_mean_of_the_weights(tmp_path):
    models = [made(seed) for seed in (1, 2, 3)]
    paths = [checkpoints.save(tmp_path, i, each, STATE) for i, each in enumerate(models)]
    target = made(4)
    checkpoints.average(paths, target)
    trainable = [
        [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
        for model in (*models, target)
    ]
    for first, second, third, found in zip(*trainable, strict=True):
        np.testing.assert_allclose(found, (first + second + third) / 3, rtol=1e-6, atol=1e-7)


def test_old_ones_go_but_the_best_stays(tmp_path):
    for step in (2, 4, 6, 8, 10):
        checkpoints.save(tmp_path, step, made(1), STATE)
        checkpoints.prune(tmp_path, 3, best=2)
    names = [path.name for path in checkpoints.found(tmp_path)]
    assert names == ["step-00000002", "step-00000006", "step-00000008", "step-00000010"]
    # Resuming needs an optimizer only in the last two, averaging in none.
    has = [(path / checkpoints.OPTIMIZER).exists() for path in checkpoints.found(tmp_path)]
    assert has == [False, False, True, True]


def test_what_is_no_whole_checkpoint_is_not_found(tmp_path):
    assert checkpoints.latest(tmp_path / "nothing") is None
    checkpoints.save(tmp_path, 2, made(1), STATE)
    (tmp_path / "step-00000004.partial").mkdir()
    assert checkpoints.latest(tmp_path).name == "step-00000002"


@pytest.mark.parametrize("name", [checkpoints.WEIGHTS, checkpoints.OPTIMIZER, checkpoints.STATE])
def test_a_damaged_one_is_named(tmp_path, name):
    path = checkpoints.save(tmp_path, 2, made(1), STATE)
    file = path / name
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match="step-00000002 cannot be resumed from") as caught:
        checkpoints.restore(path, made(2))
    assert "remove that folder" in caught.value.hint
    file.unlink()
    with pytest.raises(CheckpointError, match="step-00000002 cannot be resumed from"):
        checkpoints.restore(path, made(2))


def test_one_of_another_model_is_refused(tmp_path):
    path = checkpoints.save(tmp_path, 2, made(1), STATE)
    with pytest.raises(CheckpointError, match=r"has shape \(3, 5\), not \(3, 4\)"):
        checkpoints.restore(path, made(1, width=5))
