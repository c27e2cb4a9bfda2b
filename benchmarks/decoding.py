"""Sentences a second of beam-4 decoding, against transformers' generate with the same weights.

    python benchmarks/decoding.py [--sizes starter base] [--sentences 64]

Each way runs in a process of its own. All read the same random sentences with the same random
weights, in batches of 32; the longest output is 32 pieces, and as random weights hardly ever choose
the end, all make as many steps. The first pass over the batches, which compiles, is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
WAYS = {
    "transformers generate": "transformers",
    "paperzoo on TensorFlow": "tensorflow",
    "paperzoo on JAX": "jax",
    "paperzoo on PyTorch": "torch",
}
BATCH, SOURCE, LONGEST, BEAMS, ALPHA, PASSES = 32, 16, 32, 4, 0.6, 3


def arguments(size: str) -> dict:
    """Return a size's arguments, with the position tables that Marian has."""
    from zoo import catalog

    found = dict(catalog.size(catalog.entry("vaswani2017"), size).arguments)
    return found | {
        "positions": "halves", "attention_bias": True, "epsilon": 1e-5, "padding_id": 0
    }  # fmt: skip


def sentences(count: int, vocabulary: int) -> np.ndarray:
    """Return random sources, int32 [count, SOURCE], each closed by the end id 3."""
    ids = np.random.default_rng(0).integers(4, vocabulary, (count, SOURCE), dtype=np.int32)
    ids[:, -1] = 3
    return ids


def model_of(size: str):
    """Return our model with the same random weights in every process."""
    from zoo import weights
    from zoo.layers.initialisation import skipped
    from zoo.models.vaswani2017 import Transformer

    with skipped():
        model = Transformer(**arguments(size))
        model.build()
    generator = np.random.default_rng(1)
    for name, variable in weights.variables(model).items():
        values = generator.normal(0.0, 0.05, variable.shape).astype(np.float32)
        variable.assign(values + 1.0 if name.endswith("gamma") else values)
    return model


def ours(size: str, count: int) -> tuple[float, int]:
    """Return seconds of the fastest pass, and how many pieces it wrote."""
    from zoo import decoding

    model = model_of(size)
    ids = sentences(count, arguments(size)["vocabulary"])

    def one_pass() -> int:
        pieces = 0
        for first in range(0, count, BATCH):
            found = decoding.decode(
                model, {"source": ids[first : first + BATCH]}, start_id=2, end_id=3, pad_id=0,
                max_length=LONGEST, beam_size=BEAMS, length_penalty=ALPHA,
            )  # fmt: skip
            pieces += int((found.ids[:, 0] != 0).sum())
        return pieces

    return _fastest(one_pass)


def theirs(size: str, count: int) -> tuple[float, int]:
    """The same with transformers."""
    import torch
    from peers import marian

    from zoo import weights

    model = marian(arguments(size), weights.arrays(model_of(size)), end_id=3, start_id=2)
    ids = torch.tensor(sentences(count, arguments(size)["vocabulary"])).long()

    @torch.inference_mode()
    def one_pass() -> int:
        pieces = 0
        for first in range(0, count, BATCH):
            part = ids[first : first + BATCH]
            found = model.generate(
                input_ids=part, attention_mask=torch.ones_like(part), num_beams=BEAMS,
                length_penalty=ALPHA, max_new_tokens=LONGEST, do_sample=False, early_stopping=False,
            )  # fmt: skip
            pieces += int((found[:, 1:] != 0).sum())
        return pieces

    return _fastest(one_pass)


def _fastest(one_pass) -> tuple[float, int]:
    one_pass()
    best, pieces = float("inf"), 0
    for _ in range(PASSES):
        started = time.perf_counter()
        pieces = one_pass()
        best = min(best, time.perf_counter() - started)
    return best, pieces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=["starter", "base"])
    parser.add_argument("--sentences", type=int, default=64)
    parser.add_argument("--way", help="one way, as JSON")
    options = parser.parse_args()
    if options.way:
        measure = theirs if options.way == "transformers" else ours
        print(json.dumps(measure(options.sizes[0], options.sentences)))
        return
    rows = []
    for size in options.sizes:
        rates = {}
        for name, way in WAYS.items():
            command = [
                sys.executable, __file__, "--sizes", size, "--sentences", str(options.sentences),
                "--way", way,
            ]  # fmt: skip
            backend = "torch" if way == "transformers" else way
            path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
            environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path}
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr)
            seconds, pieces = json.loads(done.stdout.strip().splitlines()[-1])
            rates[name] = options.sentences / seconds
            base = rates["transformers generate"]
            rows.append(
                {
                    "size": size,
                    "decoding": name,
                    "sentences/s": f"{rates[name]:.1f}",
                    "ratio": f"{rates[name] / base:.2f}",
                    "pieces written": pieces,
                }
            )
            print(rows[-1], flush=True)
    import results

    note = (
        f"Beam {BEAMS}, batches of {BATCH} sentences of {SOURCE} pieces, at most {LONGEST} pieces "
        f"out, float32, fastest of {PASSES} passes after one that compiles."
    )
    results.write("Decoding", rows, note)


if __name__ == "__main__":
    main()
