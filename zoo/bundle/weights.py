"""Weights on disk: safetensors holds every weight of a model under a name."""

from __future__ import annotations

import collections
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.bundle import lora
from zoo.bundle.stored import files, narrowed, packed, to_bytes, widened
from zoo.bundle.tensors import Tensors, some
from zoo.errors import BundleError
from zoo.processes import uses_models

if TYPE_CHECKING:
    import keras


def variables(model: keras.layers.Layer) -> dict[str, keras.Variable]:
    """Name every weight of a built model by the path of public attributes that leads to it.

    Lists of layers contribute their index, and the leaf is the variable's own name:
    `encoder_layers.0.attention.query.kernel`. A shared variable appears once, under its shortest
    path (the alphabetically first of equals). Seed generators and metrics are left out. Order and
    names depend neither on the backend nor on models built earlier in the process.

    Raises:
        BundleError: a weight is not reachable by public names, or two share one name.
    """
    named: dict[str, keras.Variable] = {}
    seen_variables: set[int] = set()
    for path, layer in _layers(model):
        own = {id(variable): variable for variable in _own_weights(layer)}
        for variable in own.values():
            if id(variable) in seen_variables:
                continue
            name = f"{path}{variable.name}"
            if name in named:
                raise BundleError(
                    f"two weights of {type(model).__name__} are both called '{name}'",
                    "give each variable of a layer its own name",
                )
            seen_variables.add(id(variable))
            named[name] = variable
    for variable in model.weights:
        if id(variable) not in seen_variables:
            raise BundleError(
                f"the weight '{variable.path}' of {type(model).__name__} has no public path",
                "hold its layer in an attribute whose name does not begin with an underscore",
            )
    return dict(sorted(named.items(), key=lambda item: _natural(item[0])))


def _layers(model: keras.layers.Layer) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yield each layer with its path, breadth first: a shared layer has its shortest path."""
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
    # These two lists of Keras are private; the check in `variables` notices if they change.
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def _children(layer: keras.layers.Layer) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yield (attribute name, layer) of the layers held in public attributes, sorted by name."""
    import keras

    attributes = dict(vars(layer))
    attributes.update(attributes.get("_modules", {}))  # PyTorch keeps layers there
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
    """Return a copy of every weight as NumPy, keyed as in a bundle, with LoRA merged.

    Raises:
        BundleError: see `variables`; or a layer is quantized.
    """
    import keras

    named = variables(model)
    values = {name: np.array(keras.ops.convert_to_numpy(each)) for name, each in named.items()}
    lora.merge(_layers(model), {id(each): name for name, each in named.items()}, values)
    return values


def save_weights(
    path: str | Path,
    weights: keras.Model | Mapping[str, np.ndarray],
    dtype: str = "float16",
) -> Path:
    """Write weights as safetensors, and return the path that they are read from.

    Integers and booleans keep their type. What exceeds 16 MB (16,000,000 bytes) is split into
    NAME-00001-of-00002.safetensors and so on, and NAME.safetensors.index.json is returned.

    Args:
        path: NAME.safetensors, overwritten in place; write aside and rename to replace it safely.
        weights: a built model, or arrays keyed as `variables` keys them.
        dtype: how numbers are stored, "float16", "bfloat16", "float32", or "int8": matrices in 8
            bits with a scale for each row, see `zoo.bundle.quantization`, and the rest in float16.

    Raises:
        BundleError: a weight is not finite, does not fit float16, or the disk refuses.
    """
    path = Path(path)
    named = weights if isinstance(weights, Mapping) else arrays(weights)
    tensors = packed(narrowed(named, dtype), dtype)
    split = files(tensors, path.stem)
    try:
        # `save_file` would replace the path, whatever it was, with a file of mode 0600.
        if len(split) == 1:
            path.write_bytes(to_bytes(tensors))
            return path
        for name, part in split.items():
            path.with_name(name).write_bytes(to_bytes(part))
        size = sum(tensor.nbytes for tensor in tensors.values())
        places = {each: name for name, part in split.items() for each in part}
        content = {"metadata": {"total_size": size}, "weight_map": dict(sorted(places.items()))}
        index = path.with_name(f"{path.name}.index.json")
        index.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n")
        return index
    except OSError as error:
        raise BundleError(
            f"cannot write {path}: {error.strerror}", "free some space or choose another folder"
        ) from error


def filled(
    build: Callable[[], keras.Model], source: str | Path | Mapping[str, np.ndarray]
) -> keras.Model:
    """Return the model that `build` builds, with the given weights cast to its own types.

    Initial weights are neither drawn nor allocated. Names and shapes are compared first; then the
    tensors of a file are read one by one, each into its place. Nothing outside the model changes,
    so threads may fill models at the same time.

    Args:
        build: called once; returns a built model.
        source: what `save_weights` wrote, a safetensors file or the index of several, or arrays
            keyed as `variables` keys them, which are copied.

    Raises:
        BundleError: the file is unreadable, or tensors are missing, surplus or of another shape.
    """
    import keras

    uses_models()
    held = source if isinstance(source, Mapping) else Tensors(source)
    failed: list[BaseException] = []
    # Keras makes the tensors of weights when this scope, which is the thread's own, ends.
    with keras.StatelessScope():
        model = build()
        named = variables(model)
        awaited = {name: _Awaited(failed) for name in named}
        for name, variable in named.items():
            _begin_with(variable, awaited[name])
        _check_fit(held, named, type(model).__name__)
        for name, initializer in awaited.items():
            initializer.read = functools.partial(_tensor, held, name)
    if failed:
        raise failed[0]
    _tell_torch(model)
    return model


class _Awaited:
    """An initialiser that reads a weight's value, and gives zeros until its source is known."""

    def __init__(self, failed: list[BaseException]) -> None:
        self.failed = failed
        self.read: Callable[[], np.ndarray] | None = None

    def __call__(self, shape, dtype=None):
        from keras import backend, ops

        if self.read is not None and not self.failed:
            try:
                array = self.read()
                if backend.backend() == "torch":  # Keras would copy an array there
                    import torch

                    array = torch.from_numpy(array)
                return ops.convert_to_tensor(array, dtype)
            except BaseException as error:  # raised here, it would keep the other weights in Keras
                self.failed.append(error)
        return ops.zeros(shape, dtype)


def _begin_with(variable: keras.Variable, initializer: _Awaited) -> None:
    """Give a weight that has no value yet another initialiser."""
    # The attribute is private to Keras: nothing public changes the initialiser of one weight. What
    # changes them all, a method of the class, would change the weights of other threads too.
    if not callable(getattr(variable, "_initializer", None)):
        raise BundleError(
            f"this version of Keras made the weight '{variable.path}' before its value was read",
            "install the version of Keras that pyproject.toml names, and report this",
        )
    variable._initializer = initializer


def _tell_torch(model: keras.Model) -> None:
    """Register the weights as parameters of the PyTorch modules that Keras' layers are there.

    Keras does this when a layer is built, but not in a stateless scope, where weights lack values.
    """
    import keras

    if keras.backend.backend() == "torch":
        for _, layer in _layers(model):
            layer.named_parameters()


def _check_fit(
    source: Tensors | Mapping[str, np.ndarray], named: Mapping[str, keras.Variable], model: str
) -> None:
    """Compare names, then shapes, and name what differs."""
    if isinstance(source, Mapping):
        where = f"the weights do not fit the new {model}"
        shapes = {name: array.shape for name, array in source.items()}
    else:
        where = f"{source.path} does not fit {model}"
        shapes = source.shapes
    hint = "the weights belong to another model, size or version of the recipe"
    if missing := [repr(name) for name in named if name not in shapes]:
        raise BundleError(f"{where}: {some(missing)} missing", hint)
    if surplus := [repr(name) for name in sorted(set(shapes) - set(named))]:
        raise BundleError(f"{where}: {some(surplus)} not in the model", hint)
    for name, variable in named.items():
        if shapes[name] != tuple(variable.shape):
            pair = (shapes[name], variable.shape)
            there, here = (f"({' x '.join(map(str, shape))})" for shape in pair)
            raise BundleError(f"{where}: '{name}' is {there} there, {here} in the model", hint)


def _tensor(source: Tensors | Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Return a copy of one tensor, floats as float32, in memory of its own."""
    return widened(source[name]) if isinstance(source, Mapping) else source.read(name)
