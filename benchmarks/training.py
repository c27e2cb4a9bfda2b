"""Target tokens a second in training: our backends against a plain PyTorch loop.

    python -m benchmarks.training [--paper sutskever2014] [--size base] [--smoke]

Each contestant makes whole updates (forward, loss with label smoothing, backward, clipping, Adam)
on the very same batches: the shapes that the buckets of the paper's default recipe give for
sentences as long as Tatoeba's. Ours run through Keras fit, as `zoo train` does. The peer is the
same model of torch's own layers (nn.Transformer's, nn.LSTM; nn.Linear where torch has none), in the
loop that anybody would write, with the same loss. Compiling is outside the measurement; tokens are
real ones, padding is not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import common, results
from benchmarks.common import END, PAD, START
from zoo import catalog
from zoo import recipe as recipes
from zoo.data.arrays import Arrays, Ragged
from zoo.data.batches import Batches
from zoo.recipe import Recipe

PEER = "PyTorch"
# Name -> Keras backend (the peer has none) and precision.
CONTESTANTS = {
    "TensorFlow": ("tensorflow", "float32"),
    "TensorFlow, bfloat16": ("tensorflow", "mixed_bfloat16"),
    "JAX": ("jax", "float32"),
    "Keras on PyTorch": ("torch", "float32"),
    PEER: ("", "float32"),
    f"{PEER}, bfloat16": ("", "mixed_bfloat16"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paper", default="vaswani2017", choices=common.PAPERS)
    parser.add_argument("--size", help="another size of the model")
    parser.add_argument("--updates", type=int, default=60, help="in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--smoke", action="store_true", help="seconds long; writes nothing")
    parser.add_argument("--worker", choices=CONTESTANTS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.smoke:
        asked.updates, asked.rounds = 4, 1
    made = recipe(asked.paper, asked.size, asked.smoke)
    if asked.worker:
        common.serve(lambda: prepare(asked.worker, made, asked.updates))
        return
    passed = ["--paper", asked.paper, "--updates", str(asked.updates)]
    passed += ["--size", asked.size] if asked.size else []
    passed += ["--smoke"] if asked.smoke else []
    workers = [
        common.Worker("benchmarks.training", name, passed, CONTESTANTS[name][0] or "torch")
        for name in asked.only
    ]
    measured = common.compete(workers, asked.rounds, {"updates": asked.only})
    rows, note = _report(made, measured, asked)
    if asked.smoke:
        print(*rows, note, sep="\n")
    else:
        results.write(f"Training: {asked.paper}, {made.model.size}", rows, note)


def recipe(paper: str, size: str | None = None, smoke: bool = False) -> Recipe:
    """Return the recipe of a paper's default weights, or a tiny version of it."""
    entry = catalog.entry(paper)
    made = recipes.load(entry.weights[entry.default].recipe)
    if size:
        made = made.changed({"model.size": size})
    if smoke:
        # Two buckets and compiling, so that the tiny version takes the same way as the full one.
        made = made.smoke().changed({"train.buckets": [8, 64], "train.jit": None})
    return made


def _report(made: Recipe, measured: dict, asked: argparse.Namespace) -> tuple[list[dict], str]:
    """Return the rows of the table and what they are of."""
    speeds = {name: common.median(rounds, "tokens") for (_, name), rounds in measured.items()}
    rows = [
        {
            "training": name,
            "target tokens/s": f"{speed:,.0f}",
            f"against {PEER}": common.ratio(speed, speeds.get(PEER)),
            f"against {PEER}, bfloat16": common.ratio(speed, speeds.get(f"{PEER}, bfloat16")),
        }
        for name, speed in speeds.items()
    ]
    note = (
        f"Model: {common.described(made.resolved().model.arguments)}. Batches of "
        f"{made.train.batch_tokens:,} padded tokens in {len(made.train.buckets)} lengths; median "
        f"of {asked.rounds} rounds of {asked.updates} updates, in which all took turns. "
        f"{common.quietness(measured)}"
    )
    return rows, note


def _data(made: Recipe) -> Batches:
    """Return batches of random ids in sentences as long as everyday ones, mostly 6 to 15."""
    random = np.random.default_rng(0)
    longest = made.train.buckets[-1]
    lengths = np.clip(random.lognormal(2.1, 0.4, size=20_000).astype(int) + 2, 3, longest)
    stretch = random.normal(1.1, 0.15, size=len(lengths))
    others = np.clip((lengths * stretch).astype(int), 3, longest)

    def side(counts: np.ndarray, vocabulary: int) -> Ragged:
        drawn = random.integers(4, vocabulary, size=(len(counts), longest))
        return Ragged.of(
            [[*row[: n - 1], END] for row, n in zip(drawn.tolist(), counts, strict=True)]
        )

    source, target = made.tokenizer.sizes
    return Batches(
        Arrays(side(lengths, source), side(others, target)),
        batch_tokens=made.train.batch_tokens,
        buckets=made.train.buckets,
        seed=made.seed,
        start_id=START,
        pad_id=PAD,
    )


def prepare(name: str, made: Recipe, updates: int) -> Callable[[str], common.Measured]:
    """Return what runs one round; every shape has been run once."""
    backend, precision = CONTESTANTS[name]
    made = made.changed({"train.precision": precision})
    data = _data(made)
    run = _ours(made, data) if backend else _theirs(made, data)
    wanted, seen, warm = set(range(len(data.buckets))), set(), 0
    wanted = {i for i in wanted if len(data.members[i])}
    while seen != wanted or warm < 4:
        seen.add(data.members_of(warm)[0])
        warm += 1
    run(0, warm)
    position = warm

    def measure(_: str) -> common.Measured:
        nonlocal position
        began = time.perf_counter()
        run(position, updates)
        seconds = time.perf_counter() - began
        tokens = sum(data.tokens(step) for step in range(position, position + updates))
        position += updates
        return {"tokens": tokens, "seconds": round(seconds, 3)}

    return measure


def _ours(made: Recipe, data: Batches) -> Callable[[int, int], None]:
    import keras

    from zoo.training import fit, loop

    keras.utils.set_random_seed(made.seed)
    model = loop.build(made)
    fit.compile_for(model, made, PAD)

    def run(first: int, updates: int) -> None:
        model.fit(fit.Window(data, first, updates), shuffle=False, verbose=0)

    return run


def _theirs(made: Recipe, data: Batches) -> Callable[[int, int], None]:
    import contextlib

    import torch

    from benchmarks.peers import smoothed_loss

    torch.manual_seed(made.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = peer(made).to(device).train()
    settings = made.optimizer
    optimizer = torch.optim.Adam(
        model.parameters(), lr=1e-4, betas=(settings.beta_1, settings.beta_2), eps=settings.epsilon
    )
    low = made.train.precision != "float32"

    def run(first: int, updates: int) -> None:
        for step in range(first, first + updates):
            inputs, labels = data.batch(step)
            source, target, labels = (
                torch.from_numpy(each).long().to(device)
                for each in (inputs["source"], inputs["target"], labels)
            )
            with torch.autocast(device, torch.bfloat16) if low else contextlib.nullcontext():
                logits = model(source, target)
            loss = smoothed_loss(logits, labels, made.train.label_smoothing, PAD)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if settings.clip_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            optimizer.step()
        float(loss.detach())  # waits for a GPU

    return run


def peer(made: Recipe) -> Any:
    """Return the paper's model in plain PyTorch."""
    arguments = {"padding_id": PAD, **made.resolved().model.arguments}
    if made.paper == "vaswani2017":
        from benchmarks.peers import TorchTransformer
        from zoo.layers.positions import sinusoid

        return TorchTransformer(arguments, sinusoid(arguments["max_length"], arguments["width"]))
    from benchmarks.recurrent import PEERS

    return PEERS[made.paper](arguments)


if __name__ == "__main__":
    main()
