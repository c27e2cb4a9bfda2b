"""Refuse outputs of a model that are NaN or infinite."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from zoo.errors import PredictionError


def check(model: keras.Model, values: np.ndarray) -> None:
    """Raise PredictionError, with the likely cause, unless all numbers of an output are finite.

    Args:
        values: numbers, or bools that say whether numbers were finite.
    """
    sound = values if values.dtype == bool else np.isfinite(values)
    if sound.all():
        return
    problem = "the model's output is not a number"
    for weight in model.weights:
        if not np.isfinite(ops.convert_to_numpy(ops.cast(weight, "float32"))).all():
            raise PredictionError(
                f"{problem}: its weight '{weight.path}' holds NaN or infinity",
                "load the model again; if training did this, lower the learning rate",
            )
    if model.dtype_policy.compute_dtype == "float16":
        raise PredictionError(
            f"{problem}: float16 ends at 65,504, which its layers exceed",
            'load it with dtype="float32" or "mixed_bfloat16"',
        )
    raise PredictionError(
        f"{problem}: its layers exceed what {model.dtype_policy.compute_dtype} can hold",
        "its weights are too large: load the model again, or train with a lower learning rate",
    )
