"""Memory and speed of fine-tuning gpt1 at the paper's size, batches of 8 x 256 tokens.

    python -m benchmarks.finetuning [--smoke]

Each of our backends makes whole updates (both losses, backward, clipping, Adam with decay) in a
process of its own, through the code of `zoo train`, on random sequences and from random weights.
Peak memory is the most that the process held at any time, the backend itself and compiling
included. The first update, which compiles, is left out of the speed. The aim is 8 GB.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np

from benchmarks import common, results
from zoo.config import recipe as recipes

BACKENDS = {"TensorFlow": "tensorflow", "JAX": "jax", "Keras on PyTorch": "torch"}
RECIPE, ROWS, TOKENS = "gpt1-sst2-base", 8, 256
GIGABYTE = 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--smoke", action="store_true", help="seconds long; writes nothing")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        print(json.dumps(measure(asked.updates, asked.smoke)))
        return
    rows = []
    for name in asked.only:
        found = _run(BACKENDS[name], asked)
        rows.append(
            {
                "fine-tuning": name,
                "peak GB": f"{found['peak']:.1f}",
                "tokens/s": f"{found['tokens'] / found['seconds']:,.0f}",
            }
        )
        print(rows[-1], file=sys.stderr)
    note = (
        f"{RECIPE}: {found['weights']:,} weights, batches of {ROWS} x {TOKENS} tokens, float32; "
        f"mean of {asked.updates} updates."
    )
    results.report("Fine-tuning: gpt1, classifier", rows, note, asked.smoke)


def _run(backend: str, asked: argparse.Namespace) -> common.Measured:
    arguments = ["--worker", "--updates", str(asked.updates), *(["--smoke"] if asked.smoke else [])]
    return common.alone("benchmarks.finetuning", arguments, backend)


def measure(updates: int, smoke: bool = False) -> dict:
    """Return peak memory in GB, seconds and tokens of so many updates, and the model's size."""
    import keras

    from zoo.optim.optimizers import optimizer
    from zoo.training.run import build

    made = recipes.load(RECIPE)
    made = made.smoke() if smoke else made
    model = build(made)
    length = min(TOKENS, model.context)
    random = np.random.default_rng(0)
    tokens = random.integers(0, made.resolved().model.arguments["vocabulary"], (ROWS, length))
    start, _, extract = model.specials
    tokens[:, 0], tokens[:, -1] = start, extract
    labels = random.integers(0, 2, ROWS)
    model.compile(
        optimizer=optimizer(made, model),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    model.train_on_batch(tokens.astype("int32"), labels)
    began = time.perf_counter()
    for _ in range(updates):
        model.train_on_batch(tokens.astype("int32"), labels)
    seconds = time.perf_counter() - began
    return {
        "peak": common.peak_memory() / GIGABYTE,
        "seconds": seconds,
        "tokens": updates * ROWS * length,
        "weights": model.count_params(),
    }


if __name__ == "__main__":
    main()
