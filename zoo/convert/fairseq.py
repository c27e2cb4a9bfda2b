"""fairseq's Transformers of WMT'14 and WMT'16 as vaswani2017.

model.pt, PyTorch's file with the settings ("args") and the weights ("model"); the dictionaries
dict.SOURCE.txt and dict.TARGET.txt, which are the same; and, if it is there, bpecodes, the merges.
Without merges words that are in the dictionary are read as they are, and all others are unknown.

Positions count from 2, since padding is 1, with tensor2tensor's frequencies, and padding has none.
fairseq pads sources on the left; padded on the right, as here, a word has the same position. Its
decoder starts with the end. Older files have query, key and value in one tensor, and numbers for
names of the encoder's layer normalisations.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.config import recipe as recipes
from zoo.convert import Converted, transformer_names
from zoo.convert import tensors as checkpoints
from zoo.convert.facts import read_merges
from zoo.convert.tensors import Tensor
from zoo.errors import BundleError
from zoo.text import SubwordTokenizer

RECIPES = {"de": "vaswani2017-wmt14-en-de", "fr": "vaswani2017-wmt14-en-fr"}
FILE = "model.pt"
DICTIONARY = "dict.{}.txt"
# What every dictionary begins with, and the words for padding, unknown, start and end.
FIRST = ("<s>", "<pad>", "</s>", "<unk>")
SPECIAL = ("<pad>", "<unk>", "</s>", "</s>")
# What fairseq's models have and the paper's has not.
ARGUMENTS: dict[str, Any] = {
    "attention_bias": True, "positions": "tensor2tensor", "first_position": 2, "epsilon": 1e-5,
    "padding_id": 1, "output_bias": False,
}  # fmt: skip
# Settings that must agree, since the zoo's model has one number for both.
SIZES = {
    "width": ("encoder_embed_dim", "decoder_embed_dim"),
    "encoder_layers": ("encoder_layers",),
    "decoder_layers": ("decoder_layers",),
    "heads": ("encoder_attention_heads", "decoder_attention_heads"),
    "feed_forward": ("encoder_ffn_embed_dim", "decoder_ffn_embed_dim"),
}
# Settings with the one value that the zoo's model can have. Older files leave some of them out.
FIXED = {
    "share_all_embeddings": True,
    "encoder_normalize_before": False,
    "decoder_normalize_before": False,
    "encoder_learned_pos": False,
    "decoder_learned_pos": False,
    "no_token_positional_embeddings": False,
    "no_scale_embedding": False,
    "layernorm_embedding": False,
    "no_cross_attention": False,
    "activation_fn": "relu",
}
# Of what fairseq takes for the longest text if its settings do not say.
LONGEST = 1024
TABLE = "encoder.embed_tokens.weight"
COPIES = ("decoder.embed_tokens.weight", "decoder.output_projection.weight")
LEFT_OUT = re.compile(r"(encoder|decoder)\.(version|embed_positions\._float_tensor)$")
PARTS = ("query", "key", "value")


def recognises(path: Path) -> bool:
    """Return whether a folder holds one of these checkpoints."""
    return (path / FILE).is_file() and any(path.glob(DICTIONARY.format("*")))


def read(folder: Path) -> Converted:
    """Read a checkpoint.

    Raises:
        BundleError: a file or tensor is missing, surplus, of another shape or unsafe to read; the
            model is not the zoo's; or dictionaries and weights do not belong together.
    """
    path = folder / FILE
    found = checkpoints.unpickled(path, [argparse.Namespace])
    settings = found.get("args") if isinstance(found, Mapping) else None
    if not isinstance(settings, argparse.Namespace):
        raise BundleError(
            f"{path} has no settings by the name args",
            "files of fairseq 0.10 and later have to be saved again with args, not cfg",
        )
    tensors = checkpoints.of_torch(found.get("model"), path)
    said = vars(settings)
    arguments = _arguments(said, path)
    source, target = (said.get(f"{side}_lang") for side in ("source", "target"))
    if not isinstance(source, str) or not isinstance(target, str):
        raise BundleError(f"{path}: its settings name no languages", "copy it again")
    words = _words(folder, source, target)
    arguments["vocabulary"] = len(words)
    weights = _weights(tensors, arguments, path)
    codes = folder / "bpecodes"
    merges = read_merges(codes) if codes.is_file() else []
    tokenizers = tuple(SubwordTokenizer(words, SPECIAL, each, merges) for each in (source, target))
    changes: dict[str, Any] = {
        "name": f"vaswani2017-fairseq-{source}-{target}",
        "model.size": "big" if arguments["width"] == 1024 else "base",
        "converted": "fairseq",
        "data.source": source,
        "data.target": target,
        "tokenizer.vocabulary": len(words),
        "tokenizer.shared": False,
    }
    changes |= {f"model.arguments.{name}": value for name, value in arguments.items()}
    base = RECIPES["fr" if "fr" in (source, target) else "de"]
    made = recipes.load(base).changed(changes).resolved()
    return Converted(made, weights, (tokenizers[0], tokenizers[1]))


def _arguments(said: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the arguments of the zoo's model, without the vocabulary."""
    found = dict(ARGUMENTS)
    for ours, keys in SIZES.items():
        values = {key: said.get(key) for key in keys}
        for key, value in values.items():
            if type(value) is not int or value < 1:
                raise BundleError(f"{path}: its settings lack a size: {key}", "copy it again")
        if len({*values.values()}) > 1:
            listed = ", ".join(f"{key} {value}" for key, value in values.items())
            raise _other(path, listed, "one number for these")
        found[ours] = said[keys[0]]
    for key, value in FIXED.items():
        if said.get(key, value) not in (value, None):
            raise _other(path, f"{key} {said[key]}", f"{key} {value}")
    longest = (said.get(f"max_{side}_positions") for side in ("source", "target"))
    found["max_length"] = min(
        each if type(each) is int and each > 0 else LONGEST for each in longest
    )
    for ours in ("dropout", "attention_dropout"):
        found[ours] = float(said.get(ours) or 0.0)
    return found


def _other(path: Path, found: str, wanted: str) -> BundleError:
    return BundleError(
        f"{path}: the model has {found}, vaswani2017 has {wanted}",
        "only Transformers with one table for both languages, as wmt14.en-fr, can be read",
    )


# Weights


def _weights(
    tensors: Mapping[str, Tensor], arguments: Mapping[str, Any], path: Path
) -> dict[str, np.ndarray]:
    """Return the weights by our names."""
    found = {name: each for name, each in tensors.items() if not LEFT_OUT.match(name)}
    copies = {name: found.pop(name) for name in COPIES if name in found}
    wanted = transformer_names.wanted(arguments, TABLE)
    if any(".layer_norms." in name for name in found):
        wanted = {_numbered(name): each for name, each in wanted.items()}
    if any(".in_proj_" in name for name in found):
        wanted = _fused(wanted)
    weights = checkpoints.take(found, wanted, path)
    table = weights["embedding.table"]
    for name, copy in copies.items():
        if copy.shape != table.shape or not np.array_equal(copy.numbers(), table):
            raise _other(path, f"another table in {name} than in {TABLE}", "one table for all")
    for name in [name for name in weights if ".fused." in name]:
        for part, array in zip(PARTS, np.split(weights.pop(name), len(PARTS)), strict=True):
            weights[name.replace("fused", part)] = array
    return transformer_names.turned(weights)


def _numbered(name: str) -> str:
    """Return the older name of an encoder's layer normalisation, any other name as it is."""
    if not name.startswith("encoder.layers."):
        return name
    name = name.replace("self_attn_layer_norm", "layer_norms.0")
    return name.replace("final_layer_norm", "layer_norms.1")


def _fused(
    wanted: Mapping[str, tuple[str, tuple[int, ...]]],
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return what is wanted with query, key and value one upon the other, as "fused"."""
    found = {}
    for name, (ours, shape) in wanted.items():
        if ".k_proj." in name or ".v_proj." in name:
            continue
        if ".q_proj." in name:
            name = name.replace("q_proj.", "in_proj_")
            ours, shape = ours.replace("query", "fused"), (3 * shape[0], *shape[1:])
        found[name] = (ours, shape)
    return found


# Dictionaries


def _words(folder: Path, source: str, target: str) -> list[str]:
    """Return the words of the one dictionary that both languages have."""
    both = [_dictionary(folder / DICTIONARY.format(each)) for each in (source, target)]
    if both[0] != both[1]:
        raise _other(folder, "another dictionary for each language", "one vocabulary for both")
    return [*FIRST, *both[0]]


def _dictionary(path: Path) -> list[str]:
    """Return the words of a file with a word and its count on each line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise BundleError(
            f"{path.parent} has no {path.name}", "copy the whole checkpoint"
        ) from None
    except UnicodeDecodeError as error:
        raise BundleError(f"{path} is not UTF-8: {error}", "copy it again") from None
    words = []
    for number, line in enumerate(lines, start=1):
        word, _, count = line.rpartition(" ")
        if line and not (word and count.isdecimal()):
            raise BundleError(f"{path}:{number} is no word with its count", "copy it again")
        if line:
            words.append(word)
    return words
