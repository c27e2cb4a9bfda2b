"""Sentences a second of greedy decoding and beam search: our backends against a plain loop.

    python -m benchmarks.decoding [--paper sutskever2014] [--size base] [--smoke]

All contestants read the same random sentences with the same random weights. The longest output is
32 pieces, and as random weights hardly ever choose the end, all make as many steps. The peer of a
recurrent model is the greedy loop that a textbook has, over torch's own layers; that of the
Transformer is transformers' generate, with Marian, which searches by beam too. The first pass over
the sentences, which compiles, is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import common, results
from benchmarks.common import END, PAD, START
from zoo.config import catalog

OURS = {"TensorFlow": "tensorflow", "JAX": "jax", "Keras on PyTorch": "torch"}
PEERS = {**dict.fromkeys(common.TRANSLATORS, "PyTorch"), "vaswani2017": "transformers"}
SOURCE, LONGEST, ALPHA = 16, 32, 0.6
# Batch -> sentences of a pass.
SENTENCES = {1: 8, 32: 64}
# Task -> batch and beam.
TASKS = {
    f"batch {batch}, {'greedy' if beam == 1 else f'beam {beam}'}": (batch, beam)
    for beam in (1, 4)
    for batch in SENTENCES
}
# What decodes some sources [batch, SOURCE] by a beam of some size, and returns ids.
Decode = Callable[[np.ndarray, int], np.ndarray]


def main() -> None:
    asked = common.parser(__doc__.splitlines()[0], common.TRANSLATORS, rounds=5).parse_args()
    made = arguments(asked.paper, asked.size, asked.smoke)
    if asked.smoke:
        asked.rounds = 1
    if asked.worker:
        common.serve(lambda: prepare(asked.worker, asked.paper, made))
        return
    peer = PEERS[asked.paper]
    contestants = {**OURS, peer: "torch"}
    # The textbook's loop has no beam.
    tasks = {
        task: [name for name in contestants if beam == 1 or name != "PyTorch"]
        for task, (_, beam) in TASKS.items()
    }
    measured = common.race("benchmarks.decoding", asked, contestants, tasks)
    rows = _rows(measured, peer)
    note = (
        f"Model: {common.described(made)}. Sentences of {SOURCE} pieces, at most {LONGEST} pieces "
        f"out, float32; median of {asked.rounds} rounds, in which all took turns. "
        f"{common.quietness(measured)}"
    )
    results.report(f"Decoding: {asked.paper}, {asked.size}", rows, note, asked.smoke)


def arguments(paper: str, size: str, smoke: bool) -> dict[str, Any]:
    """Return the builder's arguments; the Transformer gets the position tables of Marian."""
    if smoke:
        found = common.default_recipe(paper).smoke().resolved().model.arguments
    else:
        found = catalog.size(catalog.entry(paper), size).arguments
    marian = {"positions": "halves", "attention_bias": True, "epsilon": 1e-5}
    # These two have no token for padding.
    padding = {} if paper in ("gpt1", "oord2016") else {"padding_id": PAD}
    return {**found, **(marian if paper == "vaswani2017" else {}), **padding}


def model_of(paper: str, made: dict[str, Any]):
    """Return our model with the same random weights in every process."""
    from zoo.bundle import weights

    model = catalog.builder(catalog.entry(paper))(**made)
    model.build()
    generator = np.random.default_rng(1)
    for name, variable in weights.variables(model).items():
        values = generator.normal(0.0, 0.05, variable.shape).astype(np.float32)
        variable.assign(values + 1.0 if name.endswith("gamma") else values)
    return model


def ours(paper: str, made: dict[str, Any]) -> Decode:
    from zoo.decoding import search

    model = model_of(paper, made)

    def decode(source: np.ndarray, beam: int) -> np.ndarray:
        found = search.decode(
            model, {"source": source}, start_id=START, end_id=END, pad_id=PAD, max_length=LONGEST,
            beam_size=beam, length_penalty=ALPHA,
        )  # fmt: skip
        return found.ids[:, 0]

    return decode


def theirs(paper: str, made: dict[str, Any]) -> Decode:
    """The same with transformers, or with a plain loop."""
    import torch

    from zoo.bundle import weights

    device = "cuda" if torch.cuda.is_available() else "cpu"
    held = weights.arrays(model_of(paper, made))
    if paper == "vaswani2017":
        from benchmarks.peers import marian

        model = marian(made, held, end_id=END, start_id=START).to(device)

        def search(source: torch.Tensor, beam: int) -> torch.Tensor:
            options = {"length_penalty": ALPHA, "early_stopping": False} if beam > 1 else {}
            with torch.inference_mode():
                found = model.generate(
                    input_ids=source, attention_mask=torch.ones_like(source), num_beams=beam,
                    max_new_tokens=LONGEST, do_sample=False, **options,
                )  # fmt: skip
            return found[:, 1:]
    else:
        from benchmarks import recurrent

        plain = recurrent.PEERS[paper](made).load(held).to(device).eval()

        def search(source: torch.Tensor, beam: int) -> torch.Tensor:
            return recurrent.greedy(plain, source, START, END, PAD, LONGEST)

    def decode(source: np.ndarray, beam: int) -> np.ndarray:
        return search(torch.from_numpy(source).long().to(device), beam).cpu().numpy()

    return decode


def prepare(name: str, paper: str, made: dict[str, Any]) -> Callable[[str], common.Measured]:
    """Return what makes one pass over a task's sentences; the first one of a task comes before."""
    decode = ours(paper, made) if name in OURS else theirs(paper, made)
    vocabulary = made.get("source_vocabulary", made.get("vocabulary"))
    generator = np.random.default_rng(0)
    ids = generator.integers(4, vocabulary, (max(SENTENCES.values()), SOURCE), dtype=np.int32)
    ids[:, -1] = END
    known: set[str] = set()

    def one_pass(batch: int, beam: int) -> int:
        parts = (ids[at : at + batch] for at in range(0, SENTENCES[batch], batch))
        return sum(int((decode(part, beam) != PAD).sum()) for part in parts)

    def measure(task: str) -> common.Measured:
        batch, beam = TASKS[task]
        if task not in known:
            known.add(task)
            one_pass(batch, beam)
        began = time.perf_counter()
        pieces = one_pass(batch, beam)
        seconds = time.perf_counter() - began
        return {"sentences": SENTENCES[batch], "pieces": pieces, "seconds": round(seconds, 4)}

    return measure


def _rows(measured: dict, peer: str) -> list[dict[str, object]]:
    """Return the rows of the table, each task's together."""
    speeds = {key: common.median(rounds, "sentences") for key, rounds in measured.items()}
    return [
        {
            "decoding": name,
            "batch": TASKS[task][0],
            "beam": TASKS[task][1],
            "sentences/s": f"{speed:.1f}",
            f"against {peer}": common.ratio(speed, speeds.get((task, peer))),
            "pieces of a pass": measured[task, name][0]["pieces"],
        }
        for (task, name), speed in speeds.items()
    ]


if __name__ == "__main__":
    main()
