"""The one progress bar, drawn on a terminal and nowhere else; rich is imported only to draw it."""

from __future__ import annotations

import sys
from typing import TextIO


class Bar:
    """Shows how far something is while its `with` block runs; removed from the screen afterwards.

    Args:
        text: what is going on, shown before the bar.
        total: of what `show` counts.
        stream: where to draw, if that is a terminal; None is stderr.
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
        """Redraw the bar: so much is done, and this is going on."""
        if self._drawn is not None:
            self._drawn.update(self._task, completed=done, description=text)

    def say(self, line: str) -> None:
        """Write a line that stays, above the bar if there is one."""
        if self._drawn is not None:
            self._drawn.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=self.stream, flush=True)
