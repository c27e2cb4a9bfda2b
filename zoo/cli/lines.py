"""Files of texts line by line: one line of output for each line of input.

A line ends in a line feed, or a carriage return and a line feed; the last one may have no end. A
blank line gives a blank line. Outputs appear after each part of the file.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from zoo.config import tasks
from zoo.errors import (
    DataError,
    InputError,
    OptionError,
    PredictionError,
    ZooError,
    ZooWarning,
    counted,
)

PART = 256  # lines that go through the model before their outputs are written
LISTED = 10  # skipped lines that the summary names
NUMBERED = re.compile(r"\b(?:text|pair|question)(s?) (\d+(?:, \d+)*)( and \d+ more)?( \(of \d+\))?")

Answer = Callable[[list[Any], int], Iterable[Any]]  # of inputs, and the number of the part from 0


class Format(StrEnum):
    """How outputs are written."""

    text = "text"
    jsonl = "jsonl"


class OnError(StrEnum):
    """What follows a line that cannot be read."""

    stop = "stop"
    skip = "skip"


@dataclass(frozen=True)
class Line:
    """A line of a file: its number, and its input, None if it is blank or cannot be read."""

    number: int
    given: Any = None
    problem: ZooError | None = None


@dataclass
class Lines:
    """The lines of a file or of standard input.

    Attributes:
        name: the file's name for messages.
        raw: the lines as bytes.
    """

    name: str
    raw: Iterator[bytes] = field(default_factory=lambda: iter(()))

    def inputs(self, task: str | None) -> Iterator[Line]:
        """Yield each line as an input of a task; see `split`."""
        for number, raw in enumerate(self.raw, start=1):
            where = f"{self.name}:{number}"
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                text = text.removesuffix("\n").removesuffix("\r")
                yield Line(number, split(text, task, where) if text.strip() else None)
            except UnicodeDecodeError as error:
                byte = f"{error.object[error.start]:#04x}"
                yield Line(number, problem=DataError(
                    f"{where} is not UTF-8 (byte {byte})", "convert it with iconv"
                ))  # fmt: skip
            except DataError as problem:
                yield Line(number, problem=problem)


def open_lines(file: Path | None) -> Lines:
    """Open a file, or standard input.

    Raises:
        OptionError: no file is given, and standard input is a terminal.
        DataError: the file is missing, empty or of another kind than text.
    """
    if file is None and sys.stdin.isatty():
        raise OptionError("there is no text", 'write it after the name: zoo predict NAME "..."')
    if file is not None and not file.is_file():
        raise DataError(f"there is no file {file}", "look at the path after --file")
    from zoo.data.readers import byte_lines, check_kind

    name = file.name if file is not None else "standard input"
    raw = iter(sys.stdin.buffer) if file is None else byte_lines(file)
    first = next(raw, None)
    if first is None:
        raise DataError(f"{name}: no rows", "give one text a line")
    check_kind(first, name, raw)
    return Lines(name, itertools.chain([first], raw))


def read_context(path: Path) -> str:
    """Return the text of a file that questions are about.

    Raises:
        DataError: the file is missing, of another kind than text, or empty.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}", "look at the path after --context")
    from zoo.data.readers import read_lines

    text = "".join(read_lines(path, ends=True))
    if not text.strip():
        raise DataError(f"{path.name} is empty", "give a text that the questions are about")
    return text


def split(line: str, task: str | None, where: str) -> Any:
    """Split a line at its tabs into an input of a task.

    Args:
        task: None leaves the line whole.

    Raises:
        DataError: it has a wrong number of texts.
    """
    row = None if task is None else tasks.spec(task)
    if row is None or not row.parts:
        return line
    cells = line.split("\t")
    if len(cells) < 3 if row.input == "question" else len(cells) != 2:
        raise DataError(
            f"{where}: {counted(len(cells), 'column')}, expected {row.line}",
            "put a tab between two of them",
        )
    return (cells[0], cells[1:]) if row.input == "question" else tuple(cells)


def written(output: Any, form: Format) -> str:
    """Return an output as one line; None is a line without one.

    As text, line breaks become \\n, and several outputs of one input, or the numbers of a vector,
    are parted by tabs.
    """
    if hasattr(output, "tolist"):  # a vector: the shortest numbers that are read as the same
        output = [float(str(number)) for number in output]
    if form is Format.text and hasattr(output, "rich"):  # a marked text
        return _one_line(output)
    several = isinstance(output, list) and all(hasattr(each, "rich") for each in output)
    if form is Format.jsonl or (_holds_names(output) and not several):
        return json.dumps(output, ensure_ascii=False)
    if output is None:
        return ""
    if isinstance(output, list):
        return "\t".join(_one_line(each).replace("\t", "\\t") for each in output)
    return _one_line(output)


def show(output: Any, form: Format) -> None:
    """Print an output as one line; a marked text in colours on a terminal."""
    if form is Format.text and hasattr(output, "rich") and sys.stdout.isatty():
        from rich.console import Console

        Console(soft_wrap=True, highlight=False).print(output.rich())
    else:
        print(written(output, form))


def _holds_names(output: Any) -> bool:
    """Return whether an output is a dict, or a list of them."""
    if isinstance(output, list) and output:
        output = output[0]
    return isinstance(output, dict)


def _one_line(output: Any) -> str:
    return str(output).replace("\r\n", "\n").replace("\n", "\\n").replace("\r", "\\r")


def answer_all(
    lines: Lines, task: str | None, answer: Answer, form: Format, on_error: OnError
) -> list[Line]:
    """Print the output of each line; return the lines that are skipped.

    Args:
        task: splits a line into the parts of an input, see `split`.
        answer: gives the outputs of a list of inputs.

    Raises:
        DataError: a line cannot be read, and `on_error` is stop; those before it are printed.
    """
    skipped: list[Line] = []
    total, printed = 0, False
    inputs = lines.inputs(task)
    for number in itertools.count():
        part = list(itertools.islice(inputs, PART))
        if not part:
            break
        stop = on_error is OnError.stop
        if stop:  # what comes after a line that cannot be read is not worth the time
            bad = next((i for i, line in enumerate(part) if line.problem is not None), None)
            part = part if bad is None else part[: bad + 1]
        outputs = _outputs(part, answer, number, stop)
        total += len(part)
        for line in part:
            problem = line.problem
            output = outputs.get(line.number)
            if isinstance(output, ZooError):
                problem, output = output, None
            if problem is not None and stop:
                sys.stdout.flush()
                raise _located(problem, lines.name, line.number, printed)
            if problem is not None:
                skipped.append(Line(line.number, problem=problem))
            show(output, form)
            printed = printed or output is not None
        sys.stdout.flush()
    wrong = [line.problem for line in skipped if isinstance(line.problem, OptionError)]
    if wrong and not printed:  # then the option is wrong for all lines
        raise wrong[0]
    if skipped:
        print(_summary(lines.name, skipped, total), file=sys.stderr)
    return skipped


def _outputs(part: Sequence[Line], answer: Answer, number: int, stop: bool) -> dict[int, Any]:
    """Return the output, or the error, of each line with an input, by its number.

    Args:
        number: the number of the part.
        stop: leave out what comes after an error.
    """
    lines = [line for line in part if line.given is not None]
    if not lines:
        return {}
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ZooWarning)
            found = list(answer([line.given for line in lines], number))
    except (InputError, OptionError, PredictionError) as error:
        if isinstance(error, PredictionError) and "weight" in error.message:
            raise  # then no line has an output
        if len(lines) == 1:
            return {lines[0].number: error}
        half = len(lines) // 2
        first = _outputs(lines[:half], answer, number, stop)
        if stop and any(isinstance(output, ZooError) for output in first.values()):
            return first
        return first | _outputs(lines[half:], answer, number, stop)
    for warning in caught:
        if issubclass(warning.category, ZooWarning):
            warnings.warn(_numbered(str(warning.message), lines), ZooWarning, stacklevel=2)
    return dict(zip((line.number for line in lines), found, strict=True))


def _numbered(message: str, lines: Sequence[Line]) -> str:
    """Return a message about inputs by their numbers as one about lines by theirs."""
    if len(lines) == 1:
        return f"line {lines[0].number}: {message}"

    def line(found: re.Match[str]) -> str:
        places = [int(place) - 1 for place in found[2].split(", ")]
        if max(places) >= len(lines):
            return found[0]
        numbers = ", ".join(str(lines[place].number) for place in places)
        return f"line{found[1]} {numbers}{found[3] or ''}"

    return NUMBERED.sub(line, message)


def _located(problem: ZooError, name: str, number: int, printed: bool) -> ZooError:
    """Return an error of a line with the line's place."""
    if isinstance(problem, DataError) or (isinstance(problem, OptionError) and not printed):
        return problem
    return DataError(
        _at(name, number, problem.message),
        f"{problem.hint}; --on-error skip leaves such lines out".removeprefix("; "),
    )


def _at(name: str, number: int, message: str) -> str:
    """Return a message with the place of its line before it."""
    place = f"{name}:{number}"
    return message if message.startswith(place) else f"{place}: {message}"


def _summary(name: str, skipped: Sequence[Line], total: int) -> str:
    shown = [
        f"  {_at(name, line.number, line.problem.message)}"
        for line in skipped[:LISTED]
        if line.problem is not None
    ]
    more = len(skipped) - len(shown)
    return "\n".join(
        [
            f"warning: {len(skipped):,} of {counted(total, 'line')} skipped, without an output",
            *shown,
            *([f"  and {more:,} more"] if more else []),
        ]
    )
