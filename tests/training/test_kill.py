"""A process killed at a random moment and resumed ends with the very same weights."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import pytest
import tiny_run

from zoo.training import checkpoints

UPDATES = 32
LONGEST = 200  # seconds until the process has written it, on a very busy machine


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow" or os.name == "nt",
    reason="one backend, and a signal that Windows lacks",
)
def test_a_killed_run_ends_with_the_same_weights(tmp_path):
    recipe = tiny_run.made(train__updates=UPDATES)
    whole = tmp_path / "whole"
    tiny_run.fitted(whole, recipe)

    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, tiny_run.__file__, str(killed), str(UPDATES)],
        stderr=subprocess.PIPE,
        text=True,
    )
    moment = random.randrange(UPDATES // 2), random.uniform(0, 0.2)
    _wait_for_a_checkpoint(killed, moment[0], process)
    time.sleep(moment[1])
    process.kill()
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    assert moment[0] < _step(killed) < UPDATES

    resumed = tiny_run.fitted(killed, recipe, seed=99, resume=True)
    assert [row["step"] for row in resumed.result.history] == list(range(2, UPDATES + 1, 2))
    for name in (checkpoints.WEIGHTS, checkpoints.OPTIMIZER):
        ends = [(checkpoints.latest(each) / name).read_bytes() for each in (whole, killed)]
        assert ends[0] == ends[1], f"{name} differs; killed after (step, seconds later) {moment}"


def _wait_for_a_checkpoint(folder: Path, beyond: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + LONGEST
    while _step(folder) <= beyond:
        assert process.poll() is None, process.communicate()[1]
        if time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"no checkpoint beyond step {beyond} after {LONGEST} s")
        time.sleep(0.01)


def _step(folder: Path) -> int:
    """Return the step of the newest checkpoint, 0 if there is none."""
    last = checkpoints.latest(folder)
    return int(last.name.removeprefix(checkpoints.PREFIX)) if last else 0
