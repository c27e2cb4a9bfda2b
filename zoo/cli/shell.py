"""Helpers of the shell: reading texts, messages for errors and warnings."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from zoo import hub
from zoo.cli import lines
from zoo.config import recipe as recipes
from zoo.errors import (
    DataError,
    OptionError,
    UnknownName,
    ZooError,
    ZooWarning,
    did_you_mean,
    unwritable,
)
from zoo.starting import import_keras as import_keras  # for the commands

if TYPE_CHECKING:
    from zoo.pretrained import Pretrained

# The name of the argument that is free text, in all commands that take one.
TEXT = "text"

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


def parse_changes(assignments: list[str] | None) -> dict[str, Any]:
    return dict(map(recipes.assignment, assignments or []))


def load(name: str, dtype: str | None = None) -> Pretrained:
    """Load a model; report a wrong name before Keras is imported, which takes seconds."""
    folder = hub.find(name)
    import_keras()
    from zoo import loading

    return loading.load(name, dtype=dtype, found=folder)


def load_recipe(
    name: str, assignments: list[str] | None, smoke: bool, data: Path | None = None
) -> recipes.Recipe:
    """Return a recipe with [smoke] applied first, then --data, then --set."""
    recipe, changes = recipes.load(name), parse_changes(assignments)
    recipe = recipe.smoke() if smoke else recipe
    if data is None:
        return recipe.changed(changes)
    check_data(data)
    import_keras()
    from zoo.training.own_data import with_data

    return with_data(recipe, data, changes)


def check_arguments(words: Sequence[str]) -> None:
    """Raise OptionError for an argument that is not text in the encoding of the shell."""
    for number, word in enumerate(words, start=1):
        if unwritable(word):
            raise OptionError(
                f"argument {number} is not {sys.getfilesystemencoding().upper()}: {word!r}",
                "set the terminal to UTF-8, rename the file, or convert the texts with iconv and "
                "give them by --file",
            )


def split_columns(texts: list[str], task: str | None, file: Path | None) -> list[Any]:
    """Split texts at tabs into a task's inputs, none if `task` is None.

    Raises:
        DataError: a wrong number of texts.
    """
    place = f"{file.name}:" if file is not None else "text "
    return [lines.split(text, task, f"{place}{i}") for i, text in enumerate(texts, start=1)]


def check_data(data: Path | None) -> None:
    """Raise DataError if the path after --data does not exist."""
    if data is not None and not data.exists():
        raise DataError(f"there is no file or folder {data}", "look at the path after --data")


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
        hint = did_you_mean(option, names)
        return OptionError(f"{command} has no option '{option}'", hint + _dashed(context))
    if message.startswith("No such command") and context is not None:
        name = message.split("'")[1]
        names = context.command.list_commands(context)
        return UnknownName(f"{command} has no command '{name}'", did_you_mean(name, names))
    missing = getattr(failure, "param", None)
    dashed = _dashed(context) if missing is not None and missing.name == TEXT else ""
    return OptionError(message, f"`{command} --help` shows how to write it{dashed}")


def _dashed(context: Any) -> str:
    """Return what to do with a text that looks like an option, "" if the command takes no text."""
    if not any(parameter.name == TEXT for parameter in context.command.params):
        return ""
    return (
        f'\n  a text that begins with - comes after --: {context.command_path} NAME -- "- Hello."'
    )


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
    if isinstance(failure, UnicodeEncodeError) and failure.encoding == sys.stdout.encoding:
        shown = failure.object[failure.start]
        return (
            f"standard output is {failure.encoding} and cannot hold {shown!a}\n"
            "  set PYTHONIOENCODING=utf-8"
        )
    return (
        f"{type(failure).__name__}: {failure}\n"
        "  this is not expected; the same command with --debug shows where it happened"
    )
