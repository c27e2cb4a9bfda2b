"""Read tensors by name from files of safetensors, PyTorch or NumPy, without running their code."""

from __future__ import annotations

import functools
import math
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from zoo.bundle.stored import widened
from zoo.bundle.tensors import Tensors, some
from zoo.config.shards import INDEX, WEIGHTS
from zoo.errors import BundleError

Shape = tuple[int, ...]

# What reading a damaged archive raises.
UNREADABLE = (
    OSError, ValueError, EOFError, MemoryError, NotImplementedError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """A tensor whose values are read on request."""

    shape: Shape
    load: Callable[[], np.ndarray]

    def numbers(self) -> np.ndarray:
        """Return the values, floats as float32."""
        return widened(self.load())


def read(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of model.safetensors, or of its shards, or else of pytorch_model.bin.

    Raises BundleError if all are missing, or the file is damaged or unsafe to read.
    """
    for name in (WEIGHTS, INDEX):
        if (folder / name).is_file():
            return _safetensors(folder / name)
    path = folder / "pytorch_model.bin"
    if path.is_file():
        return of_torch(unpickled(path), path)
    raise BundleError(
        f"{folder} has no weights: neither model.safetensors nor pytorch_model.bin",
        "copy the whole checkpoint; one in several parts has an index of its safetensors files",
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    tensors = Tensors(path)
    return {
        name: Tensor(shape, functools.partial(tensors.read, name))
        for name, shape in tensors.shapes.items()
    }


def unpickled(path: Path, allowed: Sequence[type] = ()) -> Any:
    """Read a pickle with PyTorch's reader of weights: tensors and plain values, and no code.

    Args:
        allowed: further classes that it may make; making one must do nothing else.

    Raises:
        BundleError: PyTorch is not installed; the file is damaged or holds anything else.
    """
    try:
        import torch
    except ImportError:
        raise BundleError(
            f"{path} needs PyTorch to be read",
            'pip install "paperzoo[torch]", or save the checkpoint as safetensors',
        ) from None
    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise all kinds of errors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BundleError(
            f"{path} holds more than tensors, or is damaged, and was not read: {reason}",
            "take the checkpoint as safetensors",
        ) from None


def of_torch(content: Any, path: Path) -> dict[str, Tensor]:
    """Return PyTorch's tensors by name; raise BundleError if the content holds anything else."""
    import torch

    if not isinstance(content, Mapping) or not all(map(torch.is_tensor, content.values())):
        raise BundleError(f"{path} is not a dictionary of tensors", "save `model.state_dict()`")

    def numbers(tensor: Any) -> np.ndarray:
        # NumPy lacks some of PyTorch's types of floats.
        array: np.ndarray = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        return array

    return {
        name: Tensor(tuple(tensor.shape), functools.partial(numbers, tensor))
        for name, tensor in content.items()
    }


def npz(path: Path) -> dict[str, Tensor]:
    """Return the arrays of a NumPy archive, reading only the headers at first.

    Arrays of Python objects are pickles, and are left out. Raises BundleError if the file is
    damaged or not an archive of arrays.
    """
    tensors = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as file:
                    shape, dtype = _npy_header(file)
                if dtype.hasobject:
                    continue
                if math.prod(shape) * dtype.itemsize > member.file_size:
                    raise ValueError(f"{member.filename} is shorter than its shape {shape}")
                load = functools.partial(_member, path, member.filename)
                tensors[member.filename.removesuffix(".npy")] = Tensor(shape, load)
    except UNREADABLE as error:
        raise BundleError(f"{path} cannot be read: {error}", "copy it again") from None
    return tensors


def _npy_header(file: IO[bytes]) -> tuple[Shape, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"it has an array of version {version}")
    headers = np.lib.format
    read = headers.read_array_header_1_0 if version == (1, 0) else headers.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _member(path: Path, member: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except UNREADABLE as error:
        raise BundleError(f"{path}: {member} cannot be read: {error}", "copy it again") from None


def take(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, tuple[str, Shape]], where: Path
) -> dict[str, np.ndarray]:
    """Return the wanted tensors by their new names.

    Args:
        wanted: the new name and the shape, by the name in the checkpoint.

    Raises:
        BundleError: tensors are missing, surplus or of another shape, told by their names in the
            checkpoint before any is read.
    """
    hint = "the checkpoint is of another model or not complete: copy it again"
    if missing := [name for name in wanted if name not in tensors]:
        raise BundleError(f"{where} has no {some(missing)}", hint)
    if surplus := [name for name in tensors if name not in wanted]:
        raise BundleError(f"{where} has {some(surplus)}, which the model has no place for", hint)
    for name, (_, shape) in wanted.items():
        if tensors[name].shape != shape:
            raise BundleError(
                f"{where}: {name} is {tensors[name].shape}, its config says {shape}", hint
            )
    return {new: tensors[name].numbers() for name, (new, _) in wanted.items()}


def unequal(copies: Mapping[str, Tensor], table: np.ndarray) -> list[str]:
    """Return the names of supposed copies of a table that differ from it."""
    return [
        name
        for name, copy in copies.items()
        if copy.shape != table.shape or not np.array_equal(copy.numbers(), table)
    ]
