"""Weights on disk: every weight of a model has a name, and safetensors holds them by it."""

from __future__ import annotations

import collections
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import BundleError, OptionError, did_you_mean

if TYPE_CHECKING:
    import keras

STORED = ("float16", "bfloat16", "float32")


def variables(model: keras.layers.Layer) -> dict[str, keras.Variable]:
    """Name every weight of a built model by the path of public attributes that leads to it.

    Lists of layers contribute their index, the leaf is the variable's own name:
    `encoder_layers.0.attention.query.kernel`. A shared variable appears once, under its shortest
    path (the alphabetically first of equals). Seed generators and metrics are left out. Order and
    names do not depend on the backend or on how often the process has built models.

    Raises:
        BundleError: a weight is not reachable by public names, or two share one name.
    """
    found: dict[str, keras.Variable] = {}
    seen_layers = {id(model)}
    seen_variables: set[int] = set()
    queue = collections.deque([("", model)])
    while queue:  # breadth first, so that the shortest path names what is shared
        path, layer = queue.popleft()
        own = {id(variable): variable for variable in _own_weights(layer)}
        for variable in own.values():
            if id(variable) in seen_variables:
                continue
            name = f"{path}{variable.name}"
            if name in found:
                raise BundleError(
                    f"two weights of {type(model).__name__} are both called '{name}'",
                    "give each variable of a layer its own name",
                )
            seen_variables.add(id(variable))
            found[name] = variable
        for name, child in _children(layer):
            if id(child) not in seen_layers:
                seen_layers.add(id(child))
                queue.append((f"{path}{name}.", child))
    for variable in model.weights:
        if id(variable) not in seen_variables:
            raise BundleError(
                f"the weight '{variable.path}' of {type(model).__name__} has no public path",
                "hold its layer in an attribute whose name does not begin with an underscore",
            )
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def _own_weights(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Return the variables that this layer made itself, not those of the layers inside it."""
    # Keras has no public word for these two lists; the check in `variables` notices if they change.
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def _children(layer: keras.layers.Layer) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yield (attribute name, layer) of the layers held in public attributes, sorted by name."""
    import keras

    attributes = dict(vars(layer))
    attributes.update(attributes.get("_modules", {}))  # on PyTorch layers are kept there
    for name in sorted(attributes):
        value = attributes[name]
        if name.startswith("_"):
            continue
        if isinstance(value, keras.layers.Layer):
            yield name, value
        elif isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                if isinstance(item, keras.layers.Layer):
                    yield f"{name}.{index}", item


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts layer 2 before layer 10."""
    parts = name.split(".")
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def arrays(model: keras.Model) -> dict[str, np.ndarray]:
    """Return a copy of every weight as NumPy, keyed as in a bundle."""
    import keras

    return {
        name: np.array(keras.ops.convert_to_numpy(variable))
        for name, variable in variables(model).items()
    }


def save_weights(
    path: str | Path,
    weights: keras.Model | Mapping[str, np.ndarray],
    dtype: str = "float16",
) -> None:
    """Write weights as safetensors; integers and booleans keep their type.

    Args:
        path: the file, overwritten. Written in place: write aside and rename to replace safely.
        weights: a built model, or arrays keyed as `variables` keys them.
        dtype: how numbers are stored, "float16", "bfloat16" or "float32".

    Raises:
        BundleError: a weight is not finite, does not fit float16, or the disk refuses.
    """
    import ml_dtypes
    from safetensors.numpy import save

    check_stored(dtype)
    target = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    tensors = {}
    for name, array in (weights if isinstance(weights, Mapping) else arrays(weights)).items():
        array = np.asarray(array)
        if array.dtype.kind in "fV":  # ml_dtypes are of kind V
            stored = _narrowed(name, array.astype(np.float32), target)
        else:
            stored = array
        # safetensors reads the buffer as it lies and would store a transposed view wrongly
        tensors[name] = np.require(stored, requirements="C")
    # One metadata key only: the order of several is random, and equal weights give equal files.
    # `save_file` is not used: it renames over the path, whatever that was, with mode 0600.
    content = save(tensors, metadata={"format": "paperzoo"})
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise BundleError(
            f"cannot write {path}: {error.strerror}", "free some space or choose another folder"
        ) from error


def check_stored(dtype: str) -> None:
    """Raise OptionError unless weights can be stored in that type."""
    if dtype not in STORED:
        raise OptionError(f"weights cannot be stored as '{dtype}'", did_you_mean(dtype, STORED))


def _narrowed(name: str, array: np.ndarray, target: np.dtype) -> np.ndarray:
    """Cast float32 to the stored type, refusing what would come back as something else."""
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


def load_weights(path: str | Path, model: keras.Model) -> None:
    """Fill a built model from a safetensors file, tensor by tensor.

    Names and shapes are compared first, so that a file that does not fit changes nothing.
    Stored numbers are converted to each variable's own type.

    Raises:
        BundleError: unreadable file; missing, surplus or differently shaped tensors, by name.
    """
    wanted = variables(model)
    with opened(path) as tensors:
        shapes = {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
        _check_fit(shapes, wanted, f"{path} does not fit {type(model).__name__}")
    # The file is mapped into memory while it is open, and what was read of it stays there: opened
    # for one weight after another, it never takes more than the largest of them.
    for name, variable in wanted.items():
        with opened(path) as tensors:
            variable.assign(widened(tensors.get_tensor(name), copy=False))


def copy_weights(source: keras.Model, model: keras.Model) -> None:
    """Fill a built model with another's weights, converted to its own types.

    Raises:
        BundleError: the two do not have the same names and shapes.
    """
    set_weights(model, arrays(source))


def set_weights(model: keras.Model, given: Mapping[str, np.ndarray]) -> None:
    """Fill a built model with arrays keyed as `variables` keys them, converted to its own types.

    Raises:
        BundleError: missing, surplus or differently shaped arrays, by name.
    """
    wanted = variables(model)
    shapes = {name: array.shape for name, array in given.items()}
    _check_fit(shapes, wanted, f"the weights do not fit the new {type(model).__name__}")
    for name, variable in wanted.items():
        variable.assign(widened(given[name]))


def _check_fit(
    given: Mapping[str, tuple[int, ...]], wanted: Mapping[str, keras.Variable], where: str
) -> None:
    """Compare names, then shapes, and name what differs."""
    hint = "the weights belong to another model, size or version of the recipe"
    if missing := [name for name in wanted if name not in given]:
        raise BundleError(f"{where}: {_some(missing)} missing", hint)
    if surplus := sorted(set(given) - set(wanted)):
        raise BundleError(f"{where}: {_some(surplus)} not in the model", hint)
    for name, variable in wanted.items():
        shape = tuple(variable.shape)
        if given[name] != shape:
            raise BundleError(
                f"{where}: '{name}' is {_shape(given[name])} there, {_shape(shape)} in the model",
                hint,
            )


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Return the tensors of a safetensors file, floats as float32."""
    with opened(path) as tensors:
        return {name: widened(tensors.get_tensor(name)) for name in tensors.keys()}  # noqa: SIM118


def opened(path: str | Path) -> Any:
    """Return a safetensors file, whose tensors are read one by one.

    Raises:
        BundleError: there is none, or it is damaged.
    """
    import ml_dtypes  # noqa: F401  gives NumPy its bfloat16
    from safetensors import SafetensorError, safe_open

    if not os.path.isfile(path):
        raise BundleError(f"there is no file {path}", "check the path")
    try:
        return safe_open(str(path), framework="np")
    except SafetensorError as error:
        raise BundleError(
            f"{path} is truncated or no safetensors file ({error})", "fetch or write it again"
        ) from error


def widened(array: np.ndarray, copy: bool = True) -> np.ndarray:
    """Return floats as float32, anything else as it is.

    Without a copy JAX may go on with the memory of what it is given, so nobody else may hold it.
    """
    return array.astype(np.float32, copy=copy) if array.dtype.kind in "fV" else array


def _some(names: list[str], most: int = 3) -> str:
    listed = ", ".join(f"'{name}'" for name in names[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + " x ".join(map(str, shape)) + ")"
