"""LoRA for fine-tuning: two small matrices beside each linear layer and embedding train alone.

Hu et al. 2021, https://arxiv.org/abs/2106.09685. Biases, normalisation and layers of other kinds
keep their weights; a classifier's head trains as a whole, since it is new as a rule.
"""

from __future__ import annotations

import keras

from zoo import bundle
from zoo.errors import NotSupported

# Prefix of the weights of a classifier's head.
HEAD = "head."


def check(model: keras.Model, paper: str) -> None:
    """Raise NotSupported unless a built model has layers for LoRA besides its head."""
    if not _adaptable(model):
        raise NotSupported(
            f"LoRA adapts linear layers and embeddings of Keras, and {paper} has none besides a "
            "classifier's head",
            "leave lora_rank out: all weights train then",
        )


def enable(model: keras.Model, rank: int) -> None:
    """Freeze a built model except its head, then give its layers trainable matrices of a rank."""
    layers = _adaptable(model)
    for name, variable in bundle.variables(model).items():
        if not name.startswith(HEAD):
            variable.trainable = False
    for layer in layers:
        layer.enable_lora(rank)


def _adaptable(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers that can have LoRA, without those of the head."""
    own = {id(each) for name, each in bundle.variables(model).items() if name.startswith(HEAD)}
    return [
        layer
        for layer in model._flatten_layers()
        if hasattr(layer, "enable_lora") and not own & {id(each) for each in layer.weights}
    ]
