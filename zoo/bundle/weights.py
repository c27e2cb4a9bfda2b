"""Weights on disk: every weight of a model has a name, and safetensors holds them by it."""

from __future__ import annotations

import collections
import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
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
    seen_variables: set[int] = set()
    for path, layer in _layers(model):
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
    for variable in model.weights:
        if id(variable) not in seen_variables:
            raise BundleError(
                f"the weight '{variable.path}' of {type(model).__name__} has no public path",
                "hold its layer in an attribute whose name does not begin with an underscore",
            )
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def _layers(model: keras.layers.Layer) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yield each layer with its path, breadth first: the shortest path names what is shared."""
    seen = {id(model)}
    queue = collections.deque([("", model)])
    while queue:
        path, layer = queue.popleft()
        yield path, layer
        for name, child in _children(layer):
            if id(child) not in seen:
                seen.add(id(child))
                queue.append((f"{path}{name}.", child))


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


def filled(
    build: Callable[[], keras.Model], given: str | Path | Mapping[str, np.ndarray]
) -> keras.Model:
    """Return the model that `build` builds, with given weights converted to its own types.

    No others are drawn, or take memory, before. Names and shapes are compared first; then the
    tensors of a file are read one by one, each into its place.

    Args:
        build: called once; what it returns is built.
        given: a safetensors file, or arrays keyed as `variables` keys them, which are copied.

    Raises:
        BundleError: unreadable file; missing, surplus or differently shaped tensors, by name.
    """
    import keras

    failed: list[BaseException] = []
    with _awaited(failed) as awaited, keras.StatelessScope():
        model = build()
        wanted = variables(model)
        _check_fit(given, wanted, type(model).__name__)
        for name, variable in wanted.items():
            awaited[id(variable)].read = functools.partial(_tensor, given, name)
    if failed:
        raise failed[0]
    _tell_torch(model)
    return model


class _Awaited:
    """An initialiser that gives a weight what is to be read, zeros as long as that is not known."""

    def __init__(self, failed: list[BaseException]) -> None:
        self.failed = failed
        self.read: Callable[[], np.ndarray] | None = None

    def __call__(self, shape, dtype=None):
        from keras import backend, ops

        if self.read is not None and not self.failed:
            try:
                array = self.read()
                if backend.backend() == "torch":  # a second copy is Keras' way with arrays there
                    import torch

                    array = torch.from_numpy(array)
                return ops.convert_to_tensor(array, dtype)
            except BaseException as error:  # Keras would not forget the weights that are left
                self.failed.append(error)
        return ops.zeros(shape, dtype)


@contextlib.contextmanager
def _awaited(failed: list[BaseException]) -> Iterator[dict[int, _Awaited]]:
    """Let weights that are made inside this context begin with what they await.

    Inside a stateless scope Keras makes no tensor of a weight until the scope ends. Seed generators
    keep their own initialiser.
    """
    import keras

    original = keras.layers.Layer.add_weight
    found: dict[int, _Awaited] = {}

    def add_weight(self, shape=None, initializer=None, *args, **kwargs):
        awaited = _Awaited(failed)
        variable = original(self, shape, awaited, *args, **kwargs)
        found[id(variable)] = awaited
        return variable

    keras.layers.Layer.add_weight = add_weight
    try:
        yield found
    finally:
        keras.layers.Layer.add_weight = original


def _tell_torch(model: keras.Model) -> None:
    """Make the weights parameters of the PyTorch modules that Keras' layers are there.

    Keras does so when a layer is built, but not in a stateless scope, where weights have no value.
    """
    import keras

    if keras.backend.backend() == "torch":
        for _, layer in _layers(model):
            layer.named_parameters()


def _check_fit(
    source: str | Path | Mapping[str, np.ndarray], wanted: Mapping[str, keras.Variable], model: str
) -> None:
    """Compare names, then shapes, and name what differs."""
    if isinstance(source, Mapping):
        where = f"the weights do not fit the new {model}"
        given = {name: array.shape for name, array in source.items()}
    else:
        where = f"{source} does not fit {model}"
        with opened(source) as tensors:
            given = {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
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


def _tensor(source: str | Path | Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Return a copy of one tensor, floats as float32; nobody else holds its memory."""
    if isinstance(source, Mapping):
        return widened(source[name])
    # The file is mapped into memory while it is open, and what was read of it stays there: opened
    # for one weight after another, it never takes more than the largest of them.
    with opened(source) as tensors:
        return widened(tensors.get_tensor(name), copy=False)


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
