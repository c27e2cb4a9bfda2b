"""The names that fairseq gave to a Transformer's tensors, and that transformers kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# Ours, theirs, and the shape in widths: w the states', f the feed-forward layer's.
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


def wanted(arguments: Mapping[str, Any], table: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return for each name in a checkpoint our own and the shape there.

    Args:
        arguments: of vaswani2017's model.
        table: the name of the one matrix of words.
    """
    width = arguments["width"]
    sizes = {"w": width, "f": arguments["feed_forward"]}
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    found[table] = ("embedding.table", (arguments["vocabulary"], width))
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
                sides = tuple(sizes[each] for each in shape.split())
                name = f"{side}.layers.{layer}.{theirs}"
                found[name] = (f"{side}_layers.{layer}.{ours}", sides)
    return found


def turned(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return weights by our names with matrices as Keras has them, inputs first."""
    return {name: each.T if name.endswith("kernel") else each for name, each in weights.items()}
