"""How weights lie in model.safetensors: their type, the bytes, and the hash to know them by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from zoo.errors import BundleError, OptionError, did_you_mean

STORED = ("float16", "bfloat16", "float32")


def narrowed(weights: Mapping[str, np.ndarray], dtype: str) -> dict[str, np.ndarray]:
    """Return weights as a bundle stores them: floats in `dtype`, see `save_weights`."""
    import ml_dtypes

    check_stored(dtype)
    target = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    stored = {}
    for name, array in weights.items():
        array = np.asarray(array)
        if array.dtype.kind in "fV":  # ml_dtypes are of kind V
            array = _narrowed(name, array.astype(np.float32, copy=False), target)
        # safetensors ignores strides, and would store a transposed view wrongly
        stored[name] = np.require(array, requirements="C")
    return stored


def to_bytes(stored: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of model.safetensors; equal weights of one type give equal files."""
    from safetensors.numpy import save

    # One metadata key: the order of several is random.
    return save(dict(stored), metadata={"format": "paperzoo"})


def file_hash(weights: Mapping[str, np.ndarray], dtype: str) -> str:
    """Return the sha256 of the model.safetensors that `save_weights` would write."""
    return hashlib.sha256(to_bytes(narrowed(weights, dtype))).hexdigest()


def are_those_of(weights: Mapping[str, np.ndarray], sha256: str, rounded: bool = False) -> bool:
    """Return whether weights are those of a model.safetensors with that hash, of any type.

    Args:
        rounded: whether it is enough that they are once they are rounded to the file's type.
    """
    for dtype in STORED:
        try:
            stored = narrowed(weights, dtype)
        except BundleError:  # too large for float16
            continue
        same = rounded or all(
            np.array_equal(widened(stored[name]), widened(array)) for name, array in weights.items()
        )
        if same and hashlib.sha256(to_bytes(stored)).hexdigest() == sha256:
            return True
    return False


def check_stored(dtype: str) -> None:
    """Raise OptionError unless weights can be stored as this type."""
    if dtype not in STORED:
        raise OptionError(f"weights cannot be stored as '{dtype}'", did_you_mean(dtype, STORED))


def _narrowed(name: str, array: np.ndarray, target: np.dtype) -> np.ndarray:
    """Cast float32 to the stored type; refuse numbers that it cannot hold."""
    if not np.isfinite(array).all():
        raise BundleError(f"the weight '{name}' is not finite", "do not save a diverged model")
    with np.errstate(over="ignore"):
        stored = array.astype(target)
    if not np.isfinite(stored.astype(np.float32)).all():
        raise BundleError(
            f"the weight '{name}' holds {np.abs(array).max():.3g}, too large for {target.name}",
            "store it as bfloat16 or float32",
        )
    return stored


def widened(array: np.ndarray, copy: bool = True) -> np.ndarray:
    """Return floats as float32, anything else as it is.

    JAX may keep using the memory of an array that is not copied: nothing else may use it then.
    """
    return array.astype(np.float32, copy=copy) if array.dtype.kind in "fV" else array
