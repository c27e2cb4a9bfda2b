"""Workers that take turns.

Every contestant lives in a process of its own, since Keras has one backend a process. The workers
prepare themselves one after another, then take turns, so that a machine that slows down slows all
of them down; only the one whose turn it is computes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Measured = dict[str, Any]


class Worker:
    """A process that runs one contestant: `python -m MODULE --worker NAME ...`."""

    def __init__(self, module: str, name: str, arguments: Sequence[str], backend: str) -> None:
        self.name = name
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--worker", name, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()  # it is ready

    def turn(self) -> Measured:
        """Let it measure once."""
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self._read()

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(60)

    def _read(self) -> Measured:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with exit code {self.process.wait()}")
        return json.loads(line)


def serve(prepare: Callable[[], Callable[[], Measured]]) -> None:
    """Be a worker: prepare, then measure whenever the parent says so."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print must not come between
    measure = prepare()
    answers.write("{}\n")
    answers.flush()
    for _ in sys.stdin:
        answers.write(json.dumps(measure()) + "\n")
        answers.flush()


def compete(workers: Sequence[Worker], rounds: int) -> dict[str, list[Measured]]:
    """Return what each worker measured in each round; they take turns."""
    measured: dict[str, list[Measured]] = {worker.name: [] for worker in workers}
    for number in range(rounds):
        for worker in workers:
            found = worker.turn()
            measured[worker.name].append(found)
            print(f"round {number + 1}/{rounds}  {worker.name}: {found}", file=sys.stderr)
    for worker in workers:
        worker.end()
    return measured


def median(measured: Sequence[Measured], amount: str) -> float:
    """Return the median of an amount a second."""
    return statistics.median(each[amount] / each["seconds"] for each in measured)
