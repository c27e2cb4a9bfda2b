"""An answer that is a part of a context, as a model of questions gives it.

It is a dict, and shows itself as its text, on a terminal and in notebooks with what stands around.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.data.marked import HTML, TERMINAL

if TYPE_CHECKING:
    from rich.text import Text

AROUND = 100  # characters that are shown on each side of an answer


class Quoted(dict):
    """An answer {"text", "start", "end", "score"}: its text is context[start:end].

    Without an answer the text is "", and start and end are 0.

    Args:
        context: as the user gave it.
        values: the dict.
    """

    def __init__(self, context: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.context = context

    def __str__(self) -> str:
        text: str = self["text"]
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.context, dict(self))

    def _parts(self) -> tuple[str, str, str]:
        """Return what stands before the answer, the answer, and what stands after it."""
        start, end = self["start"], self["end"]
        before, after = self.context[:start], self.context[end:]
        if len(before) > AROUND:
            before = "…" + before[-AROUND:].partition(" ")[2]
        if len(after) > AROUND:
            after = after[:AROUND].rpartition(" ")[0] + "…"
        return before, self.context[start:end], after

    def rich(self) -> Text:
        """Return the answer in colour, with what stands around it; "no answer" without one."""
        from rich.text import Text

        if not self["text"]:
            return Text("no answer", style="dim")
        before, found, after = self._parts()
        return Text.assemble(
            (before, "dim"), (found, f"bold {TERMINAL[0]}"), (after, "dim"),
        )  # fmt: skip

    def _repr_html_(self) -> str:
        """Return the same as HTML, the answer in a box, for notebooks."""
        if not self["text"]:
            return "<div><i>no answer</i></div>"
        before, found, after = map(html.escape, self._parts())
        mark = (
            f'<mark style="background: {HTML[0]}; padding: 0.1em 0.3em; border-radius: 0.3em" '
            f'title="{self["score"]:.3f}">{found}</mark>'
        )
        return f'<div style="line-height: 2; white-space: pre-wrap">{before}{mark}{after}</div>'
