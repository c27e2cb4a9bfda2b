"""LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685) as Keras' layers have it, merged.

After `layer.enable_lora(rank)` a layer computes with W + alpha / rank * A B, of which A and B
train. A bundle holds plain weights: W with the product added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import BundleError

if TYPE_CHECKING:
    import keras

# Names of the weights that Keras' layers adapt: `kernel` with lora_kernel_a and lora_kernel_b.
ADAPTED = ("kernel", "embeddings")


def merge(
    layers: Iterable[tuple[str, keras.layers.Layer]],
    names: Mapping[int, str],
    values: dict[str, np.ndarray],
) -> None:
    """Add each adapter's product to its weight and drop the adapter, in `values` alone.

    Args:
        layers: every layer with its path.
        names: the name of each variable, by the variable's id.
        values: the value of each weight, by its name.

    Raises:
        BundleError: a layer is quantized.
    """
    for path, layer in layers:
        if mode := getattr(layer, "quantization_mode", None):
            raise BundleError(
                f"the layer '{path.rstrip('.')}' is quantized to {mode}, and a bundle holds the "
                "weights themselves",
                "save the model before you quantize it; `model.model.save` keeps it as it is",
            )
        for kind in ADAPTED if getattr(layer, "lora_enabled", False) else ():
            pair = [getattr(layer, f"lora_{kind}_{side}", None) for side in "ab"]
            if any(each is None for each in pair):
                continue
            first, second = (values.pop(names[id(variable)]) for variable in pair)
            own = names[id(getattr(layer, f"_{kind}"))]
            scale = layer.lora_alpha / layer.lora_rank
            values[own] = values[own] + np.float32(scale) * (first @ second)


def ranks(model: keras.Model) -> list[int]:
    """Return the ranks of a model's adapters, each once, [] without any."""
    layers = model._flatten_layers()
    return sorted({layer.lora_rank for layer in layers if getattr(layer, "lora_enabled", False)})
