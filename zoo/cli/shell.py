"""What a shell needs beside the verbs: texts in; messages of errors, warnings; a quiet start."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

import typer

from zoo.config import tasks
from zoo.errors import (
    DataError,
    NotSupported,
    OptionError,
    UnknownName,
    ZooError,
    ZooWarning,
    counted,
    did_you_mean,
)

BACKENDS = ("tensorflow", "jax", "torch")

# typer has no public name for the parent of all usage errors, but for one of its children.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def import_keras() -> None:
    """Import Keras and its backend without the lines that TensorFlow's libraries write meanwhile.

    They write to the file descriptor itself, before any setting of theirs is read. If the import
    fails, what they wrote is shown after all.
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


def read_texts(given: list[str], file: Path | None) -> list[str]:
    """Return the texts of the command line, of a file or of standard input.

    Raises:
        OptionError: both are given, or there is nothing.
        DataError: there is no such file, it is not UTF-8, it is empty or a line is.
    """
    if given and file is not None:
        raise OptionError("both TEXT and --file are given", "give one of them")
    if given:
        return given
    if file is None and sys.stdin.isatty():
        raise OptionError("there is no text", 'write it after the name: zoo predict NAME "..."')
    from zoo.data.readers import read_lines

    if file is not None and not file.is_file():
        raise DataError(f"there is no file {file}", "look at the path after --file")
    texts = list(read_lines(file)) if file is not None else _standard_input()
    place = file.name if file is not None else "standard input"
    if not texts:
        raise DataError(f"{place}: no rows", "give one text a line")
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise DataError(f"{place}:{number} is empty", "take the empty lines out")
    return texts


def split_columns(lines: list[str], task: str, file: Path | None) -> list[Any]:
    """Return a task's inputs of lines, in which tabs part the texts of one input.

    Raises:
        DataError: a line has not as many texts as the task needs.
    """
    row = tasks.spec(task)
    if not row.parts:
        return list(lines)
    found: list[Any] = []
    for number, line in enumerate(lines, start=1):
        cells = line.split("\t")
        if len(cells) < 3 if row.input == "question" else len(cells) != 2:
            where = f"{file.name}:{number}" if file is not None else f"text {number}"
            raise DataError(
                f"{where}: {counted(len(cells), 'column')}, expected {row.line}",
                "put a tab between two of them",
            )
        found.append((cells[0], cells[1:]) if row.input == "question" else tuple(cells))
    return found


def check_data(data: Path | None) -> None:
    """Raise DataError if there is nothing at the path that --data names."""
    if data is not None and not data.exists():
        raise DataError(f"there is no file or folder {data}", "look at the path after --data")


def _standard_input() -> list[str]:
    lines = sys.stdin.buffer.read().splitlines()
    try:
        return [line.decode("utf-8") for line in lines]
    except UnicodeDecodeError as failure:
        number = lines.index(failure.object) + 1
        raise DataError(f"standard input:{number} is not UTF-8", "convert it with iconv") from None


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Take the place of `warnings.showwarning`: our own warnings become one message each."""
    if issubclass(category, ZooWarning):
        print(f"warning: {message}", file=sys.stderr)
    # Other libraries' warnings are for developers, and a shell's user cannot act on them.


_NEXT = {
    errno.ENOENT: "look at the path; a folder that is to hold it must exist",
    errno.EACCES: "choose another place, or change who may write there",
    errno.EROFS: "choose another place",
    errno.ENOSPC: "free some space or choose another disk",
}


def _suggest(failure: Exception) -> ZooError:
    """Return typer's usage error as one of ours, with what was probably meant."""
    message = str(failure.format_message())  # type: ignore[attr-defined]
    context = getattr(failure, "ctx", None)
    command = context.command_path if context is not None else "zoo"
    option = getattr(failure, "option_name", None)
    if option and context is not None:
        known = [flag for each in context.command.params for flag in each.opts if flag[:1] == "-"]
        return OptionError(f"{command} has no option '{option}'", did_you_mean(option, known))
    if message.startswith("No such command") and context is not None:
        name = message.split("'")[1]
        known = context.command.list_commands(context)
        return UnknownName(f"{command} has no command '{name}'", did_you_mean(name, known))
    return OptionError(message, f"`{command} --help` shows how to write it")


def explain(failure: Exception) -> str:
    """Return the one message that a shell's user gets for an exception."""
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
