"""Read fast.ai's language models of WikiText-103 as ulmfit2018: forward, backward, old and new.

old   fwd_wt103.h5 or bwd_wt103.h5, which are PyTorch's files, and itos_wt103.pkl, the list of words
new   lstm_fwd.pth or lstm_bwd.pth, perhaps inside the name "model", and itos_wt103.pkl

`weight_hh_l0_raw` is the recurrent matrix. Newer files add `weight_hh_l0`, a copy with some numbers
dropped, which is left out. PyTorch has two biases for each gate; ours is their sum.

Words take the order of the zoo's tokenizer: its markers first, then the list's other words in their
order. fast.ai's first names of markers become its later ones. A marker that the list lacks gets the
mean of all rows, as fast.ai's new words do; a missing marker of capitals, as in the first list, is
then never put before words, since the model has not read it. The zoo writes a hyphen inside a word
as @-@; if the list lacks that, it gets the row of "-". Where the list repeats a word, as it repeats
one that only fills up, the first row counts.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from zoo.convert import Converted, adapted
from zoo.convert import tensors as checkpoints
from zoo.convert.pickled_words import read_words
from zoo.convert.tensors import Shape
from zoo.errors import BundleError
from zoo.text.fastai import CAPITALISED, HYPHEN, SPECIAL, UPPER, FastaiTokenizer

RECIPE = "ulmfit2018-wikitext-103"
FILES = re.compile(r"(fwd_wt103|lstm_fwd|bwd_wt103|lstm_bwd)\.(h5|pth)$")
# fast.ai's first names.
MARKERS = {
    "_unk_": "xxunk", "_pad_": "xxpad", "xbos": "xxbos", "t_up": "xxup", "tk_rep": "xxrep",
    "tk_wrep": "xxwrep",
}  # fmt: skip
TABLE, BIAS = "0.encoder.weight", "1.decoder.bias"
COPIES = (
    "0.encoder_with_dropout.embed.weight", "0.encoder_dp.emb.weight", "1.decoder.weight",
)  # fmt: skip
LAYER = re.compile(r"0\.rnns\.(\d+)\.(?:module\.)?(\w+)$")
DROPPED = "weight_hh_l0"
# The width of fast.ai's second network, whose size the registry names.
SECOND = 1152


def recognises(path: Path) -> bool:
    """Return whether a folder holds one of these checkpoints, or a file is one."""
    return bool(_candidates(path)) and bool(_lists(path))


def read(path: Path) -> Converted:
    """Read the named file, or of a folder with both directions the forward one.

    Raises what `zoo.convert.read` does.
    """
    file, lists = _candidates(path)[0], _lists(path)
    if len(lists) > 1:
        raise BundleError(
            f"{file.parent} has {' and '.join(path.name for path in lists)}",
            "leave the list of words that belongs to the weights",
        )
    words = read_words(lists[0])
    arguments, weights = _weights(file)
    if len(words) != arguments["vocabulary"]:
        raise BundleError(
            f"{lists[0]} has {len(words):,} words, {file.name} {arguments['vocabulary']:,} rows",
            "take both from one place",
        )
    tokenizer, rows = _ordered(words)
    table, bias = (weights[f"encoder.embedding.{name}"] for name in ("table", "bias"))
    weights["encoder.embedding.table"] = _taken(table, rows)
    weights["encoder.embedding.bias"] = _taken(bias, rows)
    arguments["vocabulary"] = tokenizer.size
    backward = "bwd" in file.stem
    changes = {
        "name": f"ulmfit2018-wt103-{'backward' if backward else 'forward'}",
        "model.size": "fastai" if arguments["width"] == SECOND else "base",
        "converted": "fast.ai",
        "data.reverse": backward,
        "tokenizer.vocabulary": tokenizer.size,
    }
    return Converted(adapted(RECIPE, arguments, changes), weights, (tokenizer, tokenizer))


def _candidates(path: Path) -> list[Path]:
    """Return the files of weights, forward ones first."""
    files = [path] if path.is_file() else path.iterdir()
    named = [file for file in files if FILES.match(file.name)]
    return sorted(named, key=lambda file: ("bwd" in file.name, file.name))


def _lists(path: Path) -> list[Path]:
    return sorted((path.parent if path.is_file() else path).glob("itos*.pkl"))


def _weights(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the model's sizes, and the weights by our names, words in the file's order."""
    content = checkpoints.unpickled(path)
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    tensors = checkpoints.of_torch(content, path)
    layers: set[int] = set()
    plain = {}
    for name, tensor in tensors.items():
        if part := LAYER.match(name):
            layers.add(int(part[1]))
            if part[2] == DROPPED:
                continue
            name = f"0.rnns.{part[1]}.{part[2]}"
        plain[name] = tensor
    shape = plain[TABLE].shape if TABLE in plain else ()
    first = plain.get("0.rnns.0.weight_hh_l0_raw")
    if len(shape) != 2 or first is None or len(first.shape) != 2:
        raise BundleError(
            f"{path} has no {TABLE} or no 0.rnns.0.weight_hh_l0_raw", "it is not a language model"
        )
    arguments = {
        "vocabulary": shape[0], "embedding": shape[1], "width": first.shape[1],
        "layers": len(layers),
    }  # fmt: skip
    copies = {name: plain.pop(name) for name in COPIES if name in plain}
    weights = checkpoints.take(plain, wanted(arguments, BIAS in plain), path)
    table = weights["encoder.embedding.table"]
    for name in checkpoints.unequal(copies, table):
        raise BundleError(
            f"{path}: {name} is another table than {TABLE}",
            "ulmfit2018 embeds words and predicts them with one table",
        )
    weights.setdefault("encoder.embedding.bias", np.zeros(shape[0], np.float32))
    for i in range(arguments["layers"]):
        layer = f"encoder.lstm_layers.{i}"
        weights[f"{layer}.bias"] = weights[f"{layer}.bias"] + weights.pop(f"{layer}.bias_hh")
        for kernel in ("kernel", "recurrent_kernel"):
            weights[f"{layer}.{kernel}"] = weights[f"{layer}.{kernel}"].T
    return arguments, weights


def wanted(arguments: dict[str, Any], bias: bool) -> dict[str, tuple[str, Shape]]:
    """Return our own name and the shape in the checkpoint for each name in a checkpoint."""
    vocabulary, embedding, width = (arguments[x] for x in ("vocabulary", "embedding", "width"))
    names: dict[str, tuple[str, Shape]] = {
        TABLE: ("encoder.embedding.table", (vocabulary, embedding))
    }
    if bias:
        names[BIAS] = ("encoder.embedding.bias", (vocabulary,))
    sizes = [embedding, *[width] * (arguments["layers"] - 1), embedding]
    for i in range(arguments["layers"]):
        layer, inputs, units = f"encoder.lstm_layers.{i}", sizes[i], sizes[i + 1]
        names |= {
            f"0.rnns.{i}.weight_ih_l0": (f"{layer}.kernel", (4 * units, inputs)),
            f"0.rnns.{i}.weight_hh_l0_raw": (f"{layer}.recurrent_kernel", (4 * units, units)),
            f"0.rnns.{i}.bias_ih_l0": (f"{layer}.bias", (4 * units,)),
            f"0.rnns.{i}.bias_hh_l0": (f"{layer}.bias_hh", (4 * units,)),
        }
    return names


def _ordered(words: list[str]) -> tuple[FastaiTokenizer, list[int]]:
    """Return the zoo's tokenizer, and the row of each of its words, -1 for a word without one."""
    rows: dict[str, int] = {}
    for row, word in enumerate(words):
        rows.setdefault(MARKERS.get(word, word), row)
    absent = [marker for marker in (CAPITALISED, UPPER) if marker not in rows]
    if "-" in rows:
        rows.setdefault(HYPHEN, rows["-"])
    kept = [*SPECIAL, *(word for word in rows if word not in SPECIAL)]
    return FastaiTokenizer(kept, absent), [rows.get(word, -1) for word in kept]


def _taken(array: np.ndarray, rows: list[int]) -> np.ndarray:
    """Return the rows of these numbers, and the mean of all rows for -1."""
    taken = array[rows]
    taken[np.array(rows) < 0] = array.mean(axis=0)
    return taken
