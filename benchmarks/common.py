"""What the benchmarks share: workers that take turns, and the table that they write.

Every contestant lives in a process of its own, since Keras has one backend a process. The workers
prepare themselves one after another, then take turns, so that a machine that slows down slows all
of them down; only the one whose turn it is computes.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).with_name("RESULTS.md")
LIBRARIES = ("keras", "tensorflow", "jax", "torch", "transformers")

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


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_section(name: str, text: str, path: Path = RESULTS) -> None:
    """Replace one benchmark's section of the results, with what it was measured on."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    section = f"{begin}\n{text}\n{surroundings()}\n{end}"
    old = path.read_text(encoding="utf-8") if path.exists() else "# Results\n"
    found = re.search(f"{re.escape(begin)}.*?{re.escape(end)}", old, flags=re.DOTALL)
    if found:
        new = old[: found.start()] + section + old[found.end() :]
    else:
        new = f"{old.rstrip()}\n\n{section}\n"
    path.write_text(new, encoding="utf-8")
    print(text)


def surroundings() -> str:
    """Return hardware, versions, date and revision in one line."""
    versions = []
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return (
        f"{hardware()}; Python {platform.python_version()}, {', '.join(versions)}; "
        f"{datetime.date.today().isoformat()}, revision {revision()}."
    )


def hardware() -> str:
    """Return the processor and how many of its cores there are, and the GPU if there is one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    kind = platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text("utf-8"))
        kind = names[0] if names else kind
    gpu = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return f"{count} cores of {kind}" + (f", {gpu.splitlines()[0]}" if gpu else "")


def revision() -> str:
    """Return the checkout's revision, marked if something else than results was changed."""
    name = _output(["git", "rev-parse", "--short", "HEAD"]) or "unknown"
    changed = _output(["git", "status", "--porcelain", "--", "zoo", "registry", "recipes"])
    return f"{name} with changes" if changed else name


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
