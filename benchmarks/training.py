"""Tokens a second in training: our backends against a plain PyTorch loop.

    python -m benchmarks.training [--paper sutskever2014] [--size base] [--smoke]

Each contestant makes whole updates (forward, loss, backward, clipping, the optimizer's step) on the
very same batches of random ids. Ours run through the code of `zoo train`. The peer is the same
model of torch's own layers (nn.Transformer's, nn.LSTM; nn.Linear where torch has none), in the loop
that anybody would write, with the same loss and optimizer, Adam or plain SGD. Compiling is outside
the measurement.

Translators get the shapes that the buckets of the paper's default recipe give for sentences as long
as Tatoeba's; only real target tokens are counted. Language models get the recipe's rows of `bptt`
words each, without the lengths that it draws, and carry their state from batch to batch.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks import common, results
from benchmarks.common import END, PAD, START
from zoo.config.recipe import Recipe
from zoo.data.batches import PairBatches
from zoo.data.encoded import Encoded, Ragged
from zoo.data.stream import Stream

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
    parser = common.parser(__doc__.splitlines()[0], common.PAPERS, rounds=3)
    parser.add_argument("--updates", type=int, default=60, help="in a round")
    asked = parser.parse_args()
    if asked.smoke:
        asked.updates, asked.rounds = 4, 1
    made = recipe(asked.paper, asked.size, asked.smoke)
    if asked.worker:
        common.serve(lambda: prepare(asked.worker, made, asked.updates))
        return
    backends = {name: backend or "torch" for name, (backend, _) in CONTESTANTS.items()}
    measured = common.race("benchmarks.training", asked, backends, {"updates": list(backends)})
    rows, note = _report(made, measured, asked)
    results.report(f"Training: {asked.paper}, {made.model.size}", rows, note, asked.smoke)


def recipe(paper: str, size: str = "starter", smoke: bool = False) -> Recipe:
    """Return a paper's default recipe, or a tiny version of it."""
    made = common.default_recipe(paper).changed({"model.size": size})
    if smoke:
        # Compiling, so that the tiny version takes the same way as the full one.
        made = made.smoke().changed({"train.jit": None})
    if "weight_noise" in made.model.arguments:
        made = made.changed({"model.arguments.weight_noise": 0.0})  # the peer has none
    if made.task == "generate":
        return made.changed({"train.vary_bptt": False})
    return made.changed({"train.buckets": [8, 64]}) if smoke else made


def _report(made: Recipe, measured: dict, asked: argparse.Namespace) -> tuple[list[dict], str]:
    """Return the rows of the table and what they are of."""
    speeds = {name: common.median(rounds, "tokens") for (_, name), rounds in measured.items()}
    settings = made.train
    if made.task == "generate":
        unit, shape = "words/s", f"{settings.batch_sentences} rows of {settings.bptt} words"
    else:
        unit = "target tokens/s"
        shape = f"{settings.batch_tokens:,} padded tokens in {len(settings.buckets)} lengths"
    rows = [
        {
            "training": name,
            unit: f"{speed:,.0f}",
            f"against {PEER}": common.ratio(speed, speeds.get(PEER)),
            f"against {PEER}, bfloat16": common.ratio(speed, speeds.get(f"{PEER}, bfloat16")),
        }
        for name, speed in speeds.items()
    ]
    note = (
        f"Model: {common.described(made.resolved().model.arguments)}. Batches of {shape}; median "
        f"of {asked.rounds} rounds of {asked.updates} updates, in which all took turns. "
        f"{common.quietness(measured)}"
    )
    return rows, note


def random_batches(made: Recipe) -> PairBatches | Stream:
    """Return what all train on, ids drawn at random."""
    return _stream(made) if made.task == "generate" else _pairs(made)


def _stream(made: Recipe) -> Stream:
    """Return a stream that begins anew after every 50 batches."""
    rows, bptt = made.train.batch_sentences, made.train.bptt
    vocabulary = made.resolved().model.arguments["vocabulary"]
    ids = np.random.default_rng(0).integers(4, vocabulary, 50 * rows * bptt + 1)
    return Stream(Ragged.of([ids]), rows=rows, bptt=bptt)


def _pairs(made: Recipe) -> PairBatches:
    """Return batches of sentences as long as everyday ones, mostly 6 to 15."""
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
    return PairBatches(
        Encoded.pairs(side(lengths, source), side(others, target)),
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
    data = random_batches(made)
    run = _ours(made, data) if backend else _theirs(made, data)
    position = _warm_up(data)
    run(0, position)

    def measure(_: str) -> common.Measured:
        nonlocal position
        began = time.perf_counter()
        run(position, updates)
        seconds = time.perf_counter() - began
        tokens = sum(data.tokens(step) for step in range(position, position + updates))
        position += updates
        return {"tokens": tokens, "seconds": round(seconds, 3)}

    return measure


def _warm_up(data: PairBatches | Stream) -> int:
    """Return how many updates run every shape at least once, no fewer than 4."""
    if isinstance(data, Stream):
        return 4
    wanted = {i for i in range(len(data.buckets)) if len(data.members[i])}
    seen: set[int] = set()
    steps = 0
    while seen != wanted or steps < 4:
        seen.add(data.members_of(steps)[0])
        steps += 1
    return steps


def _ours(made: Recipe, data: PairBatches | Stream) -> Callable[[int, int], Any]:
    """Return `run(first, updates)` as `zoo train` makes updates, without validation."""
    import keras

    from zoo.training.run import build

    keras.utils.set_random_seed(made.seed)
    trainer = trainer_of(build(made), made, data)

    def run(first: int, updates: int) -> None:
        for step in range(first, first + updates):
            trainer.update(step)

    return run


def trainer_of(model: Any, made: Recipe, data: PairBatches | Stream) -> Any:
    """Return what makes updates on the batches, as in `zoo train`."""
    from zoo.training.trainers import trainer_class

    examples = Encoded.texts(data.texts) if isinstance(data, Stream) else data.data
    tokenizer = SimpleNamespace(start_id=START, pad_id=PAD)
    return trainer_class(made.task)(model, made, examples, examples, tokenizer)


def _theirs(made: Recipe, data: PairBatches | Stream) -> Callable[[int, int], Any]:
    """Return `run(first, updates)` of the peer."""
    import torch

    torch.manual_seed(made.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return updates_of(peer(made).to(device), made, data)


def updates_of(model: Any, made: Recipe, data: PairBatches | Stream) -> Callable[[int, int], float]:
    """Return `run(first, updates)`, which trains a peer and gives the last update's loss."""
    import torch

    device = next(model.parameters()).device
    model.train()
    settings = made.optimizer
    rates = _rates(made)
    optimizer: torch.optim.Optimizer
    if settings.name == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=settings.momentum or 0.0)
    else:
        optimizer = torch.optim.Adam(
            model.parameters(), betas=(settings.beta_1, settings.beta_2), eps=settings.epsilon
        )
    loss_of = (_loss_of_pairs if isinstance(data, PairBatches) else _loss_of_stream)(model, made)

    def tensor(array: np.ndarray) -> torch.Tensor:
        found = torch.from_numpy(array).to(device)
        return found if found.is_floating_point() else found.long()

    def run(first: int, updates: int) -> float:
        for step in range(first, first + updates):
            inputs, labels = data.batch(step)
            inputs = {name: tensor(each) for name, each in inputs.items()}
            loss = loss_of(inputs, tensor(labels))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if settings.clip_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            optimizer.param_groups[0]["lr"] = rates[min(step, len(rates) - 1)]
            optimizer.step()
        return float(loss.detach())  # waits for a GPU

    return run


def _rates(made: Recipe) -> list[float]:
    """Return the learning rate of each update by the recipe's schedule."""
    from keras import ops

    from zoo.optim.schedules import schedule

    steps = ops.arange(made.train.updates)
    return ops.convert_to_numpy(schedule(made)(steps)).tolist()


def _loss_of_pairs(model: Any, made: Recipe) -> Callable[[dict[str, Any], Any], Any]:
    from benchmarks.peers import smoothed_loss

    def loss_of(inputs: dict[str, Any], labels: Any) -> Any:
        with _precision(made, labels.device.type):
            logits = model(inputs["source"], inputs["target"])
        return smoothed_loss(logits, labels, made.train.label_smoothing, PAD)

    return loss_of


def _loss_of_stream(model: Any, made: Recipe) -> Callable[[dict[str, Any], Any], Any]:
    """Return a loss that goes on with the state of the batch before, detached."""
    from benchmarks.peers import smoothed_loss
    from zoo.tasks.likelihood import IGNORED

    settings, arguments = made.train, made.resolved().model.arguments
    alpha, beta = (arguments.get(each, 0.0) for each in ("ar_alpha", "tar_beta"))
    state = model.zero_state(settings.batch_sentences)

    first = model.zero_state(settings.batch_sentences)

    def on(part: Any, begin: Any, carry: Any) -> Any:
        """Return a part of the state, a tensor or a tuple of them, or its beginning."""
        if isinstance(part, tuple):
            return tuple(on(*pair, carry) for pair in zip(part, begin, strict=True))
        return part.detach() * carry + begin * (1.0 - carry)

    def loss_of(inputs: dict[str, Any], labels: Any) -> Any:
        nonlocal state
        state = [on(*pair, inputs["carry"]) for pair in zip(state, first, strict=True)]
        with _precision(made, labels.device.type):
            logits, *outputs, state = model(inputs["tokens"], state)
        loss = smoothed_loss(logits, labels, settings.label_smoothing, IGNORED)
        if outputs:  # AR and TAR
            raw, dropped = outputs
            loss = loss + alpha * dropped.float().square().mean()
            loss = loss + beta * (raw[1:] - raw[:-1]).float().square().mean()
        return loss

    return loss_of


def _precision(made: Recipe, device: str) -> contextlib.AbstractContextManager:
    import torch

    low = made.train.precision != "float32"
    return torch.autocast(device, torch.bfloat16) if low else contextlib.nullcontext()


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
