"""A text with its words tagged, or with its entities marked, as a tagger answers.

It is a list of dicts, and shows itself as a line of text, in colours on a terminal, and as HTML in
notebooks.
"""

from __future__ import annotations

import html
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

# Colours on terminals, and behind them in HTML, by the kind of entity or tag, always the same.
TERMINAL = ("cyan", "magenta", "green", "yellow", "blue", "red", "bright_cyan", "bright_magenta")
HTML = (
    "#a6e1fa", "#f7b2d9", "#b7e4c7", "#ffe08a", "#b8c0ff", "#ffb4a2", "#9bf6e3", "#e2c6ff",
)  # fmt: skip
USUAL = ("PER", "ORG", "LOC", "MISC", "NOUN", "VERB", "ADJ", "PROPN")


class Marked(list):
    """The entities of a text, or its words if their tags mark no entities.

    An entity is {"label", "text", "start", "end", "score"}: its text is text[start:end], its score
    the mean of its words' probabilities. A word is {"word", "tag", "start", "end", "score"}.

    Args:
        text: as the user gave it; words that were given as such, with a blank between two.
        words: all words.
        entities: the entities; None if tags mark none.

    Attributes:
        text, words: as given.
    """

    def __init__(
        self,
        text: str,
        words: Sequence[dict[str, Any]],
        entities: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(words if entities is None else entities)
        self.text = text
        self.words = list(words)
        self._plain = entities is None

    def __str__(self) -> str:
        """Return "[PER Ada] met [PER Bob]." as CoNLL's task wrote it, or "Ada/PROPN met/VERB"."""
        if self._plain:
            return " ".join(f"{each['word']}/{_label(each)}" for each in self)
        parts = self._parts()
        return "".join(
            part if span is None else f"[{span['label']} {part}]" for part, span in parts
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.text, self.words, None if self._plain else [*self])

    def _parts(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Yield the parts of the text in order, each with its entity or word, or None."""
        at = 0
        for span in self:
            if span["start"] > at:
                yield self.text[at : span["start"]], None
            yield self.text[span["start"] : span["end"]], span
            at = span["end"]
        if at < len(self.text):
            yield self.text[at:], None

    def rich(self) -> Text:
        """Return the text with its entities, or words, in colours, each with its label after it."""
        from rich.text import Text

        shown = Text()
        for part, span in self._parts():
            if span is None:
                shown.append(part)
                continue
            label = _label(span)
            colour = TERMINAL[_number(label)]
            shown.append(part, style=f"bold {colour}")
            shown.append(f" {label}", style=f"dim {colour}")
        return shown

    def _repr_html_(self) -> str:
        """Return the text with each entity or word in a box that names it, for notebooks."""
        parts = []
        for part, span in self._parts():
            escaped = html.escape(part)
            if span is None:
                parts.append(escaped)
                continue
            label = _label(span)
            parts.append(
                f'<mark style="background: {HTML[_number(label)]}; padding: 0.1em 0.3em; '
                f'border-radius: 0.3em" title="{span["score"]:.3f}">{escaped} '
                f"<small><b>{html.escape(label)}</b></small></mark>"
            )
        return f'<div style="line-height: 2; white-space: pre-wrap">{"".join(parts)}</div>'


def _label(span: dict[str, Any]) -> str:
    first, second, *_ = span.values()
    label: str = first if "label" in span else second
    return label


def _number(label: str) -> int:
    """Return the number of a label's colour."""
    if label in USUAL:
        return USUAL.index(label)
    return zlib.crc32(label.encode()) % len(TERMINAL)
