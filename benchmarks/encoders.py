"""Texts tagged, questions answered and tokens learned from a second, against transformers.

    python -m benchmarks.encoders [--smoke]

The network is MiniLM's, six layers of 384, with a head for nine tags or for answers and random
weights, which transformers writes to a folder and everybody reads. The pieces are those of
bert2018.ner.

Tagging: 1,000 texts of 4 to 100 words, most of 10 to 30, in batches of 32, from the text to words
with their places; the peer is the pipeline "token-classification" that joins pieces by "first".
Answering: 200 questions of 5 to 15 words on contexts of 60 to 400, as SQuAD's are, in windows of
384 tokens 128 apart, from the texts to the best part of the context with its place; transformers 5
has no pipeline for it, so that the peer is its tokenizer and network in batches of 32, and the best
of 20 starts and 20 ends, as version 4 had it.
Fine-tuning: whole updates on 32 sentences each, the same ones for all, in the recipe's lengths; the
peer is the loop that anybody would write. Compiling is outside both measurements. The aims are 1.5
times the peer in both, and 1.2 times PyTorch in bfloat16.
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
TASKS = {"tag": list(TAGGING), "answer": list(TAGGING), "finetune": list(TRAINING)}
SENTENCES, QUESTIONS, BATCH = 1000, 200, 32
WINDOW, STRIDE, BEST, LONGEST = 384, 128, 20, 30
RECIPE, ANSWERER = "bert2018-ner", "bert2018-squad"
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
    parser.add_argument("--task", choices=TASKS, help="one of them; else all")
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
        for task in [asked.task] if asked.task else list(TASKS):
            asked.task, asked.folder = task, str(Path(folder) / task)
            weights = write(Path(asked.folder), asked.smoke, task == "answer")
            backends = {name: TRAINING[name] for name in TASKS[task]}
            measured = common.race("benchmarks.encoders", asked, backends, {task: list(backends)})
            _report(task, measured, weights, asked)


# Task -> what is measured, its unit, and the title of its section.
SHOWN = {
    "tag": ("tagging", "texts/s", "Tagging: bert2018, MiniLM"),
    "answer": ("answering", "questions/s", "Answering: bert2018, MiniLM"),
    "finetune": ("fine-tuning", "tokens/s", "Fine-tuning: bert2018, MiniLM tagger"),
}


def _report(task: str, measured: dict, weights: int, asked: argparse.Namespace) -> None:
    speeds = {name: common.median(rounds, "amount") for (_, name), rounds in measured.items()}
    what, unit, title = SHOWN[task]
    peers = [PEER, f"{PEER}, {LOW}"] if task == "finetune" else [PEER]
    rows: list[dict[str, object]] = [
        {
            what: name,
            unit: f"{speed:,.0f}",
            **{f"against {peer}": common.ratio(speed, speeds.get(peer)) for peer in peers},
        }
        for name, speed in speeds.items()
    ]
    shape = {
        "tag": f"nine tags; {count(asked)} texts of mixed length, batches of {BATCH}, float32",
        "answer": f"{count(asked)} questions, windows of {WINDOW}, batches of {BATCH}, float32",
        "finetune": f"nine tags; {asked.updates} updates on {BATCH} sentences each",
    }
    note = (
        f"{weights:,} weights; {shape[task]}; median of {asked.rounds} rounds, in which all took "
        f"turns. {common.quietness(measured)}"
    )
    results.report(title, rows, note, asked.smoke)


def count(asked: argparse.Namespace) -> int:
    """Return the number of texts or questions."""
    if asked.smoke:
        return 8
    return QUESTIONS if asked.task == "answer" else SENTENCES


def write(folder: Path, smoke: bool, answers: bool = False) -> int:
    """Write a tagger with random weights as transformers does; return its number of weights.

    Args:
        answers: write one that answers questions.
    """
    import torch
    import transformers

    from zoo.config import catalog
    from zoo.text import load_tokenizers

    tokenizer = load_tokenizers(catalog.find_bundle("bert2018.ner"))[0]
    made = recipes.load(RECIPE).resolved().model.arguments | (SMALL if smoke else {})
    config = {theirs: made[ours] for ours, theirs in SIZES.items()}
    labels = dict(enumerate(recipes.load(RECIPE).data.labels))
    torch.manual_seed(0)
    settings = transformers.BertConfig(**config, **({} if answers else {"id2label": labels}))
    kind = "BertForQuestionAnswering" if answers else "BertForTokenClassification"
    model = getattr(transformers, kind)(settings)
    model.save_pretrained(folder)
    words = "\n".join(tokenizer.pieces(range(tokenizer.size)))
    (folder / "vocab.txt").write_text(words + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}), encoding="utf-8"
    )
    return sum(each.numel() for each in model.parameters())


def texts(folder: Path, lengths: np.ndarray) -> list[str]:
    """Return texts of so many whole words, drawn at random."""
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    words = [piece for piece in pieces if piece.isascii() and piece.isalpha() and len(piece) > 1]
    random = np.random.default_rng(0)
    return [" ".join(random.choice(words, size=length)) for length in lengths]


def prepare(asked: argparse.Namespace) -> Callable[[str], common.Measured]:
    """Return what runs one round of the task; every shape has been run once."""
    folder, low = Path(asked.folder), asked.worker.endswith(LOW)
    ours = not asked.worker.startswith(PEER)
    random = np.random.default_rng(1)
    if asked.task == "tag":
        lengths = np.clip(random.lognormal(3.0, 0.6, count(asked)).astype(int), 4, 100)
        return _timed(_our_tags(folder) if ours else _their_tags(folder), texts(folder, lengths))
    if asked.task == "answer":
        lengths = np.clip(random.lognormal(4.7, 0.4, count(asked)).astype(int), 60, 400)
        questions = texts(folder, random.integers(5, 16, count(asked)))
        pairs = list(zip(questions, texts(folder, lengths), strict=True))
        return _timed(_our_answers(folder) if ours else _their_answers(folder), pairs)
    return _training(folder, asked.updates, low, ours)


def _timed(
    answer: Callable[[list[Any]], list[Any]], given: list[Any]
) -> Callable[[str], common.Measured]:
    assert len(answer(given)) == len(given)

    def measure(_: str) -> common.Measured:
        began = time.perf_counter()
        answer(given)
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


def _our_answers(folder: Path) -> Callable[[list[Any]], list[Any]]:
    import zoo

    model = zoo.load(folder)
    return lambda given: model.predict(given, batch_size=BATCH)


def _their_answers(folder: Path) -> Callable[[list[Any]], list[Any]]:
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    longest = min(WINDOW, model.config.max_position_embeddings)

    def best(start: np.ndarray, end: np.ndarray, inside: np.ndarray) -> tuple[float, int, int]:
        """Return the logit, first and last piece of a window's best answer."""
        start, end = (np.where(inside, each, -1e9) for each in (start, end))
        starts, ends = np.argsort(-start)[:BEST], np.argsort(-end)[:BEST]
        totals = start[starts][:, None] + end[ends]
        apart = ends - starts[:, None]
        totals[(apart < 0) | (apart >= LONGEST)] = -1e9
        row, column = np.unravel_index(totals.argmax(), totals.shape)
        return float(totals[row, column]), int(starts[row]), int(ends[column])

    def answer(given: list[Any]) -> list[Any]:
        questions, contexts = zip(*given, strict=True)
        read = tokenizer(
            list(questions), list(contexts), truncation="only_second", max_length=longest,
            stride=longest // 2 if longest < WINDOW else WINDOW - STRIDE - 20,
            return_overflowing_tokens=True, return_offsets_mapping=True,
        )  # fmt: skip
        found: list[Any] = [(-np.inf, "", 0)] * len(given)
        order = np.argsort([len(ids) for ids in read["input_ids"]], kind="stable")
        for at in range(0, len(order), BATCH):
            rows = order[at : at + BATCH]
            batch = tokenizer.pad(
                {key: [read[key][i] for i in rows] for key in
                 ("input_ids", "attention_mask", "token_type_ids")}, return_tensors="pt",
            )  # fmt: skip
            with torch.inference_mode():
                logits = model(**batch)
            for i, start, end in zip(
                rows, logits.start_logits.numpy(), logits.end_logits.numpy(), strict=True
            ):
                inside = np.array([each == 1 for each in read.sequence_ids(i)])
                size = len(inside)
                total, first, last = best(start[:size], end[:size], inside)
                places, number = read["offset_mapping"][i], read["overflow_to_sample_mapping"][i]
                if total > found[number][0]:
                    begin, until = places[first][0], places[last][1]
                    found[number] = (total, contexts[number][begin:until], begin)
        return found

    return answer


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
