"""Read OpenAI GPT's checkpoints as gpt1: transformers' folders, old and new, and OpenAI's own.

transformers  config.json, model.safetensors or pytorch_model.bin, vocab.json with merges.txt or
              tokenizer.json. Names may begin with "transformer."; the causal mask `attn.bias` and
              the copy of the word embedding `lm_head.weight` are left out. Its Conv1D stores
              matrices as Keras does, inputs first.
OpenAI        params_shapes.json and params_0.npy ... params_9.npy, whose concatenation holds all
              numbers in the order of the shapes; encoder_bpe_40000.json, vocab_40000.bpe.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.convert import Converted, adapted
from zoo.convert import tensors as checkpoints
from zoo.convert.facts import read_json
from zoo.convert.tensors import Shape, Tensor
from zoo.errors import BundleError
from zoo.text import BpeTokenizer

RECIPE = "gpt1-books"
# Our name, theirs, and the shape: w is the states' width, f the feed-forward layer's.
BLOCK = {
    "query_key_value.kernel": ("attn.c_attn.weight", "w 3w"),
    "query_key_value.bias": ("attn.c_attn.bias", "3w"),
    "projection.kernel": ("attn.c_proj.weight", "w w"),
    "projection.bias": ("attn.c_proj.bias", "w"),
    "attention_norm.gamma": ("ln_1.weight", "w"),
    "attention_norm.beta": ("ln_1.bias", "w"),
    "inner.kernel": ("mlp.c_fc.weight", "w f"),
    "inner.bias": ("mlp.c_fc.bias", "f"),
    "outer.kernel": ("mlp.c_proj.weight", "f w"),
    "outer.bias": ("mlp.c_proj.bias", "w"),
    "feed_forward_norm.gamma": ("ln_2.weight", "w"),
    "feed_forward_norm.beta": ("ln_2.bias", "w"),
}
# Tensors that are not weights: masks, the positions' numbers, the tied softmax.
LEFT_OUT = re.compile(r"(h\.\d+\.attn\.(bias|masked_bias)|position_ids|lm_head\.weight)$")
# Names of layer normalisation's gain and bias in older files.
OLDER = {"gamma": "weight", "g": "weight", "beta": "bias", "b": "bias"}
# The authors' heads have 64 dimensions each; their files do not say so.
HEAD_DIM = 64


def recognises(folder: Path) -> bool:
    """Return whether a folder holds one of these checkpoints."""
    if (folder / "params_shapes.json").is_file():
        return True
    config = folder / "config.json"
    return config.is_file() and read_json(config).get("model_type") == "openai-gpt"


def read(folder: Path) -> Converted:
    """Read a checkpoint; raise what `zoo.convert.read` does."""
    own = (folder / "params_shapes.json").is_file()
    arguments, weights = _openai(folder) if own else _transformers(folder)
    tokenizer = _tokenizer(folder, own)
    if tokenizer.size != arguments["vocabulary"]:
        raise BundleError(
            f"{folder}: the tokenizer has {tokenizer.size:,} tokens and the weights "
            f"{arguments['vocabulary']:,} rows for them",
            "take tokenizer and weights from one place",
        )
    changes = {"tokenizer.vocabulary": tokenizer.size, "converted": "OpenAI"}
    return Converted(adapted(RECIPE, arguments, changes), weights, (tokenizer, tokenizer))


# transformers


def _transformers(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    config = read_json(folder / "config.json")
    keys = {
        "vocabulary": "vocab_size", "context": "n_positions", "width": "n_embd",
        "layers": "n_layer", "heads": "n_head",
    }  # fmt: skip
    try:
        arguments: dict[str, Any] = {ours: int(config[theirs]) for ours, theirs in keys.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"{folder / 'config.json'} lacks a size: {error}", "copy the checkpoint again"
        ) from None
    activation = config.get("afn", "gelu")
    if activation not in ("gelu", "gelu_new"):
        raise BundleError(
            f"{folder / 'config.json'}: the activation is {activation}, gpt1 has gelu",
            "only checkpoints of the paper's network can be read",
        )
    arguments |= {
        "feed_forward": 4 * arguments["width"],
        "dropout": float(config.get("resid_pdrop", 0.1)),
        "attention_dropout": float(config.get("attn_pdrop", 0.1)),
        "epsilon": float(config.get("layer_norm_epsilon", 1e-5)),
    }
    tensors = {_plain(name): tensor for name, tensor in checkpoints.read(folder).items()}
    kept = {name: tensor for name, tensor in tensors.items() if not LEFT_OUT.search(name)}
    return arguments, checkpoints.take(kept, wanted(arguments), folder)


def _plain(name: str) -> str:
    """Return the newer form of a tensor's name, without the prefix."""
    parts = name.removeprefix("transformer.").split(".")
    if parts[-2:-1] in (["ln_1"], ["ln_2"]):
        parts[-1] = OLDER.get(parts[-1], parts[-1])
    return ".".join(parts)


def wanted(arguments: Mapping[str, Any]) -> dict[str, tuple[str, Shape]]:
    """Return our own name and the shape for each name in a checkpoint, in OpenAI's order."""
    width = arguments["width"]
    sizes = {"w": width, "3w": 3 * width, "f": arguments["feed_forward"]}
    names: dict[str, tuple[str, Shape]] = {
        "positions_embed.weight": ("decoder.positions", (arguments["context"], width)),
        "tokens_embed.weight": ("decoder.tokens", (arguments["vocabulary"], width)),
    }
    for layer in range(arguments["layers"]):
        for ours, (theirs, shape) in BLOCK.items():
            sides = tuple(sizes[letter] for letter in shape.split())
            names[f"h.{layer}.{theirs}"] = (f"decoder.blocks.{layer}.{ours}", sides)
    return names


# OpenAI


def _openai(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    shapes = json.loads((folder / "params_shapes.json").read_text(encoding="utf-8"))
    try:
        (context, width), (vocabulary, _), *blocks = shapes
        layers, rest = divmod(len(blocks), len(BLOCK))
        feed_forward = blocks[6][-1]
    except (TypeError, ValueError, IndexError):
        layers, rest = 0, 1
    if rest or not layers or width % HEAD_DIM:
        raise BundleError(
            f"{folder / 'params_shapes.json'} does not list the shapes of a GPT",
            "copy OpenAI's model folder again",
        )
    arguments = {
        "vocabulary": vocabulary, "context": context, "width": width, "layers": layers,
        "heads": width // HEAD_DIM, "feed_forward": feed_forward,
    }  # fmt: skip
    numbers = _numbers(folder, sum(math.prod(shape) for shape in shapes))
    names, tensors, first = wanted(arguments), {}, 0
    for name, shape in zip(names, shapes, strict=True):
        part = numbers[first : first + math.prod(shape)]
        first += len(part)
        # OpenAI's matrices have a leading 1, the width of a convolution's kernel.
        plain = tuple(shape[1:]) if len(shape) == 3 and shape[0] == 1 else tuple(shape)
        tensors[name] = Tensor(plain, functools.partial(part.reshape, plain))
    return arguments, checkpoints.take(tensors, names, folder)


def _numbers(folder: Path, count: int) -> np.ndarray:
    """Return all numbers of params_*.npy, float32 [count]; refuse pickled arrays."""
    paths = {int(path.stem[7:]): path for path in folder.glob("params_[0-9]*.npy")}
    parts = []
    for number in range(len(paths)):
        path = paths.get(number, folder / f"params_{number}.npy")
        try:
            parts.append(np.load(path, allow_pickle=False).astype(np.float32).ravel())
        except (OSError, ValueError) as error:
            raise BundleError(f"{path} cannot be read: {error}", "copy it again") from None
    total = sum(map(len, parts))
    if total != count:
        raise BundleError(
            f"{folder}: params_*.npy hold {total:,} numbers in {len(parts)} files, "
            f"params_shapes.json asks for {count:,}",
            "copy all of params_0.npy to params_9.npy",
        )
    return np.concatenate(parts)


# The tokenizer


def _tokenizer(folder: Path, own: bool) -> BpeTokenizer:
    pairs = [("encoder_bpe_40000.json", "vocab_40000.bpe"), ("vocab.json", "merges.txt")]
    vocabulary, merges = (folder / name for name in pairs[0 if own else 1])
    if vocabulary.is_file() and merges.is_file():
        words, lines = read_json(vocabulary), merges.read_text(encoding="utf-8").split("\n")
        # The first line states a version, the last one is empty.
        joined = [line.split(" ") for line in lines[1:] if line.strip()]
    elif (whole := folder / "tokenizer.json").is_file():
        model = read_json(whole).get("model", {})
        words = model.get("vocab", {})
        joined = [x.split(" ") if isinstance(x, str) else list(x) for x in model.get("merges", [])]
    else:
        raise BundleError(
            f"{folder} has no tokenizer: neither {vocabulary.name} with {merges.name} nor "
            "tokenizer.json",
            "save the tokenizer into the same folder",
        )
    ids = sorted(words.values()) if isinstance(words, dict) else []
    if not ids or ids != list(range(len(ids))) or any(len(pair) != 2 for pair in joined):
        raise BundleError(
            f"{folder}: its tokenizer is not a vocabulary with merges",
            "take the files that belong to the weights",
        )
    return BpeTokenizer(sorted(words, key=words.__getitem__), [(a, b) for a, b in joined])
