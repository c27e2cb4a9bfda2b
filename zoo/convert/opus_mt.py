"""OPUS-MT's translators (Helsinki-NLP/opus-mt-SOURCE-TARGET) as vaswani2017, from transformers.

config.json of the model type "marian", model.safetensors or pytorch_model.bin, source.spm and
target.spm, which cut texts, vocab.json, which numbers the pieces; generation_config.json and
tokenizer_config.json if they are there. Marian trained them; they differ from the paper in the
arguments below. Names of tensors may begin with "model.", and matrices have outputs first.

Left out are copies of the one table that embeds both languages and makes the logits, and the tables
of positions, which are computed here: both are compared first. Where no name begins with "model.",
as transformers' MarianModel writes them, `final_logits_bias` may be missing: no bias then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.config import recipe as recipes
from zoo.convert import Converted, transformer_names
from zoo.convert import tensors as checkpoints
from zoo.convert.facts import read_json, vocabulary
from zoo.convert.tensors import Tensor
from zoo.errors import BundleError
from zoo.layers.positions import sinusoid
from zoo.text import MarianTokenizer

RECIPE = "vaswani2017-opus-mt-en-de"
# What Marian's models have and the paper's has not.
ARGUMENTS: dict[str, Any] = {
    "attention_bias": True, "positions": "halves", "epsilon": 1e-5, "attention_dropout": 0.0,
}  # fmt: skip
ACTIVATIONS = {"swish": "swish", "silu": "swish", "relu": "relu"}
# Where two keys must agree, since the zoo's model has one number for both.
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
# Keys with the one value that the zoo's model can have. Newer files leave most of them out.
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
# The languages in a repository's name; of a folder in a cache, "/" is "--".
NAME = re.compile(r"opus-mt-([A-Za-z_]+)-([A-Za-z_]+)$")
# The code for a language that is not known.
UNDETERMINED = "und"


def recognises(folder: Path) -> bool:
    """Return whether a folder holds one of these checkpoints."""
    config = folder / "config.json"
    return config.is_file() and read_json(config).get("model_type") == "marian"


def read(folder: Path) -> Converted:
    """Read a checkpoint.

    Raises:
        BundleError: a file or tensor is missing, surplus, of another shape or unsafe to read; the
            model is not the zoo's; or tokenizers and weights do not belong together.
    """
    config = read_json(folder / "config.json")
    arguments = _arguments(config, folder / "config.json")
    tokenizers = _tokenizers(folder)
    if (found := tokenizers[0].size) != arguments["vocabulary"]:
        raise BundleError(
            f"{folder}: vocab.json has {found:,} pieces and the weights "
            f"{arguments['vocabulary']:,} rows for them",
            "take tokenizer and weights from one place",
        )
    if tokenizers[0].pad_id != arguments["padding_id"]:
        raise BundleError(
            f"{folder}: <pad> is {tokenizers[0].pad_id} in vocab.json and "
            f"{arguments['padding_id']} in config.json",
            "take tokenizer and weights from one place",
        )
    bias, weights = _weights(folder, arguments)
    arguments["output_bias"] = bias
    return Converted(_recipe(folder, config, arguments), weights, tokenizers)


# The configuration


def _arguments(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the arguments of the zoo's model."""
    found = dict(ARGUMENTS)
    for ours, keys in SIZES.items():
        values = {key: config[key] for key in keys if config.get(key) is not None}
        if not values or not all(type(each) is int for each in values.values()):
            raise BundleError(f"{path} lacks a size: {keys[0]}", "copy the checkpoint again")
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{key} {value}" for key, value in values.items())
            raise _other(path, listed, "one number for these")
        found[ours] = next(iter(values.values()))
    if not 0 <= found["padding_id"] < found["vocabulary"]:
        raise BundleError(f"{path}: pad_token_id is no piece", "copy the checkpoint again")
    for key, value in FIXED.items():
        if config.get(key, value) is not value:
            raise _other(path, f"{key} {config[key]}", f"{key} {value}")
    activation = config.get("activation_function")
    if activation not in ACTIVATIONS:
        raise _other(path, f"activation {activation}", " or ".join(sorted({*ACTIVATIONS.values()})))
    found["activation"] = ACTIVATIONS[activation]
    found["dropout"] = float(config.get("dropout", 0.1))
    return found


def _other(path: Path, found: str, wanted: str) -> BundleError:
    return BundleError(
        f"{path}: the model has {found}, vaswani2017 has {wanted}",
        "only translators with one table for both languages, as opus-mt-en-de, can be read",
    )


def _recipe(folder: Path, config: Mapping[str, Any], arguments: dict[str, Any]) -> recipes.Recipe:
    """Return the recipe that the model hangs on to: how it decodes, and its languages."""
    generation = folder / "generation_config.json"
    said = {**config, **(read_json(generation) if generation.is_file() else {})}
    source, target = _languages(folder, config)
    changes: dict[str, Any] = {
        "name": f"vaswani2017-opus-mt-{source}-{target}",
        "converted": "OPUS-MT, as transformers wrote it",
        "data.source": source,
        "data.target": target,
        "data.hub_config": "-".join(sorted((source, target))),
        "tokenizer.vocabulary": arguments["vocabulary"],
        "tokenizer.shared": False,
        "evaluate.beam_size": said.get("num_beams") or 4,
        # transformers divides by |Y|^alpha, GNMT by ((5 + |Y|) / 6)^alpha. Its default is 1.
        "evaluate.length_penalty": float(said.get("length_penalty", 1.0)),
    }
    changes |= {f"model.arguments.{name}": value for name, value in arguments.items()}
    return recipes.load(RECIPE).changed(changes).resolved()


def _languages(folder: Path, config: Mapping[str, Any]) -> tuple[str, str]:
    """Return the pair: as the tokenizer says, else as a folder or the config is named."""
    path = folder / "tokenizer_config.json"
    said = read_json(path) if path.is_file() else {}
    pair = [said.get(key) for key in ("source_lang", "target_lang")]
    if all(isinstance(each, str) and each for each in pair):
        return str(pair[0]), str(pair[1])
    names = [folder.name, str(config.get("_name_or_path", ""))]
    # In a cache of the hub, a file is a link into its repository's folder.
    for name in [*names, *(folder / "config.json").resolve().parts]:
        if found := NAME.search(name):
            return found[1], found[2]
    return UNDETERMINED, UNDETERMINED


# Weights


def _weights(folder: Path, arguments: Mapping[str, Any]) -> tuple[bool, dict[str, np.ndarray]]:
    """Return whether logits have a bias, and the weights by our names."""
    named = checkpoints.read(folder)
    prefixed = any(name.startswith("model.") for name in named)
    found = {name.removeprefix("model."): each for name, each in named.items()}
    bias = prefixed or "final_logits_bias" in found
    copies = {name: found.pop(name) for name in COPIES if name in found}
    if TABLE not in found and copies:
        found[TABLE] = next(iter(copies.values()))
    places = {name: found.pop(name) for name in POSITIONS if name in found}
    wanted = transformer_names.wanted(arguments, TABLE)
    if bias:
        wanted["final_logits_bias"] = ("embedding.bias", (1, arguments["vocabulary"]))
    weights = checkpoints.take(found, wanted, folder)
    _check_copies(folder, weights["embedding.table"], copies)
    _check_positions(folder, arguments, places)
    if bias:
        weights["embedding.bias"] = weights["embedding.bias"][0]
    return bias, transformer_names.turned(weights)


def _check_copies(folder: Path, table: np.ndarray, copies: Mapping[str, Tensor]) -> None:
    for name, copy in copies.items():
        if copy.shape != table.shape or not np.array_equal(copy.numbers(), table):
            raise _other(folder, f"another table in {name} than in {TABLE}", "one table for all")


def _check_positions(
    folder: Path, arguments: Mapping[str, Any], places: Mapping[str, Tensor]
) -> None:
    shape = (arguments["max_length"], arguments["width"])
    table = sinusoid(*shape, ARGUMENTS["positions"])
    for name, each in places.items():
        # Files of 16 bits are rounded.
        if each.shape != shape or np.abs(each.numbers() - table).max() > 2e-3:
            raise _other(folder, f"a table of its own in {name}", "sinusoids for positions")


# Tokenizers


def _tokenizers(folder: Path) -> tuple[MarianTokenizer, MarianTokenizer]:
    words = vocabulary(read_json(folder / "vocab.json"), folder / "vocab.json")
    if (folder / "target_vocab.json").is_file():
        raise _other(folder, "target_vocab.json", "one vocabulary for both languages")
    made = []
    for name in ("source.spm", "target.spm"):
        try:
            made.append(MarianTokenizer((folder / name).read_bytes(), words))
        except FileNotFoundError:
            raise BundleError(f"{folder} has no {name}", "copy the whole checkpoint") from None
        except BundleError as error:
            raise BundleError(f"{folder / name}: {error.message}", error.hint) from None
    return made[0], made[1]
