"""Workers that take turns.

Every contestant lives in a process of its own, since Keras has one backend a process. The workers
prepare themselves one after another, then take turns, so that a machine that slows down slows all
of them down; only the one whose turn it is computes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.config import catalog, recipe

ROOT = Path(__file__).resolve().parent.parent
START, END, PAD = 2, 3, 0
# Those with a peer in peers.py or recurrent.py.
TRANSLATORS = ("vaswani2017", "sutskever2014", "bahdanau2015")
LANGUAGE_MODELS = ("merity2017", "mikolov2010", "graves2013")
PAPERS = TRANSLATORS + LANGUAGE_MODELS

Measured = dict[str, Any]


def alone(
    module: str,
    arguments: Sequence[str],
    backend: str,
    more: Mapping[str, str] | None = None,
) -> Measured:
    """Return what a process of its own measured, the JSON of its last line.

    Args:
        module: what runs, `python -m MODULE ARGUMENTS`.
        backend: Keras' in that process.
        more: variables of its environment.
    """
    variables = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", **(more or {})}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def peak_memory() -> int:
    """Return the most bytes that this process ever held; Linux counts kilobytes, macOS bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


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

    def turn(self, task: str) -> Measured:
        """Let it measure a task once."""
        assert self.process.stdin
        self.process.stdin.write(f"{task}\n")
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


def serve(prepare: Callable[[], Callable[[str], Measured]]) -> None:
    """Be a worker: prepare, then measure the task that the parent names, whenever it does.

    Adds "others" to what is measured: how many CPU cores other processes kept busy meanwhile, None
    where the system does not tell.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print must not come between
    measure = prepare()
    answers.write("{}\n")
    answers.flush()
    for line in sys.stdin:
        began, own, all_ = time.perf_counter(), time.process_time(), _busy()
        found = measure(line.strip())
        own, all_ = time.process_time() - own, _busy() - all_
        others = max(0.0, all_ - own) / (time.perf_counter() - began)
        found["others"] = round(others, 3) if all_ else None
        answers.write(json.dumps(found) + "\n")
        answers.flush()


def compete(
    workers: Iterable[Worker], rounds: int, tasks: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], list[Measured]]:
    """Return what was measured in each round, by (task, worker's name); the workers take turns.

    Args:
        workers: they are ended afterwards.
        rounds: of each task.
        tasks: to the names of those who take part in it.
    """
    workers = list(workers)
    measured: dict[tuple[str, str], list[Measured]] = {}
    for task, names in tasks.items():
        for number in range(rounds):
            for worker in workers:
                if worker.name in names:
                    found = worker.turn(task)
                    measured.setdefault((task, worker.name), []).append(found)
                    print(f"{task} {number + 1}/{rounds}  {worker.name}: {found}", file=sys.stderr)
    for worker in workers:
        worker.end()
    return measured


def parser(description: str, papers: Sequence[str], rounds: int) -> argparse.ArgumentParser:
    """Return the options that the benchmarks of models share; the first paper is the default."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--paper", default=papers[0], choices=papers)
    made.add_argument("--size", default="starter", help="of the model")
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--only", nargs="*", help="contestants, by the table's first column")
    made.add_argument("--smoke", action="store_true", help="seconds long; writes nothing")
    made.add_argument("--worker", help=argparse.SUPPRESS)
    return made


def race(
    module: str,
    asked: argparse.Namespace,
    backends: Mapping[str, str],
    tasks: Mapping[str, Sequence[str]],
) -> dict[tuple[str, str], list[Measured]]:
    """Return what `compete` does, of the contestants that are asked for.

    Args:
        module: which serves a contestant when it is run with --worker.
        backends: of Keras in each contestant's process, by its name.
        tasks: see `compete`.
    """
    names = asked.only or list(backends)
    if unknown := set(names) - backends.keys():
        raise SystemExit(f"there is no {sorted(unknown)}; contestants are {list(backends)}")
    passed = []
    for option, value in vars(asked).items():
        if option not in ("only", "rounds", "worker") and value not in (None, False):
            passed += [f"--{option}"] if value is True else [f"--{option}", str(value)]
    workers = [Worker(module, name, passed, backends[name]) for name in names]
    return compete(workers, asked.rounds, tasks)


def default_recipe(paper: str) -> recipe.Recipe:
    """Return the recipe of a paper's starter model, which fine-tuning begins with too."""
    entry = catalog.entry(paper)
    return recipe.load(entry.finetune[entry.task])


def median(measured: Sequence[Measured], amount: str) -> float:
    """Return the median of an amount a second."""
    return statistics.median(each[amount] / each["seconds"] for each in measured)


def ratio(speed: float, peer: float | None) -> str:
    """Return a cell of a table: how many times as fast as a peer, if it was there."""
    return f"{speed / peer:.2f}" if peer else ""


def quietness(measured: Mapping[Any, Sequence[Measured]]) -> str:
    """Return a sentence on what other processes did while the workers measured."""
    others = [each["others"] for rounds in measured.values() for each in rounds]
    if None in others:
        return "What other processes did meanwhile is not known."
    return (
        f"Other processes kept {statistics.mean(others):.2f} CPU cores busy meanwhile, at most "
        f"{max(others):.2f} in a turn."
    )


def described(arguments: Mapping[str, Any]) -> str:
    """Return the sizes among a builder's arguments: "width 320, layers 2"."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value:,}"
        for name, value in arguments.items()
        if type(value) is int and value
    )


def _busy() -> float:
    """Return the seconds that all cores have worked since the machine started; 0 if unknown."""
    counts = Path("/proc/stat")
    if not counts.exists():
        return 0.0
    # user, nice, system, idle, iowait, irq, softirq, steal
    ticks = [int(each) for each in counts.read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
