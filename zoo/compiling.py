"""Compile a function of a model once for each shape of its arrays, on any backend of Keras.

Keras offers this only inside `fit` and `predict`, so this file, and no other, imports a backend's
own module:

    TensorFlow   `tf.function`: a graph that reads the model's weights in place
    JAX          `jax.jit`, with the weights passed in through `keras.StatelessScope`: a jit that
                 closed over them would keep the old ones after they change
    PyTorch      no compiling: the function runs as it is, without gradients

A compiled function belongs to its model and is freed with it. Threads may run functions at the same
time.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import keras
from keras import ops, tree

from zoo.processes import uses_models

# A function of (model, options, arrays): nested arrays in, nested arrays out.
Traced = Callable[[keras.Model, Any, Any], Any]

_compiled: weakref.WeakKeyDictionary[keras.Model, dict[Hashable, Callable]] = (
    weakref.WeakKeyDictionary()
)
_trace_count = 0
_lock = threading.Lock()


def traces() -> int:
    """Return how often functions were compiled in this process; PyTorch never compiles."""
    return _trace_count


def run(function: Traced, model: keras.Model, options: Hashable, arrays: Mapping[str, Any]) -> Any:
    """Return function(model, options, arrays), compiled.

    Args:
        function: a module-level function that uses keras.ops only.
        model: a built model.
        options: constants of the compiled code; another value compiles anew.
        arrays: nested dicts of arrays or tensors; other shapes compile anew, other values do not.
    """
    uses_models()
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        with torch.inference_mode():
            return function(model, options, tree.map_structure(ops.convert_to_tensor, arrays))
    leaves = tree.flatten(arrays)
    shapes = tuple((tuple(x.shape), keras.backend.standardize_dtype(x.dtype)) for x in leaves)
    # LoRA gives a model other variables; a graph of TensorFlow has those that it began with.
    key = (function, options, shapes, len(model.variables))
    with _lock:  # two threads would compile the same function twice
        functions = _compiled.setdefault(model, {})
        if key not in functions:
            compile_ = _compile_tensorflow if backend == "tensorflow" else _compile_jax
            functions[key] = compile_(function, weakref.ref(model), options)
    if backend == "jax":
        return functions[key]([variable.value for variable in model.variables], arrays)
    return functions[key](arrays)


def _compile_tensorflow(function: Traced, model: weakref.ref, options: Hashable) -> Callable:
    import tensorflow

    def traced(function, arrays):
        return function(_traced(model), options, arrays)

    # TensorFlow warns of too many traces of one code; a partial makes a new function per shape.
    return tensorflow.function(functools.partial(traced, function), autograph=False)


def _compile_jax(function: Traced, model: weakref.ref, options: Hashable) -> Callable:
    import jax

    def traced(values, arrays):
        alive = _traced(model)
        with keras.StatelessScope(state_mapping=list(zip(alive.variables, values, strict=True))):
            return function(alive, options, arrays)

    return jax.jit(traced)


def descend(
    function: Traced,
    model: keras.Model,
    weights: list[Any] | None,
    rate: float,
    arrays: Mapping[str, Any],
) -> tuple[Any, list[Any]]:
    """Return what a function gives, and weights after one step of plain gradient descent on it.

    The model keeps its own weights: the function sees others in their place.

    Args:
        function: of (model, None, arrays), see `run`; returns a loss, a scalar, and nested arrays.
        weights: values of the model's trainable variables, from an earlier call; None takes the
            model's own.
        rate: by which the gradients are multiplied.

    Returns:
        The nested arrays, of the weights before the step; and the weights after it.
    """
    uses_models()
    backend = keras.backend.backend()
    if weights is None:
        weights = [ops.convert_to_tensor(variable) for variable in model.trainable_variables]
    if backend == "torch":
        arrays = tree.map_structure(ops.convert_to_tensor, dict(arrays))
        return _descend_torch(function, model, weights, rate, arrays)
    shapes = tuple(tuple(leaf.shape) for leaf in tree.flatten(arrays))
    key = (descend, function, rate, shapes, len(model.variables))
    with _lock:
        functions = _compiled.setdefault(model, {})
        if key not in functions:
            make = _descend_tensorflow if backend == "tensorflow" else _descend_jax
            functions[key] = make(function, weakref.ref(model), rate)
    if backend == "jax":
        others = [variable.value for variable in model.non_trainable_variables]
        return functions[key](weights, others, arrays)
    return functions[key](weights, arrays)


def _descend_torch(
    function: Traced, model: keras.Model, weights: list[Any], rate: float, arrays: Any
) -> tuple[Any, list[Any]]:
    import torch

    weights = [weight.detach().requires_grad_() for weight in weights]
    with keras.StatelessScope(
        state_mapping=list(zip(model.trainable_variables, weights, strict=True))
    ):
        loss, found = function(model, None, arrays)
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    with torch.no_grad():
        return tree.map_structure(lambda leaf: leaf.detach(), found), [
            weight if gradient is None else weight - rate * gradient
            for weight, gradient in zip(weights, gradients, strict=True)
        ]


def _descend_tensorflow(function: Traced, model: weakref.ref, rate: float) -> Callable:
    import tensorflow

    def traced(weights, arrays):
        alive = _traced(model)
        mapping = list(zip(alive.trainable_variables, weights, strict=True))
        with tensorflow.GradientTape() as tape, keras.StatelessScope(state_mapping=mapping):
            tape.watch(weights)
            loss, found = function(alive, None, arrays)
        gradients = tape.gradient(loss, weights)
        return found, [
            weight if gradient is None else weight - rate * tensorflow.convert_to_tensor(gradient)
            for weight, gradient in zip(weights, gradients, strict=True)
        ]

    return tensorflow.function(traced, autograph=False)


def _descend_jax(function: Traced, model: weakref.ref, rate: float) -> Callable:
    import jax

    def traced(weights, others, arrays):
        alive = _traced(model)
        variables = [*alive.trainable_variables, *alive.non_trainable_variables]

        def loss_of(weights):
            mapping = list(zip(variables, [*weights, *others], strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                return function(alive, None, arrays)

        gradients, found = jax.grad(loss_of, has_aux=True)(weights)
        return found, [
            weight - rate * gradient for weight, gradient in zip(weights, gradients, strict=True)
        ]

    return jax.jit(traced)


def loop(
    condition: Callable[[Any, Any], Any], body: Callable[[Any, Any], tuple], start: Any, carry: Any
) -> tuple[Any, Any]:
    """Run `position, carry = body(position, carry)` from `start` while the condition holds.

    The position is an int32 scalar; on PyTorch, which runs eagerly, a plain int, which indexes
    tensors much faster.
    """
    if keras.backend.backend() == "torch":
        position = int(start)
        while bool(condition(position, carry)):
            position, carry = body(position, carry)
        return position, carry
    return ops.while_loop(condition, body, (ops.cast(start, "int32"), carry))


def _traced(model: weakref.ref) -> keras.Model:
    """Count a compilation of a function, and return its model."""
    global _trace_count
    with _lock:
        _trace_count += 1
    alive = model()
    assert alive is not None, "a compiled function outlived its model"
    return alive
