"""The base of every paper's model, which declares its arguments once."""

from __future__ import annotations

import importlib
import inspect
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from zoo.errors import BundleError, NotSupported
from zoo.layers import arguments as checked

ONNX = "onnx"


class PaperModel(keras.Model):
    """A Keras model whose constructor takes the fields of its dataclass `Arguments`, by keyword.

    A model file declares each argument there, with its default and meaning. The model reads
    `self.arguments.width`, passes `self.arguments` to its layers and saves all of them; the
    registry's check reads the same fields. A model that extends another one inherits from its
    `Arguments` and adds its own:

        class Classifier(PaperModel):
            @dataclass(frozen=True, kw_only=True)
            class Arguments(LanguageModel.Arguments):
                classes: int  # number of labels
    """

    Arguments: Any
    arguments: Any
    #: names of the inputs of `call`, if these are a dict
    inputs_by_name: ClassVar[tuple[str, ...]] = ()
    #: number of axes of an input: batch and time, or batch, sequences and time
    axes: ClassVar[int] = 2

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__signature__ = inspect.signature(cls.Arguments)  # for `help`

    def __init__(self, **arguments: Any) -> None:
        """Keep the paper's arguments and give Keras the others: dtype, name."""
        names = inspect.signature(self.Arguments).parameters
        super().__init__(**{name: arguments[name] for name in arguments if name not in names})
        own = {name: _plain(arguments[name]) for name in arguments if name in names}
        self.arguments = self.Arguments(**own)
        checked.check(self.arguments)

    @property
    def parameter_count(self) -> int:
        """The number of parameters that training sets."""
        return sum(math.prod(variable.shape) for variable in self.trainable_variables)

    def get_config(self) -> dict:
        return {**super().get_config(), **vars(self.arguments)}

    def compile_from_config(self, config: dict) -> None:
        """Compile the model as the one in a `.keras` file was, with the zoo's losses and rates.

        Each registers itself with Keras when its module is imported, so one import, that of the
        model's own file, is enough to read such a file.
        """
        for module in _modules(config):
            importlib.import_module(module)
        super().compile_from_config(config)

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **options: Any,
    ) -> None:
        """Write what `call` computes, from ids to logits, for other programs.

        It is `keras.Model.export`, which learns the inputs from calls; a paper's model knows them.

        Args:
            format, verbose, options: see `keras.Model.export`.
            input_signature: shapes and dtypes of the inputs; None is int32 of any size.

        Raises:
            NotSupported: Keras cannot write this model in this format on this backend.
            BundleError: the disk refuses.
        """
        backend = keras.backend.backend()
        if backend == "torch" and input_signature is None:
            raise NotSupported(
                f"on PyTorch Keras writes '{format}' for inputs of one fixed size alone",
                f"give `input_signature` with whole shapes, or {ELSEWHERE}",
            )
        if backend == "jax" and format == "tf_saved_model":
            # Gradients through the loops of recurrent models cannot be written.
            options.setdefault("jax2tf_kwargs", {"with_gradient": False})
        signature = [self.specification()] if input_signature is None else input_signature
        try:
            super().export(filepath, format, verbose, signature, **options)
            if format == ONNX:
                _check_onnx(Path(filepath))
        except OSError as failure:
            raise BundleError(
                f"cannot write {filepath}: {failure.strerror or failure}",
                "free some space or choose another folder",
            ) from failure
        except Exception as failure:  # each format has a library of its own, with its own errors
            reason = next(iter(str(failure).strip().splitlines()), type(failure).__name__)
            raise NotSupported(
                f"Keras cannot write {type(self).__name__} as '{format}' on {backend}: {reason}",
                ELSEWHERE,
            ) from failure

    def specification(self) -> Any:
        """Return shape and dtype of the inputs of `call`, any batch and time."""

        def ids(name: str) -> keras.InputSpec:
            return keras.InputSpec(shape=(None,) * self.axes, dtype="int32", name=name)

        if not self.inputs_by_name:
            return ids("ids")
        return {name: ids(name) for name in self.inputs_by_name}


def _plain(value: Any) -> Any:
    """Return a number of NumPy as Python's, which Keras and a config need."""
    return value.item() if isinstance(value, np.generic) else value


def _modules(config: Any) -> Iterator[str]:
    """Yield the modules of this package that a config of Keras names."""
    if isinstance(config, dict):
        module = config.get("module")
        if isinstance(module, str) and module.startswith("zoo."):
            yield module
        config = list(config.values())
    if isinstance(config, (list, tuple)):
        for value in config:
            yield from _modules(value)


# What works where another format or backend does not.
ELSEWHERE = (
    "use `zoo export NAME DIR` with KERAS_BACKEND=tensorflow: its SavedModel takes texts, and the "
    "bundle is the same"
)


def _check_onnx(path: Path) -> None:
    """Raise if the file that Keras wrote is none, and remove it.

    Its converter writes loops of recurrent models with tensors of no type, without an error.
    """
    import onnx  # Keras' own converter needs it

    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception:
        path.unlink(missing_ok=True)
        raise
