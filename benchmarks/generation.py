"""Words a second of a language model that goes on from prompts: our backends against a plain loop.

    python -m benchmarks.generation [--paper merity2017] [--size ptb] [--smoke]
    python -m benchmarks.generation --paper oord2016 --size characters

All contestants get the same random prompts and the same random weights, and write as many words,
since none is taken for the end. They follow the most probable word; ours draw words too, at
temperature 1 from all of them. The peer is the loop that a textbook has, over torch's own LSTMs, or
for oord2016 over its convolutions, which read their window again for each word; for gpt1 it is
transformers' `generate`, whose GPT has no cache and reads everything again.
The first pass over the prompts, which compiles, is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import common, results
from benchmarks.common import START
from benchmarks.decoding import OURS, arguments, model_of

# Who else takes part, by paper.
PEER = {"merity2017": "PyTorch", "gpt1": "transformers", "oord2016": "PyTorch"}
PROMPT, WORDS = 16, 64
NONE = -1  # the id of no word: nothing ends, and what were not written would be seen
# Batch -> prompts of a pass.
PROMPTS = {1: 8, 8: 32}
# Task -> batch, and whether words are drawn.
TASKS = {
    f"batch {batch}, {search}": (batch, search == "drawn")
    for search in ("greedy", "drawn")
    for batch in PROMPTS
}
# What goes on from some prompts [batch, 1 + PROMPT], greedily or by drawing, and returns ids.
GoOn = Callable[[np.ndarray, bool], np.ndarray]


def main() -> None:
    description = __doc__.splitlines()[0]
    asked = common.parser(description, list(PEER), rounds=5).parse_args()
    made = arguments(asked.paper, asked.size, asked.smoke)
    if asked.smoke:
        asked.rounds = 1
    if asked.worker:
        common.serve(lambda: prepare(asked.worker, asked.paper, made))
        return
    # The textbook's loop does not draw.
    peer = PEER[asked.paper]
    tasks = {task: [*OURS, *([] if drawn else [peer])] for task, (_, drawn) in TASKS.items()}
    measured = common.race("benchmarks.generation", asked, {**OURS, peer: "torch"}, tasks)
    rows = _rows(measured, peer)
    note = (
        f"Model: {common.described(made)}. Prompts of {PROMPT} words, {WORDS} words out, float32; "
        f"median of {asked.rounds} rounds, in which all took turns. {common.quietness(measured)}"
    )
    results.report(f"Generation: {asked.paper}, {asked.size}", rows, note, asked.smoke)


def ours(paper: str, made: dict[str, Any]) -> GoOn:
    from zoo.decoding import sampling, search

    model = model_of(paper, made)

    def go_on(prompts: np.ndarray, drawn: bool) -> np.ndarray:
        lengths = np.full(len(prompts), prompts.shape[1], dtype=np.int32)
        found = search.decode(
            model, {"tokens": prompts, "lengths": lengths}, start_id=prompts[:, -1], end_id=NONE,
            pad_id=NONE, max_length=WORDS, complete=False,
            sampler=sampling.Sampler() if drawn else None,
        )  # fmt: skip
        return found.ids[:, 0]

    return go_on


def theirs(paper: str, made: dict[str, Any]) -> GoOn:
    import torch

    from benchmarks import convolutional, recurrent
    from zoo.bundle import weights

    device = "cuda" if torch.cuda.is_available() else "cpu"
    held = weights.arrays(model_of(paper, made))
    if paper == "gpt1":
        return _transformers(made, held, device)
    peers = {**recurrent.PEERS, "oord2016": convolutional.TorchWaveNet}
    plain = peers[paper](made).load(held).to(device).eval()

    def go_on(prompts: np.ndarray, drawn: bool) -> np.ndarray:
        tokens = torch.from_numpy(prompts).long().to(device)
        return recurrent.greedy(plain, tokens, tokens[:, -1], NONE, NONE, WORDS).cpu().numpy()

    return go_on


def _transformers(made: dict[str, Any], held: dict[str, np.ndarray], device: str) -> GoOn:
    import torch

    from benchmarks.peers import openai_gpt

    model = openai_gpt(made, held).to(device)

    def go_on(prompts: np.ndarray, drawn: bool) -> np.ndarray:
        tokens = torch.from_numpy(prompts).long().to(device)
        with torch.inference_mode():
            found = model.generate(
                tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=WORDS,
                do_sample=False, pad_token_id=0, eos_token_id=None,
            )  # fmt: skip
        return found[:, tokens.shape[1] :].cpu().numpy()

    return go_on


def prepare(name: str, paper: str, made: dict[str, Any]) -> Callable[[str], common.Measured]:
    """Return what makes one pass over a task's prompts; the first one of a task comes before."""
    go_on = ours(paper, made) if name in OURS else theirs(paper, made)
    shape = (max(PROMPTS.values()), 1 + PROMPT)
    prompts = np.random.default_rng(0).integers(4, made["vocabulary"], shape, dtype=np.int32)
    prompts[:, 0] = START
    known: set[str] = set()

    def one_pass(batch: int, drawn: bool) -> int:
        parts = (prompts[at : at + batch] for at in range(0, PROMPTS[batch], batch))
        return sum(int((go_on(part, drawn) != NONE).sum()) for part in parts)

    def measure(task: str) -> common.Measured:
        if task not in known:
            known.add(task)
            one_pass(*TASKS[task])
        began = time.perf_counter()
        words = one_pass(*TASKS[task])
        seconds = time.perf_counter() - began
        return {"words": words, "seconds": round(seconds, 4)}

    return measure


def _rows(measured: dict, peer: str) -> list[dict[str, object]]:
    """Return the rows of the table, each task's together."""
    speeds = {key: common.median(rounds, "words") for key, rounds in measured.items()}
    return [
        {
            "generation": name,
            "batch": TASKS[task][0],
            "words": "drawn" if TASKS[task][1] else "most probable",
            "words/s": f"{speed:,.0f}",
            f"against {peer}": common.ratio(speed, speeds.get((task, peer))),
            "words of a pass": measured[task, name][0]["words"],
        }
        for (task, name), speed in speeds.items()
    ]


if __name__ == "__main__":
    main()
