"""Read fairseq's Transformers of WMT'14 and WMT'16 as vaswani2017.

A checkpoint is model.pt, PyTorch's file with the settings ("args") and the weights ("model"); two
equal dictionaries, dict.SOURCE.txt and dict.TARGET.txt; and optionally bpecodes, the merges.
Without merges, words of the dictionary are read whole and all others are unknown.

Positions count from 2 (padding is 1) with tensor2tensor's frequencies, and padding has no position.
fairseq pads sources on the left; here they are padded on the right, and a word keeps its position.
The decoder starts with the end token. Older files hold query, key and value in one tensor, and
number the encoder's layer normalisations.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.convert import Converted, adapted, transformer_names
from zoo.convert import tensors as checkpoints
from zoo.convert.facts import numbered_lines, read_merges
from zoo.convert.tensors import Shape, Tensor
from zoo.errors import BundleError
from zoo.text import SubwordTokenizer

RECIPES = {"de": "vaswani2017-wmt14-en-de", "fr": "vaswani2017-wmt14-en-fr"}
FILE = "model.pt"
DICTIONARY = "dict.{}.txt"
# The first words of every dictionary, and the words for padding, unknown, start and end.
FIRST = ("<s>", "<pad>", "</s>", "<unk>")
SPECIAL = ("<pad>", "<unk>", "</s>", "</s>")
# Where fairseq's models differ from the paper's.
ARGUMENTS: dict[str, Any] = {
    "attention_bias": True, "positions": "tensor2tensor", "first_position": 2, "epsilon": 1e-5,
    "padding_id": 1, "output_bias": False,
}  # fmt: skip
# Our argument, and the settings that must agree on it.
SIZES = {
    "width": ("encoder_embed_dim", "decoder_embed_dim"),
    "encoder_layers": ("encoder_layers",),
    "decoder_layers": ("decoder_layers",),
    "heads": ("encoder_attention_heads", "decoder_attention_heads"),
    "feed_forward": ("encoder_ffn_embed_dim", "decoder_ffn_embed_dim"),
}
# The only values that the zoo's model supports. Older files leave some of them out.
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
# fairseq's longest text if its settings do not say.
LONGEST = 1024
TABLE = "encoder.embed_tokens.weight"
COPIES = ("decoder.embed_tokens.weight", "decoder.output_projection.weight")
LEFT_OUT = re.compile(r"(encoder|decoder)\.(version|embed_positions\._float_tensor)$")
PARTS = ("query", "key", "value")


def recognises(path: Path) -> bool:
    """Return whether a folder holds one of these checkpoints."""
    return (path / FILE).is_file() and any(path.glob(DICTIONARY.format("*")))


def read(folder: Path) -> Converted:
    """Read a checkpoint; raise what `zoo.convert.read` does."""
    path = folder / FILE
    content = checkpoints.unpickled(path, [argparse.Namespace])
    namespace = content.get("args") if isinstance(content, Mapping) else None
    if not isinstance(namespace, argparse.Namespace):
        raise BundleError(
            f"{path} has no settings by the name args",
            "files of fairseq 0.10 and later have to be saved again with args, not cfg",
        )
    tensors = checkpoints.of_torch(content.get("model"), path)
    settings = vars(namespace)
    arguments = _arguments(settings, path)
    source, target = (settings.get(f"{side}_lang") for side in ("source", "target"))
    if not isinstance(source, str) or not isinstance(target, str):
        raise BundleError(f"{path}: its settings name no languages", "copy it again")
    dictionaries = [_dictionary(folder / DICTIONARY.format(name)) for name in (source, target)]
    if dictionaries[0] != dictionaries[1]:
        found = "another dictionary for each language"
        raise transformer_names.other(folder, found, "one vocabulary for both")
    words = [*FIRST, *dictionaries[0]]
    arguments["vocabulary"] = len(words)
    weights = _weights(tensors, arguments, path)
    codes = folder / "bpecodes"
    merges = read_merges(codes) if codes.is_file() else []
    changes = {
        "name": f"vaswani2017-fairseq-{source}-{target}",
        "model.size": "big" if arguments["width"] == 1024 else "base",
        "converted": "fairseq",
        "data.source": source,
        "data.target": target,
        "tokenizer.vocabulary": len(words),
        "tokenizer.shared": False,
    }
    base = RECIPES["fr" if "fr" in (source, target) else "de"]
    tokenizers = (
        SubwordTokenizer(words, SPECIAL, source, merges),
        SubwordTokenizer(words, SPECIAL, target, merges),
    )
    return Converted(adapted(base, arguments, changes), weights, tokenizers)


def _arguments(settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the arguments of the zoo's model, without the vocabulary."""
    arguments = dict(ARGUMENTS)
    for ours, keys in SIZES.items():
        for key in keys:
            if type(settings.get(key)) is not int or settings[key] < 1:
                raise BundleError(f"{path}: its settings lack a size: {key}", "copy it again")
        arguments[ours] = transformer_names.agreed(settings, keys, path)
    for key, value in FIXED.items():
        if settings.get(key, value) not in (value, None):
            raise transformer_names.other(path, f"{key} {settings[key]}", f"{key} {value}")
    lengths = (settings.get(f"max_{side}_positions") for side in ("source", "target"))
    arguments["max_length"] = min(
        length if type(length) is int and length > 0 else LONGEST for length in lengths
    )
    for ours in ("dropout", "attention_dropout"):
        arguments[ours] = float(settings.get(ours) or 0.0)
    return arguments


def _dictionary(path: Path) -> list[str]:
    """Return the words of a file with a word and its count on each line."""
    words = []
    for number, line in numbered_lines(path):
        word, _, count = line.rpartition(" ")
        if not (word and count.isdecimal()):
            raise BundleError(f"{path}:{number} is no word with its count", "copy it again")
        words.append(word)
    return words


# Weights


def _weights(
    tensors: Mapping[str, Tensor], arguments: Mapping[str, Any], path: Path
) -> dict[str, np.ndarray]:
    """Return the weights by our names."""
    remaining = {name: tensor for name, tensor in tensors.items() if not LEFT_OUT.match(name)}
    copies = {name: remaining.pop(name) for name in COPIES if name in remaining}
    wanted = transformer_names.wanted(arguments, TABLE)
    if any(".layer_norms." in name for name in remaining):
        wanted = {_numbered(name): ours for name, ours in wanted.items()}
    if any(".in_proj_" in name for name in remaining):
        wanted = _fused(wanted)
    weights = checkpoints.take(remaining, wanted, path)
    transformer_names.check_copies(copies, TABLE, weights["embedding.table"], path)
    for name in [name for name in weights if ".fused." in name]:
        for part, array in zip(PARTS, np.split(weights.pop(name), len(PARTS)), strict=True):
            weights[name.replace("fused", part)] = array
    return transformer_names.transposed(weights)


def _numbered(name: str) -> str:
    """Return the older name of an encoder's layer normalisation, any other name unchanged."""
    if not name.startswith("encoder.layers."):
        return name
    name = name.replace("self_attn_layer_norm", "layer_norms.0")
    return name.replace("final_layer_norm", "layer_norms.1")


def _fused(wanted: Mapping[str, tuple[str, Shape]]) -> dict[str, tuple[str, Shape]]:
    """Stack the wanted query, key and value, in this order, into one tensor named "fused"."""
    fused = {}
    for name, (ours, shape) in wanted.items():
        if ".k_proj." in name or ".v_proj." in name:
            continue
        if ".q_proj." in name:
            name = name.replace("q_proj.", "in_proj_")
            ours, shape = ours.replace("query", "fused"), (3 * shape[0], *shape[1:])
        fused[name] = (ours, shape)
    return fused
