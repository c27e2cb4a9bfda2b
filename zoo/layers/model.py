"""The base of every paper's model, which declares its arguments once."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any, ClassVar

import keras


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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__signature__ = inspect.signature(cls.Arguments)  # for `help`

    def __init__(self, **arguments: Any) -> None:
        """Keep the paper's arguments and give Keras the others: dtype, name."""
        names = inspect.signature(self.Arguments).parameters
        super().__init__(**{name: arguments[name] for name in arguments if name not in names})
        own = {name: arguments[name] for name in arguments if name in names}
        self.arguments = self.Arguments(**own)

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
