"""Seconds that a whole process takes: `zoo list`, and the first translation from a cold shell.

    python -m benchmarks.startup [--bundle FOLDER]

A process each time, timed from its start to its end: the interpreter, the imports, reading the
weights, compiling for one sentence, the answer. The aims are 0.5 s and 20 s on 2 cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from benchmarks import common, results

BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
SENTENCE = "I am going to work today."


def seconds(arguments: list[str], backend: str, times: int) -> tuple[float, float]:
    """Return the median and the longest of several runs of `zoo` with these arguments."""
    environment = {**os.environ, "KERAS_BACKEND": backend}
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "zoo.cli.main", *arguments],
            cwd=common.ROOT, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        taken.append(time.perf_counter() - began)
        if done.returncode:
            raise SystemExit(done.stderr)
    return statistics.median(taken), max(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="vaswani2017", help="a name or a folder")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--smoke", action="store_true", help="once each; writes nothing")
    asked = parser.parse_args()
    times = 1 if asked.smoke else asked.times
    commands = [("zoo list", ["list"], "tensorflow")]
    commands += [
        (f"zoo predict, {BACKENDS[backend]}", ["predict", asked.bundle, SENTENCE], backend)
        for backend in asked.only
    ]
    rows: list[dict[str, object]] = []
    for name, arguments, backend in commands:
        median, longest = seconds(arguments, backend, times)
        rows.append({"process": name, "seconds": f"{median:.2f}", "longest": f"{longest:.2f}"})
        print(rows[-1], file=sys.stderr)
    if not asked.smoke:
        note = f"`{asked.bundle}`, one sentence; median and longest of {times} processes."
        results.write("Start-up", rows, note)


if __name__ == "__main__":
    main()
