"""Sentences tagged a second, and tokens a second in fine-tuning, against transformers.

    python -m benchmarks.encoders [--smoke]

The network is MiniLM's, six layers of 384, with a head for nine tags and random weights, which
transformers writes to a folder and everybody reads. The pieces are those of bert2018.ner.

Tagging: 1,000 texts of 4 to 100 words, most of 10 to 30, in batches of 32, from the text to words
with their places; the peer is the pipeline "token-classification" that joins pieces by "first".
Fine-tuning: whole updates on 32 sentences each, the same ones for all, in the recipe's lengths; the
peer is the loop that anybody would write. Compiling is outside both measurements. The aims are 1.5
times the pipeline and 1.2 times PyTorch in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common, results
from zoo.config import recipe as recipes

PEER = "transformers"
LOW = "bfloat16"
# Contestant -> Keras' backend; what follows a comma is the precision of training.
TAGGING = {"TensorFlow": "tensorflow", "JAX": "jax", "Keras on PyTorch": "torch", PEER: "torch"}
TRAINING = {f"{name}, {LOW}": backend for name, backend in TAGGING.items()} | TAGGING
TASKS = {"tag": list(TAGGING), "finetune": list(TRAINING)}
SENTENCES, BATCH = 1000, 32
RECIPE = "bert2018-ner"
SMALL = {"width": 16, "layers": 2, "heads": 2, "feed_forward": 32}
SIZES = {
    "vocabulary": "vocab_size", "context": "max_position_embeddings", "width": "hidden_size",
    "layers": "num_hidden_layers", "heads": "num_attention_heads",
    "feed_forward": "intermediate_size",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=20, help="of fine-tuning in a round")
    parser.add_argument("--task", choices=TASKS, help="one of them; else both")
    parser.add_argument("--only", nargs="*", help="contestants, by the tables' first column")
    parser.add_argument("--smoke", action="store_true", help="seconds long; writes nothing")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.smoke:
        asked.updates, asked.rounds = 2, 1
    if asked.worker:
        common.serve(lambda: prepare(asked))
        return
    with tempfile.TemporaryDirectory() as folder:
        asked.folder = folder
        weights = write(Path(folder), asked.smoke)
        for task in [asked.task] if asked.task else list(TASKS):
            asked.task = task
            backends = {name: TRAINING[name] for name in TASKS[task]}
            measured = common.race("benchmarks.encoders", asked, backends, {task: list(backends)})
            _report(task, measured, weights, asked)


def _report(task: str, measured: dict, weights: int, asked: argparse.Namespace) -> None:
    speeds = {name: common.median(rounds, "amount") for (_, name), rounds in measured.items()}
    unit = "texts/s" if task == "tag" else "tokens/s"
    peers = [PEER] if task == "tag" else [PEER, f"{PEER}, {LOW}"]
    rows: list[dict[str, object]] = [
        {
            "tagging" if task == "tag" else "fine-tuning": name,
            unit: f"{speed:,.0f}",
            **{f"against {peer}": common.ratio(speed, speeds.get(peer)) for peer in peers},
        }
        for name, speed in speeds.items()
    ]
    shape = f"{sentences(asked.smoke)} texts of mixed length, batches of {BATCH}, float32"
    if task == "finetune":
        shape = f"{asked.updates} updates on {BATCH} sentences each"
    note = (
        f"{weights:,} weights, nine tags; {shape}; median of {asked.rounds} rounds, in which all "
        f"took turns. {common.quietness(measured)}"
    )
    title = {"tag": "Tagging: bert2018, MiniLM", "finetune": "Fine-tuning: bert2018, MiniLM tagger"}
    results.report(title[task], rows, note, asked.smoke)


def sentences(smoke: bool) -> int:
    return 8 if smoke else SENTENCES


def write(folder: Path, smoke: bool) -> int:
    """Write a tagger with random weights as transformers does; return its number of weights."""
    import torch
    import transformers

    from zoo.config import catalog
    from zoo.text import load_tokenizers

    tokenizer = load_tokenizers(catalog.find_bundle("bert2018.ner"))[0]
    made = recipes.load(RECIPE).resolved().model.arguments | (SMALL if smoke else {})
    config = {theirs: made[ours] for ours, theirs in SIZES.items()}
    labels = dict(enumerate(recipes.load(RECIPE).data.labels))
    torch.manual_seed(0)
    model = transformers.BertForTokenClassification(
        transformers.BertConfig(**config, id2label=labels, num_labels=len(labels))
    )
    model.save_pretrained(folder)
    words = "\n".join(tokenizer.pieces(range(tokenizer.size)))
    (folder / "vocab.txt").write_text(words + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}), encoding="utf-8"
    )
    return sum(each.numel() for each in model.parameters())


def texts(folder: Path, count: int) -> list[str]:
    """Return texts of whole words drawn at random, 4 to 100 of them."""
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    words = [piece for piece in pieces if piece.isascii() and piece.isalpha() and len(piece) > 1]
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(3.0, 0.6, size=count).astype(int), 4, 100)
    return [" ".join(random.choice(words, size=length)) for length in lengths]


def prepare(asked: argparse.Namespace) -> Callable[[str], common.Measured]:
    """Return what runs one round of the task; every shape has been run once."""
    folder, low = Path(asked.folder), asked.worker.endswith(LOW)
    ours = not asked.worker.startswith(PEER)
    if asked.task == "tag":
        return _tagging(folder, texts(folder, sentences(asked.smoke)), ours)
    return _training(folder, asked.updates, low, ours)


def _tagging(folder: Path, given: list[str], ours: bool) -> Callable[[str], common.Measured]:
    tag = _our_tags(folder) if ours else _their_tags(folder)
    assert len(tag(given)) == len(given)

    def measure(_: str) -> common.Measured:
        began = time.perf_counter()
        tag(given)
        return {"amount": len(given), "seconds": round(time.perf_counter() - began, 3)}

    return measure


def _our_tags(folder: Path) -> Callable[[list[str]], list[Any]]:
    import zoo

    model = zoo.load(folder)
    return lambda given: model.predict(given, batch_size=BATCH)


def _their_tags(folder: Path) -> Callable[[list[str]], list[Any]]:
    import transformers

    pipeline = transformers.pipeline(
        "token-classification", model=str(folder), aggregation_strategy="first", device="cpu"
    )
    return lambda given: list(pipeline(given, batch_size=BATCH))


def _training(
    folder: Path, updates: int, low: bool, ours: bool
) -> Callable[[str], common.Measured]:
    batches = data(folder)
    run = _our_updates(folder, low) if ours else _their_updates(folder, low)
    shapes: set[tuple[int, ...]] = set()
    for batch in batches:
        if batch[0].shape not in shapes:
            shapes.add(batch[0].shape)
            run([batch])
    position = 0

    def measure(_: str) -> common.Measured:
        nonlocal position
        part = [batches[(position + i) % len(batches)] for i in range(updates)]
        position += updates
        began = time.perf_counter()
        run(part)
        seconds = time.perf_counter() - began
        tokens = sum(int((tokens != 0).sum()) for tokens, _ in part)
        return {"amount": tokens, "seconds": round(seconds, 3)}

    return measure


Batch = tuple[np.ndarray, np.ndarray]


def data(folder: Path) -> list[Batch]:
    """Return batches of random tokens and tags, padded on the right, in the recipe's lengths."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    random = np.random.default_rng(0)
    buckets = recipes.load(RECIPE).train.buckets
    found = []
    for _ in range(24):
        # As long as CoNLL's sentences: half of them up to 16 pieces, few above 48.
        bucket = buckets[min(int(random.exponential(1.4)), len(buckets) - 1)]
        lengths = random.integers(bucket // 2, bucket + 1, BATCH)
        present = np.arange(bucket) < lengths[:, None]
        tokens = random.integers(1000, config["vocab_size"], (BATCH, bucket)) * present
        tags = np.where(present, random.integers(0, 9, (BATCH, bucket)), -100)
        found.append((tokens.astype("int32"), tags.astype("int32")))
    return found


def _our_updates(folder: Path, low: bool) -> Callable[[list[Batch]], None]:
    """Return what makes updates as `zoo finetune` does."""
    import keras

    import zoo
    from zoo.data.batches import IGNORED
    from zoo.optim.optimizers import optimizer
    from zoo.tasks.losses import LabelSmoothedCrossEntropy

    made = recipes.load(RECIPE).changed({"model.weights": "", "tokenizer.weights": ""})
    precision = "mixed_bfloat16" if low else "float32"
    model = zoo.load(folder, dtype=precision).model
    model.compile(
        optimizer=optimizer(made, model),
        loss=LabelSmoothedCrossEntropy(0.0, padding_id=IGNORED),
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )

    def run(batches: list[Batch]) -> None:
        for tokens, tags in batches:
            model.train_on_batch(tokens, np.where(tags < 0, IGNORED, tags))

    return run


def _their_updates(folder: Path, low: bool) -> Callable[[list[Batch]], None]:
    import torch
    import transformers

    settings = recipes.load(RECIPE)
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.schedule.peak,
        betas=(settings.optimizer.beta_1, settings.optimizer.beta_2),
        eps=settings.optimizer.epsilon, weight_decay=settings.optimizer.weight_decay or 0.0,
    )  # fmt: skip

    def run(batches: list[Batch]) -> None:
        for tokens, tags in batches:
            ids, labels = (torch.from_numpy(each).long() for each in (tokens, tags))
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                loss = model(input_ids=ids, attention_mask=(ids != 0).long(), labels=labels).loss
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.optimizer.clip_norm or 1.0)
            optimizer.step()

    return run


if __name__ == "__main__":
    main()
