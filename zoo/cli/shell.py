"""Helpers of the shell: reading texts, messages for errors and warnings, a quiet start."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from zoo import hub
from zoo.cli import lines
from zoo.config import recipe as recipes
from zoo.errors import (
    DataError,
    NotSupported,
    OptionError,
    UnknownName,
    ZooError,
    ZooWarning,
    did_you_mean,
)

if TYPE_CHECKING:
    from zoo.pretrained import Pretrained

BACKENDS = ("tensorflow", "jax", "torch")

# The base class of typer's usage errors has no public name, but this subclass has.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def print_table(rows: Sequence[tuple[str, ...]], right: tuple[int, ...]) -> None:
    """Print rows of cells in aligned columns, those of the numbers `right` on the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def import_keras() -> None:
    """Import Keras and its backend without the lines that TensorFlow's libraries write meanwhile.

    They write to the file descriptor itself, before reading any settings. If the import fails,
    their lines are shown after all.
    """
    if "keras" in sys.modules:
        return
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend not in BACKENDS:
        raise OptionError(
            f"KERAS_BACKEND names no backend: '{backend}'", did_you_mean(backend, BACKENDS)
        )
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            importlib.import_module("keras")
        except ModuleNotFoundError as failure:
            hint = f"pip install {failure.name}, or choose another KERAS_BACKEND"
            raise NotSupported(f"{failure.name} is not installed", hint) from failure
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def parse_changes(assignments: list[str] | None) -> dict[str, Any]:
    return dict(map(recipes.assignment, assignments or []))


def load_recipe(name: str, assignments: list[str] | None, smoke: bool) -> recipes.Recipe:
    """Return a recipe with [smoke] applied first, then --set."""
    recipe = recipes.load(name)
    return (recipe.smoke() if smoke else recipe).changed(parse_changes(assignments))


def split_columns(texts: list[str], task: str, file: Path | None) -> list[Any]:
    """Split texts at tabs into a task's inputs; raise DataError for a wrong number of texts."""
    place = f"{file.name}:" if file is not None else "text "
    return [lines.split(text, task, f"{place}{i}") for i, text in enumerate(texts, start=1)]


def check_data(data: Path | None) -> None:
    """Raise DataError if the path after --data does not exist."""
    if data is not None and not data.exists():
        raise DataError(f"there is no file or folder {data}", "look at the path after --data")


def load(name: str, dtype: str | None = None) -> Pretrained:
    """Load a model; report a wrong name before Keras is imported, which takes seconds."""
    folder = hub.find(name)
    import_keras()
    from zoo import pretrained

    return pretrained.load(folder, dtype=dtype)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Replace `warnings.showwarning`: each of our own warnings becomes one message."""
    if issubclass(category, ZooWarning):
        print(f"warning: {message}", file=sys.stderr)
    # Other libraries' warnings are for developers: a shell's user cannot act on them.


_NEXT = {
    errno.ENOENT: "look at the path; a folder that is to hold it must exist",
    errno.EACCES: "choose another place, or change who may write there",
    errno.EROFS: "choose another place",
    errno.ENOSPC: "free some space or choose another disk",
}


def _suggest(failure: Exception) -> ZooError:
    """Return typer's usage error as one of ours, suggesting a similar name."""
    message = str(failure.format_message())  # type: ignore[attr-defined]
    context = getattr(failure, "ctx", None)
    command = context.command_path if context is not None else "zoo"
    option = getattr(failure, "option_name", None)
    if option and context is not None:
        names = [
            flag for option in context.command.params for flag in option.opts if flag[:1] == "-"
        ]
        return OptionError(f"{command} has no option '{option}'", did_you_mean(option, names))
    if message.startswith("No such command") and context is not None:
        name = message.split("'")[1]
        names = context.command.list_commands(context)
        return UnknownName(f"{command} has no command '{name}'", did_you_mean(name, names))
    return OptionError(message, f"`{command} --help` shows how to write it")


def explain(failure: Exception) -> str:
    """Return the one message that a shell's user sees for an exception."""
    if isinstance(failure, ZooError):
        return str(failure)
    if isinstance(failure, _UsageError):
        return str(_suggest(failure))
    if isinstance(failure, OSError):
        place = f"{failure.filename}: " if failure.filename else ""
        hint = _NEXT.get(failure.errno or 0, "")
        return f"{place}{failure.strerror or failure}" + (f"\n  {hint}" if hint else "")
    return (
        f"{type(failure).__name__}: {failure}\n"
        "  this is not expected; the same command with --debug shows where it happened"
    )
