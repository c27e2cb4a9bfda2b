"""How weights lie in safetensors files: their type, the bytes, and the hash to know them by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from zoo.bundle.quantization import dequantized, is_matrix, quantized
from zoo.config import shards
from zoo.errors import BundleError, OptionError, did_you_mean

# Tried in this order where weights may be of any of them.
STORED = ("float16", "bfloat16", "int8", "float32")
# Beside NAME, the int8 numbers of a matrix, its scales. No name of a Keras variable has a slash.
SCALE = "/scale"
# Bytes of a file of weights beyond which it is split. A tensor is never split: one that is larger
# is a file of its own.
LARGEST = 16_000_000
PLAIN, QUANTIZED = "paperzoo", "paperzoo-int8"  # the format that a file's metadata name


def narrowed(weights: Mapping[str, np.ndarray], dtype: str) -> dict[str, np.ndarray]:
    """Return the values that a bundle stores, see `save_weights`: floats in `dtype`.

    With "int8" the matrices are in float32, rounded to what their 8 bits mean, and other floats in
    float16.
    """
    import ml_dtypes

    check_stored(dtype)
    target = np.dtype({"bfloat16": ml_dtypes.bfloat16, "int8": np.float16}.get(dtype, dtype))
    stored = {}
    for name, array in weights.items():
        array = np.asarray(array)
        if array.dtype.kind in "fV":  # ml_dtypes are of kind V
            array = array.astype(np.float32, copy=False)
            if dtype == "int8" and is_matrix(array):
                _check_finite(name, array)
                array = dequantized(*quantized(array))
            else:
                array = _narrowed(name, array, target)
        # safetensors ignores strides, and would store a transposed view wrongly
        stored[name] = np.require(array, requirements="C")
    return stored


def packed(stored: Mapping[str, np.ndarray], dtype: str) -> dict[str, np.ndarray]:
    """Return the tensors of a file, of what `narrowed` returned: int8 matrices beside scales."""
    tensors = {}
    for name, array in stored.items():
        if name.endswith(SCALE):
            raise BundleError(
                f"a weight is called '{name}', and '{SCALE}' marks scales", "rename it"
            )
        if dtype == "int8" and is_matrix(array):
            tensors[name], tensors[f"{name}{SCALE}"] = quantized(array)
        else:
            tensors[name] = array
    return tensors


def to_bytes(tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of a safetensors file; equal tensors of one type give equal files."""
    from safetensors.numpy import save

    made_of_two = any(name.endswith(SCALE) for name in tensors)
    # One metadata key: the order of several is random.
    return save(dict(tensors), metadata={"format": QUANTIZED if made_of_two else PLAIN})


def files(
    tensors: Mapping[str, np.ndarray], stem: str = "model"
) -> dict[str, dict[str, np.ndarray]]:
    """Return the tensors of each file, by the file's name: one file, or shards.

    Tensors are ordered by name, and a matrix stays with its scales.
    """
    parts: list[dict[str, np.ndarray]] = [{}]
    size = 0
    for name in sorted(tensors):
        if name.endswith(SCALE):
            continue
        both = {each: tensors[each] for each in (name, f"{name}{SCALE}") if each in tensors}
        added = sum(map(_bytes, both, both.values()))
        if parts[-1] and size + added > LARGEST - 200:  # for the rest of the header
            parts.append({})
            size = 0
        parts[-1] |= both
        size += added
    if len(parts) == 1:
        return {f"{stem}.safetensors": parts[0]}
    total = len(parts)
    return {shards.name(stem, number, total): part for number, part in enumerate(parts, start=1)}


def _bytes(name: str, tensor: np.ndarray) -> int:
    """Return the most bytes that a tensor and its line in the header take."""
    return tensor.nbytes + len(name.encode()) + len(str(tensor.shape)) + 80


def file_hash(weights: Mapping[str, np.ndarray], dtype: str) -> str:
    """Return the hash, see `shards.hash_of`, of the files that `save_weights` would write."""
    return _hash(packed(narrowed(weights, dtype), dtype))


def _hash(tensors: Mapping[str, np.ndarray]) -> str:
    hashes = {
        name: hashlib.sha256(to_bytes(part)).hexdigest() for name, part in files(tensors).items()
    }
    known = shards.hash_of(hashes)
    assert known is not None
    return known


def are_those_of(weights: Mapping[str, np.ndarray], sha256: str, rounded: bool = False) -> bool:
    """Return whether weights are those of files with that hash, of any type.

    Args:
        rounded: whether it is enough that they are once they are rounded to the files' type.
    """
    for dtype in STORED:
        stored: dict[str, np.ndarray] = {}
        try:
            for name, array in weights.items():
                ((_, value),) = narrowed({name: array}, dtype).items()
                if not rounded and not np.array_equal(widened(value), widened(array)):
                    break
                stored[name] = value
        except BundleError:  # too large for float16
            continue
        if len(stored) < len(weights):
            continue
        tensors = packed(stored, dtype)
        if _hash(tensors) == sha256:
            return True
        # Earlier versions wrote one file of any size.
        if len(files(tensors)) > 1 and hashlib.sha256(to_bytes(tensors)).hexdigest() == sha256:
            return True
    return False


def check_stored(dtype: str) -> None:
    """Raise OptionError unless weights can be stored as this type."""
    if dtype not in STORED:
        raise OptionError(f"weights cannot be stored as '{dtype}'", did_you_mean(dtype, STORED))


def _check_finite(name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        raise BundleError(f"the weight '{name}' is not finite", "do not save a diverged model")


def _narrowed(name: str, array: np.ndarray, target: np.dtype) -> np.ndarray:
    """Cast float32 to the stored type; refuse numbers that it cannot hold."""
    _check_finite(name, array)
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
