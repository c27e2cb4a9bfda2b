"""Read tensors by name from a safetensors file, or from several that an index names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from zoo.bundle.quantization import dequantized
from zoo.bundle.stored import SCALE, widened
from zoo.config import shards
from zoo.errors import BundleError

_AGAIN = "fetch or write it again"


class Tensors:
    """The tensors of a file, or of an index and its shards; nothing stays open.

    Matrices in 8 bits and their scales are read as one tensor of floats.

    Args:
        path: NAME.safetensors, or NAME.safetensors.index.json with its shards beside it.

    Raises:
        BundleError: a file is missing or damaged, or the index and its shards disagree.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._files: dict[str, Path] = {}
        index = _index(self.path) if self.path.name.endswith(".json") else None
        for file in [self.path] if index is None else sorted(set(index.values())):
            with opened(file) as tensors:
                names = list(tensors.keys())
                if index and set(names) != {name for name in index if index[name] == file}:
                    problem = f"{file} does not hold the tensors that {self.path.name} names"
                    raise BundleError(problem, _AGAIN)
                for name in names:
                    self._files[name] = file
                    self.shapes[name] = tuple(tensors.get_slice(name).get_shape())
        scales = [name for name in self.shapes if name.removesuffix(SCALE) in self._files]
        self._scaled = {name.removesuffix(SCALE) for name in scales if name.endswith(SCALE)}
        for name in self._scaled:
            self._check_scales(name, self.shapes.pop(f"{name}{SCALE}"))

    @property
    def quantized(self) -> bool:
        """Whether some of them are stored in 8 bits."""
        return bool(self._scaled)

    def read(self, name: str) -> np.ndarray:
        """Return a copy of one tensor, floats as float32, in memory of its own."""
        # An open file is mapped into memory, where its read parts stay. Reopened for each tensor,
        # it takes at most the memory of the largest.
        if name in self._scaled:
            return dequantized(self._raw(name), self._raw(f"{name}{SCALE}"))
        return widened(self._raw(name), copy=False)

    def _raw(self, name: str) -> np.ndarray:
        with opened(self._files[name]) as tensors:
            array: np.ndarray = tensors.get_tensor(name)
            return array

    def _check_scales(self, name: str, scales: tuple[int, ...]) -> None:
        shape = self.shapes[name]
        fitting = len(scales) == len(shape) and all(
            scale in (1, length) for scale, length in zip(scales, shape, strict=True)
        )
        if not fitting:
            where = self._files[name]
            raise BundleError(f"{where}: the scales of '{name}' do not fit its shape", _AGAIN)


def _index(path: Path) -> dict[str, Path]:
    """Return the file of each tensor, by an index."""
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        stem = path.name.removesuffix(".safetensors.index.json")
        if sorted(set(names.values())) != shards.of(names.values(), stem):
            raise ValueError("the files that it names are not its shards")
        return {name: path.parent / file for name, file in names.items()}
    except OSError:
        raise BundleError(f"there is no file {path}", "check the path") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        problem = f"{path} is no index of safetensors files: {error}"
        raise BundleError(problem, _AGAIN) from error


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Return all tensors of a file, or of an index and its shards, floats as float32."""
    tensors = Tensors(path)
    return {name: tensors.read(name) for name in tensors.shapes}


def opened(path: str | Path) -> Any:
    """Open a safetensors file, whose tensors can be read one by one.

    Raises BundleError if the file is missing or damaged.
    """
    import ml_dtypes  # noqa: F401  gives NumPy its bfloat16
    from safetensors import SafetensorError, safe_open

    if not os.path.isfile(path):
        raise BundleError(f"there is no file {path}", "check the path")
    try:
        return safe_open(str(path), framework="np")
    except SafetensorError as error:
        raise BundleError(
            f"{path} is truncated or no safetensors file ({error})", _AGAIN
        ) from error


def some(names: list[str], most: int = 3) -> str:
    """List the first names, and how many more there are."""
    listed = ", ".join(names[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
