"""The progress bar: on a terminal, gone afterwards, and lines that stay."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from zoo.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_only_lines_are_written():
    stream = io.StringIO()
    with Bar("reading", 20, stream) as bar:
        bar.show(10)
        bar.say("step 10/20  [loss] 1.5")
    assert stream.getvalue() == "step 10/20  [loss] 1.5\n"


def test_a_terminal_shows_a_bar_that_is_gone_afterwards(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Bar("training", 20, stream) as bar:
        bar.show(10, "training  loss [1.5]")
        bar.say("step 10/20  " + "loss 1.5  " * 20)
    drawn = stream.getvalue()
    assert "training  loss [1.5]" in drawn
    assert "10/20" in drawn
    assert "step 10/20  " + "loss 1.5  " * 20 in drawn  # not broken into lines
    assert drawn.rindex("\x1b[2K") > drawn.rindex("training")  # erased
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")  # the cursor is back


def test_an_error_brings_the_cursor_back(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with pytest.raises(KeyboardInterrupt), Bar("reading", 20, stream):
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


def test_rich_is_imported_only_to_draw():
    code = (
        "import sys\nfrom zoo.progress import Bar\n"
        "with Bar('reading', 2) as bar: bar.show(1)\nprint('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
