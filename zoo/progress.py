"""A progress bar, drawn on terminals only; rich is imported only to draw it."""

from __future__ import annotations

import sys
from typing import TextIO


def say(line: str, stream: TextIO | None = None) -> None:
    """Write a line of progress; None is stderr."""
    print(line, file=stream or sys.stderr, flush=True)


class Bar:
    """Shows progress while its `with` block runs, and disappears afterwards.

    Args:
        text: shown before the bar.
        total: the value of `done` at the end.
        stream: where to draw, if it is a terminal; None is stderr.
    """

    def __init__(self, text: str, total: int, stream: TextIO | None = None) -> None:
        self.text = text
        self.total = total
        self.stream = stream or sys.stderr

    def __enter__(self) -> Bar:
        self._drawn = None
        if self.stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
            from rich.progress import TimeRemainingColumn as Remaining

            text = TextColumn("{task.description}", markup=False)
            columns = (text, BarColumn(), MofNCompleteColumn(), Remaining())
            console = Console(file=self.stream)
            self._drawn = Progress(*columns, console=console, transient=True)
            self._task = self._drawn.add_task(self.text, total=self.total)
            self._drawn.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._drawn is not None:
            self._drawn.stop()

    def show(self, done: int, text: str | None = None) -> None:
        """Redraw the bar at `done`, with a new text if given."""
        if self._drawn is not None:
            self._drawn.update(self._task, completed=done, description=text)

    def say(self, line: str) -> None:
        """Write a permanent line, above a drawn bar."""
        if self._drawn is not None:
            self._drawn.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            say(line, self.stream)
