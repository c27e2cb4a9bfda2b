"""What fairseq's and transformers' Transformers share: names of tensors, and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.convert import tensors as checkpoints
from zoo.convert.tensors import Shape, Tensor
from zoo.errors import BundleError

# Our name, theirs, and the shape: w is the states' width, f the feed-forward layer's.
FEED_FORWARD = {
    "feed_forward.inner.kernel": ("fc1.weight", "f w"),
    "feed_forward.inner.bias": ("fc1.bias", "f"),
    "feed_forward.outer.kernel": ("fc2.weight", "w f"),
    "feed_forward.outer.bias": ("fc2.bias", "w"),
    "feed_forward_norm.gamma": ("final_layer_norm.weight", "w"),
    "feed_forward_norm.beta": ("final_layer_norm.bias", "w"),
}
PROJECTIONS = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "projection": "out_proj"}
ATTENTIONS = {"self_attention": "self_attn", "cross_attention": "encoder_attn"}


def wanted(arguments: Mapping[str, Any], table: str) -> dict[str, tuple[str, Shape]]:
    """Return our own name and the shape in the checkpoint for each name in a checkpoint.

    Args:
        arguments: of vaswani2017's model.
        table: the name of the only embedding matrix.
    """
    width = arguments["width"]
    sizes = {"w": width, "f": arguments["feed_forward"]}
    names: dict[str, tuple[str, Shape]] = {
        table: ("embedding.table", (arguments["vocabulary"], width))
    }
    for side, kinds in (("encoder", ["self_attention"]), ("decoder", list(ATTENTIONS))):
        for layer in range(arguments[f"{side}_layers"]):
            parts = dict(FEED_FORWARD)
            for kind in kinds:
                theirs = ATTENTIONS[kind]
                for ours, projection in PROJECTIONS.items():
                    parts[f"{kind}.{ours}.kernel"] = (f"{theirs}.{projection}.weight", "w w")
                    parts[f"{kind}.{ours}.bias"] = (f"{theirs}.{projection}.bias", "w")
                parts[f"{kind}_norm.gamma"] = (f"{theirs}_layer_norm.weight", "w")
                parts[f"{kind}_norm.beta"] = (f"{theirs}_layer_norm.bias", "w")
            for ours, (theirs, shape) in parts.items():
                sides = tuple(sizes[letter] for letter in shape.split())
                names[f"{side}.layers.{layer}.{theirs}"] = (f"{side}_layers.{layer}.{ours}", sides)
    return names


def transposed(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return weights by our names with kernels as Keras stores them, inputs first."""
    return {name: array.T if name.endswith("kernel") else array for name, array in weights.items()}


def agreed(settings: Mapping[str, Any], keys: Sequence[str], path: Path) -> Any:
    """Return the common value of settings for which the zoo's model has one argument.

    Raises BundleError if they differ.
    """
    if len({settings[key] for key in keys}) > 1:
        listed = ", ".join(f"{key} {settings[key]}" for key in keys)
        raise other(path, listed, "one number for these")
    return settings[keys[0]]


def check_copies(
    copies: Mapping[str, Tensor], name_of_table: str, table: np.ndarray, path: Path
) -> None:
    """Raise BundleError unless the copies equal the one table of both embeddings and the logits."""
    for name in checkpoints.unequal(copies, table):
        raise other(path, f"another table in {name} than in {name_of_table}", "one table for all")


def other(path: Path, found: str, expected: str) -> BundleError:
    """Return the error for a model that vaswani2017 cannot express."""
    return BundleError(
        f"{path}: the model has {found}, vaswani2017 has {expected}",
        "only Transformers with one table for both languages can be read, as opus-mt-en-de and "
        "wmt14.en-fr are",
    )
