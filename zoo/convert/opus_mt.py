"""Read OPUS-MT's translators (Helsinki-NLP/opus-mt-SOURCE-TARGET) of transformers as vaswani2017.

A checkpoint is config.json of the model type "marian"; model.safetensors or pytorch_model.bin;
source.spm and target.spm, which split texts; vocab.json, which numbers the pieces; and optionally
generation_config.json and tokenizer_config.json. Marian trained them; ARGUMENTS holds their
differences from the paper. Names of tensors may begin with "model."; matrices have outputs first.

Two kinds of tensors are compared and then left out: copies of the one table of both embeddings and
the logits, and the tables of positions, which are computed here. Where no name begins with
"model.", as transformers' MarianModel writes them, a missing `final_logits_bias` means no bias.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.config.recipe import Recipe
from zoo.convert import Converted, adapted, transformer_names
from zoo.convert import tensors as checkpoints
from zoo.convert.facts import UNDETERMINED, missing, read_json, vocabulary
from zoo.errors import BundleError
from zoo.layers.positions import sinusoid
from zoo.text import MarianTokenizer

RECIPE = "vaswani2017-opus-mt-en-de"
# Where Marian's models differ from the paper's.
ARGUMENTS: dict[str, Any] = {
    "attention_bias": True, "positions": "halves", "epsilon": 1e-5, "attention_dropout": 0.0,
}  # fmt: skip
ACTIVATIONS = {"swish": "swish", "silu": "swish", "relu": "relu"}
# Our argument, and the keys that must agree on it.
SIZES = {
    "vocabulary": ("vocab_size", "decoder_vocab_size"),
    "width": ("d_model",),
    "encoder_layers": ("encoder_layers",),
    "decoder_layers": ("decoder_layers",),
    "heads": ("encoder_attention_heads", "decoder_attention_heads"),
    "feed_forward": ("encoder_ffn_dim", "decoder_ffn_dim"),
    "max_length": ("max_position_embeddings",),
    "padding_id": ("pad_token_id", "decoder_start_token_id"),
}
# The only values that the zoo's model supports. Newer files leave most of them out.
FIXED = {
    "scale_embedding": True,
    "share_encoder_decoder_embeddings": True,
    "tie_word_embeddings": True,
    "normalize_before": False,
    "add_final_layer_norm": False,
    "normalize_embedding": False,
    "static_position_embeddings": True,
}
TABLE = "shared.weight"
COPIES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight")
POSITIONS = ("encoder.embed_positions.weight", "decoder.embed_positions.weight")
# The languages in a repository's name; the hub's cache writes its "/" as "--".
NAME = re.compile(r"opus-mt-([A-Za-z_]+)-([A-Za-z_]+)$")


def recognises(folder: Path) -> bool:
    """Return whether a folder holds one of these checkpoints."""
    config = folder / "config.json"
    return config.is_file() and read_json(config).get("model_type") == "marian"


def read(folder: Path) -> Converted:
    """Read a checkpoint; raise what `zoo.convert.read` does."""
    config = read_json(folder / "config.json")
    arguments = _arguments(config, folder / "config.json")
    tokenizers = _tokenizers(folder)
    size, pad_id = tokenizers[0].size, tokenizers[0].pad_id
    hint = "take tokenizer and weights from one place"
    if size != arguments["vocabulary"]:
        rows = f"{arguments['vocabulary']:,} rows for them"
        raise BundleError(f"{folder}: vocab.json has {size:,} pieces and the weights {rows}", hint)
    if pad_id != arguments["padding_id"]:
        in_config = f"{arguments['padding_id']} in config.json"
        raise BundleError(f"{folder}: <pad> is {pad_id} in vocab.json and {in_config}", hint)
    bias, weights = _weights(folder, arguments)
    arguments["output_bias"] = bias
    return Converted(_recipe(folder, config, arguments), weights, tokenizers)


# The configuration


def _arguments(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the arguments of the zoo's model."""
    arguments = dict(ARGUMENTS)
    for ours, keys in SIZES.items():
        present = [key for key in keys if config.get(key) is not None]
        if not present or not all(type(config[key]) is int for key in present):
            raise BundleError(f"{path} lacks a size: {keys[0]}", "copy the checkpoint again")
        arguments[ours] = transformer_names.agreed(config, present, path)
    if not 0 <= arguments["padding_id"] < arguments["vocabulary"]:
        raise BundleError(
            f"{path}: pad_token_id is not the id of a piece", "copy the checkpoint again"
        )
    for key, value in FIXED.items():
        if config.get(key, value) is not value:
            raise transformer_names.other(path, f"{key} {config[key]}", f"{key} {value}")
    activation = config.get("activation_function")
    if activation not in ACTIVATIONS:
        supported = " or ".join(sorted({*ACTIVATIONS.values()}))
        raise transformer_names.other(path, f"activation {activation}", supported)
    arguments["activation"] = ACTIVATIONS[activation]
    arguments["dropout"] = float(config.get("dropout", 0.1))
    return arguments


def _recipe(folder: Path, config: Mapping[str, Any], arguments: dict[str, Any]) -> Recipe:
    """Return the model's recipe, with its way of decoding and its languages."""
    generation = folder / "generation_config.json"
    settings = {**config, **(read_json(generation) if generation.is_file() else {})}
    source, target = _languages(folder, config)
    changes = {
        "name": f"vaswani2017-opus-mt-{source}-{target}",
        "converted": "OPUS-MT, as transformers wrote it",
        "data.source": source,
        "data.target": target,
        "data.hub_config": "-".join(sorted((source, target))),
        "tokenizer.vocabulary": arguments["vocabulary"],
        "tokenizer.shared": False,
        "evaluate.beam_size": settings.get("num_beams") or 4,
        # transformers divides by |Y|^alpha, GNMT by ((5 + |Y|) / 6)^alpha. Its default is 1.
        "evaluate.length_penalty": float(settings.get("length_penalty", 1.0)),
    }
    return adapted(RECIPE, arguments, changes)


def _languages(folder: Path, config: Mapping[str, Any]) -> tuple[str, str]:
    """Return the languages that the tokenizer states, else those in a name of folder or config."""
    path = folder / "tokenizer_config.json"
    settings = read_json(path) if path.is_file() else {}
    source, target = (settings.get(key) for key in ("source_lang", "target_lang"))
    if isinstance(source, str) and isinstance(target, str) and source and target:
        return source, target
    names = [folder.name, str(config.get("_name_or_path", ""))]
    # In a cache of the hub, a file is a link into its repository's folder.
    for name in [*names, *(folder / "config.json").resolve().parts]:
        if match := NAME.search(name):
            return match[1], match[2]
    return UNDETERMINED, UNDETERMINED


# Weights


def _weights(folder: Path, arguments: Mapping[str, Any]) -> tuple[bool, dict[str, np.ndarray]]:
    """Return whether logits have a bias, and the weights by our names."""
    stored = checkpoints.read(folder)
    tensors = {name.removeprefix("model."): tensor for name, tensor in stored.items()}
    prefixed = any(name.startswith("model.") for name in stored)
    bias = prefixed or "final_logits_bias" in tensors
    copies = {name: tensors.pop(name) for name in COPIES if name in tensors}
    if TABLE not in tensors and copies:
        tensors[TABLE] = next(iter(copies.values()))
    positions = {name: tensors.pop(name) for name in POSITIONS if name in tensors}
    wanted = transformer_names.wanted(arguments, TABLE)
    if bias:
        wanted["final_logits_bias"] = ("embedding.bias", (1, arguments["vocabulary"]))
    weights = checkpoints.take(tensors, wanted, folder)
    transformer_names.check_copies(copies, TABLE, weights["embedding.table"], folder)
    shape = (arguments["max_length"], arguments["width"])
    table = sinusoid(*shape, ARGUMENTS["positions"])
    for name, tensor in positions.items():
        # Files of 16 bits are rounded.
        if tensor.shape != shape or np.abs(tensor.numbers() - table).max() > 2e-3:
            found = f"a table of its own in {name}"
            raise transformer_names.other(folder, found, "sinusoids for positions")
    if bias:
        weights["embedding.bias"] = weights["embedding.bias"][0]
    return bias, transformer_names.transposed(weights)


# Tokenizers


def _tokenizers(folder: Path) -> tuple[MarianTokenizer, MarianTokenizer]:
    words = vocabulary(read_json(folder / "vocab.json"), folder / "vocab.json")
    if (folder / "target_vocab.json").is_file():
        expected = "one vocabulary for both languages"
        raise transformer_names.other(folder, "target_vocab.json", expected)

    def tokenizer(path: Path) -> MarianTokenizer:
        try:
            return MarianTokenizer(path.read_bytes(), words)
        except FileNotFoundError:
            raise missing(path) from None
        except BundleError as error:
            raise BundleError(f"{path}: {error.message}", error.hint) from None

    return tokenizer(folder / "source.spm"), tokenizer(folder / "target.spm")
