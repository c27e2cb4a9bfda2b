"""Tensors of a checkpoint by name: safetensors, PyTorch's files, NumPy's; nothing is run."""

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

from zoo.bundle.weights import opened, widened
from zoo.errors import BundleError

# What a damaged archive raises.
UNREADABLE = (
    OSError, ValueError, EOFError, MemoryError, NotImplementedError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """A tensor whose numbers are read when they are asked for."""

    shape: tuple[int, ...]
    load: Callable[[], np.ndarray]

    def numbers(self) -> np.ndarray:
        """Return the tensor, floats as float32."""
        return widened(self.load())


def read(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of model.safetensors, or else of pytorch_model.bin.

    Raises:
        BundleError: there is neither; one is damaged, or unsafe to read.
    """
    path = folder / "model.safetensors"
    if path.is_file():
        return _safetensors(path)
    path = folder / "pytorch_model.bin"
    if path.is_file():
        return _pickled(path)
    raise BundleError(
        f"{folder} has no weights: neither model.safetensors nor pytorch_model.bin",
        "copy the whole checkpoint; one in several parts has to be saved as one file first",
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    file = opened(path)

    def tensor(name: str) -> Tensor:
        return Tensor(tuple(file.get_slice(name).get_shape()), lambda: file.get_tensor(name))

    return {name: tensor(name) for name in file.keys()}  # noqa: SIM118


def _pickled(path: Path) -> dict[str, Tensor]:
    return of_torch(unpickled(path), path)


def unpickled(path: Path, allowed: Sequence[type] = ()) -> Any:
    """Read a pickle by PyTorch's reader, which knows tensors and plain values and runs nothing.

    Args:
        allowed: classes that it may also make, whose construction does nothing else.

    Raises:
        BundleError: PyTorch is not installed; or the file is damaged or holds anything else.
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
    except Exception as error:  # damaged files raise whatever comes first
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BundleError(
            f"{path} holds more than tensors, or is damaged, and was not read: {reason}",
            "take the checkpoint as safetensors",
        ) from None


def of_torch(found: Any, path: Path) -> dict[str, Tensor]:
    """Return PyTorch's tensors by name.

    Raises:
        BundleError: what was found in the file is no dictionary of tensors.
    """
    import torch

    if not isinstance(found, Mapping) or not all(torch.is_tensor(x) for x in found.values()):
        raise BundleError(f"{path} is no dictionary of tensors", "save `model.state_dict()`")

    def numbers(tensor: Any) -> np.ndarray:
        plain = tensor.float() if tensor.is_floating_point() else tensor
        array: np.ndarray = plain.numpy()
        return array

    return {
        name: Tensor(tuple(each.shape), functools.partial(numbers, each))
        for name, each in found.items()
    }


def npz(path: Path) -> dict[str, Tensor]:
    """Return the arrays of a NumPy archive, of which only the headers are read until asked for.

    Arrays of Python objects, which are pickles, are left out.

    Raises:
        BundleError: the file is damaged, or no archive of arrays.
    """
    found = {}
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
                found[member.filename.removesuffix(".npy")] = Tensor(shape, load)
    except UNREADABLE as error:
        raise BundleError(f"{path} cannot be read: {error}", "copy it again") from None
    return found


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"it has an array of version {version}")
    read = np.lib.format.read_array_header_1_0
    if version == (2, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _member(path: Path, member: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except UNREADABLE as error:
        raise BundleError(f"{path}: {member} cannot be read: {error}", "copy it again") from None


def take(
    tensors: Mapping[str, Tensor],
    wanted: Mapping[str, tuple[str, tuple[int, ...]]],
    where: Path,
) -> dict[str, np.ndarray]:
    """Return all tensors that are wanted under the names that they are to have.

    Args:
        wanted: for each name in the checkpoint the new name and the shape.

    Raises:
        BundleError: missing or surplus tensors or shapes that do not fit, by their names in the
            checkpoint; nothing is read then.
    """
    hint = "the checkpoint is of another model or not complete: copy it again"
    if missing := [name for name in wanted if name not in tensors]:
        raise BundleError(f"{where} has no {_some(missing)}", hint)
    if surplus := [name for name in tensors if name not in wanted]:
        raise BundleError(f"{where} has {_some(surplus)}, which the model has no place for", hint)
    for name, (_, shape) in wanted.items():
        if tensors[name].shape != shape:
            raise BundleError(
                f"{where}: {name} is {tensors[name].shape}, its config says {shape}", hint
            )
    return {new: tensors[name].numbers() for name, (new, _) in wanted.items()}


def _some(names: list[str], most: int = 3) -> str:
    listed = ", ".join(names[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
