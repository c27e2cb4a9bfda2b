"""Seconds and memory from a shell to the first logits of gpt1 at full size, and to a token.

    python -m benchmarks.loading [--rounds 3] [--smoke]

A checkpoint as transformers writes it, with random weights, lies in a cache of the hub, fetched
and converted before. A contestant is a whole process: it imports, loads tokenizer and weights, and
computes the logits of one sentence; then it writes one token more, which compiles where a backend
does. The processes take turns. Memory is the most that a process held until the logits, less what
the backend holds without a model, in units of the weights' own size.

The aims are 1.3 times the seconds of transformers, twice the weights, and a first token in 4 s.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import common, results

OURS = {"TensorFlow": "tensorflow", "JAX": "jax", "Keras on PyTorch": "torch"}
PEER = "transformers"
BACKENDS = {**OURS, PEER: "torch"}
REPO, COMMIT = "random/gpt1", "0" * 40
TEXT = "the first word of a long story is the hardest one to write ."
SMALL = {"vocabulary": 200, "context": 64, "width": 64, "layers": 2, "heads": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--smoke", action="store_true", help="a small model; writes nothing")
    parser.add_argument("--worker", choices=[*BACKENDS, "nothing", "files"], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        print(json.dumps(work(asked.worker, asked.smoke)))
        return
    with tempfile.TemporaryDirectory() as home:
        made = _process("files", "tensorflow", home, asked.smoke)
        rounds = 1 if asked.smoke else asked.rounds
        bare = {name: _process("nothing", BACKENDS[name], home) for name in asked.only}
        found: dict[str, list[dict[str, float]]] = {name: [] for name in asked.only}
        for _ in range(rounds):
            for name in asked.only:
                found[name].append(_process(name, BACKENDS[name], home))
                print(name, found[name][-1], file=sys.stderr)
    rows = _rows(found, bare, made["bytes"])
    note = (
        f"{made['weights']:,} weights, {made['bytes'] / 1e6:,.0f} MB in float32, from the cache; "
        f"median of {rounds} processes each, which took turns."
    )
    if asked.smoke:
        print(*rows, note, sep="\n")
    else:
        results.write("Loading: gpt1, base", rows, note)


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


def _process(name: str, backend: str, home: str, smoke: bool = False) -> dict[str, Any]:
    """Return what a worker measured in a process of its own, whole-process seconds among it."""
    environment = {
        **os.environ, "KERAS_BACKEND": backend, "HF_HOME": home, "HF_HUB_OFFLINE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3", "BEGAN": str(time.time()),
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.loading", "--worker", name]
    done = subprocess.run(
        [*command, *(["--smoke"] if smoke else [])],
        cwd=common.ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def work(name: str, smoke: bool = False) -> dict[str, float]:
    """Be a contestant, or make the files, or import a backend and do nothing with it."""
    if name == "files":
        return files(smoke)
    if name == "nothing":
        import keras

        import zoo.pretrained

        keras.ops.convert_to_numpy(keras.ops.ones((2, 2)) @ keras.ops.ones((2, 2)))
        assert zoo.pretrained
        return {"peak": _peak()}
    return _theirs() if name == PEER else _ours()


def _ours() -> dict[str, float]:
    import keras
    import numpy as np

    import zoo

    model = zoo.load(f"hf://{REPO}@{COMMIT}")
    ids = model.tokenizer.encode(TEXT)
    loaded = time.time()
    logits = keras.ops.convert_to_numpy(model.model(np.array([ids], "int32")))
    assert logits.shape[:2] == (1, len(ids))
    done, peak = time.time(), _peak()
    model.predict(TEXT, max_length=len(ids) + 1)
    return _times(loaded, done, peak)


def _theirs() -> dict[str, float]:
    import torch
    from huggingface_hub.constants import HF_HUB_CACHE
    from transformers import OpenAIGPTLMHeadModel, OpenAIGPTTokenizer

    folder = Path(HF_HUB_CACHE) / f"models--{REPO.replace('/', '--')}" / "snapshots" / COMMIT
    tokenizer = OpenAIGPTTokenizer.from_pretrained(folder)
    model = OpenAIGPTLMHeadModel.from_pretrained(folder).eval()
    ids = torch.tensor([tokenizer.encode(TEXT)])
    loaded = time.time()
    with torch.inference_mode():
        logits = model(ids).logits.numpy()
        assert logits.shape[:2] == tuple(ids.shape)
        done, peak = time.time(), _peak()
        model.generate(ids, max_new_tokens=1, do_sample=False, pad_token_id=0)
    return _times(loaded, done, peak)


def _times(loaded: float, done: float, peak: int) -> dict[str, float]:
    began = float(os.environ["BEGAN"])
    return {
        "loaded": loaded - began,
        "logits": done - began,
        "token": time.time() - done,
        "peak": peak,
    }


def _peak() -> int:
    """Return the most bytes that this process ever held; Linux counts kilobytes, macOS bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def files(smoke: bool = False) -> dict[str, int]:
    """Put a checkpoint into the hub's cache as if it had been fetched, and let it be converted."""
    import torch
    from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

    from zoo import trained
    from zoo.hub import client, records

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
        each: client.File((folder / each).stat().st_size, client.sha256(folder / each))
        for each in names
    }
    stamps = {each: records.stamp(folder / each) for each in names}
    records.write(records.Record(REPO, COMMIT, REPO, False, held, stamps))  # type: ignore[arg-type]
    count = sum(each.numel() for each in model.parameters())
    trained.folder(f"hf://{REPO}@{COMMIT}")
    return {"weights": count, "bytes": 4 * count}


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
