"""Seconds and memory from a shell to the first logits of gpt1 at full size, and to a token.

    python -m benchmarks.loading [--rounds 3] [--smoke]

A checkpoint as transformers writes it, with random weights, lies in a cache of the hub, fetched
and converted before. A contestant is a whole process: it imports, loads tokenizer and weights, and
computes the logits of one sentence; then it writes one token more, which compiles where a backend
does. The processes take turns. Memory is the most that a process held until the logits, less what
the backend holds without a model, in units of the weights' own size.

Keras imports scikit-learn, where there is one, which takes half a second; measure without it, as
users have it: it comes with the extra `parity` alone.

The aims are 1.3 times the seconds of transformers, twice the weights, and a first token in 4 s.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time

from benchmarks import common, results

OURS = {"TensorFlow": "tensorflow", "JAX": "jax", "Keras on PyTorch": "torch"}
PEER = "transformers"
CONTESTANTS = (*OURS, PEER)
BACKENDS = {**OURS, PEER: "torch", "files": "tensorflow"}
REPO, COMMIT = "random/gpt1", "0" * 40
TEXT = "the first word of a long story is the hardest one to write ."
SMALL = {"vocabulary": 200, "context": 64, "width": 64, "layers": 2, "heads": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--smoke", action="store_true", help="a small model; writes nothing")
    parser.add_argument("--worker", choices=[*BACKENDS, "files"], help=argparse.SUPPRESS)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        print(json.dumps(work(asked.worker, asked.bare, asked.smoke)))
        return
    rounds = 1 if asked.smoke else asked.rounds
    with tempfile.TemporaryDirectory() as home:
        made = _process("files", home, *(["--smoke"] if asked.smoke else []))
        bare = {name: _process(name, home, "--bare") for name in asked.only}
        found: dict[str, list[common.Measured]] = {name: [] for name in asked.only}
        for _ in range(rounds):
            for name in asked.only:
                found[name].append(_process(name, home, checkpoint=made["folder"]))
                print(name, found[name][-1], file=sys.stderr)
    rows = _rows(found, bare, made["bytes"])
    note = (
        f"{made['weights']:,} weights, {made['bytes'] / 1e6:,.0f} MB in float32, from the cache; "
        f"median of {rounds} processes each, which took turns."
    )
    results.report("Loading: gpt1, base", rows, note, asked.smoke)


def _rows(found: dict, bare: dict, size: int) -> list[dict[str, object]]:
    middle = {
        name: {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        for name, rounds in found.items()
    }
    peer = middle.get(PEER, {}).get("logits")
    return [
        {
            "process": name,
            "s to the first logits": f"{each['logits']:.2f}",
            f"against {PEER}": common.ratio(each["logits"], peer),
            "of them loading": f"{each['loaded']:.2f}",
            "s from call to first token": f"{each['token']:.2f}",
            "peak memory, weights": f"{(each['peak'] - bare[name]['peak']) / size:.2f}",
        }
        for name, each in middle.items()
    ]


def _process(name: str, home: str, *options: str, checkpoint: str = "") -> common.Measured:
    """Return what a worker measured in a process of its own, of which it knows when it began."""
    more = {
        "HF_HOME": home, "HF_HUB_OFFLINE": "1", "CHECKPOINT": checkpoint, "BEGAN": str(time.time())
    }  # fmt: skip
    return common.alone("benchmarks.loading", ["--worker", name, *options], BACKENDS[name], more)


def work(name: str, bare: bool, smoke: bool) -> common.Measured:
    """Be a contestant, or one that only imports its backend; or make the files."""
    if name == "files":
        return files(smoke)
    if bare:
        import keras

        import zoo.pretrained

        keras.ops.convert_to_numpy(keras.ops.ones((2, 2)) @ keras.ops.ones((2, 2)))
        assert zoo.pretrained
        return {"peak": common.peak_memory()}
    return _theirs() if name == PEER else _ours()


def _ours() -> common.Measured:
    import zoo

    model = zoo.load(f"hf://{REPO}@{COMMIT}")
    ids = model.tokenizer.encode(TEXT)
    loaded = time.time()
    import keras
    import numpy as np

    logits = keras.ops.convert_to_numpy(model.model(np.array([ids], "int32")))
    assert logits.shape[:2] == (1, len(ids))
    done, peak = time.time(), common.peak_memory()
    model.predict(TEXT, max_length=len(ids) + 1)
    return _times(loaded, done, peak)


def _theirs() -> common.Measured:
    import torch
    from transformers import OpenAIGPTLMHeadModel, OpenAIGPTTokenizer

    folder = os.environ["CHECKPOINT"]
    tokenizer = OpenAIGPTTokenizer.from_pretrained(folder)
    model = OpenAIGPTLMHeadModel.from_pretrained(folder).eval()
    ids = torch.tensor([tokenizer.encode(TEXT)])
    loaded = time.time()
    with torch.inference_mode():
        logits = model(ids).logits.numpy()
        assert logits.shape[:2] == tuple(ids.shape)
        done, peak = time.time(), common.peak_memory()
        model.generate(ids, max_new_tokens=1, do_sample=False, pad_token_id=0)
    return _times(loaded, done, peak)


def _times(loaded: float, done: float, peak: int) -> common.Measured:
    began = float(os.environ["BEGAN"])
    return {
        "loaded": loaded - began,
        "logits": done - began,
        "token": time.time() - done,
        "peak": peak,
    }


def files(smoke: bool) -> common.Measured:
    """Put a checkpoint into the hub's cache as if it had been fetched, and let it be converted."""
    import torch
    from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

    from zoo.files import sha256
    from zoo.hub import client, records, resolve

    sizes = SMALL if smoke else {}
    config = {"vocabulary": "vocab_size", "context": "n_positions", "width": "n_embd",
              "layers": "n_layer", "heads": "n_head"}  # fmt: skip
    torch.manual_seed(0)
    model = OpenAIGPTLMHeadModel(OpenAIGPTConfig(**{config[key]: sizes[key] for key in sizes}))
    folder = client.snapshot(REPO, COMMIT)
    model.save_pretrained(folder)
    words, merges = byte_pairs(model.config.vocab_size)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    names = [each.name for each in folder.iterdir()]
    held = {
        each: client.File((folder / each).stat().st_size, sha256(folder / each)) for each in names
    }
    stamps = {each: records.stamp(folder / each) for each in names}
    records.write(records.Record(REPO, COMMIT, REPO, False, held, stamps))  # type: ignore[arg-type]
    count = sum(each.numel() for each in model.parameters())
    resolve.folder(f"hf://{REPO}@{COMMIT}")
    return {"weights": count, "bytes": 4 * count, "folder": str(folder)}


def byte_pairs(size: int) -> tuple[list[str], list[str]]:
    """Return so many tokens, made of letters, and the merges that make the longer ones."""
    letters = [*"abcdefghijklmnopqrstuvwxyz.,"]
    words = ["<unk>", "\n</w>", *letters, *(f"{each}</w>" for each in letters)]
    merges: list[str] = []
    grown = letters
    while True:
        longer = []
        for left, right in itertools.product(grown, letters):
            for end in ("", "</w>"):
                if len(words) == size:
                    return words, merges
                merges.append(f"{left} {right}{end}")
                words.append(f"{left}{right}{end}")
            longer.append(left + right)
        grown = longer


if __name__ == "__main__":
    main()
