"""Running text under headings: novels and textbooks, one work or chapter after the other."""

from __future__ import annotations

import re
from collections.abc import Iterable

# "= Women in love =", and not "== Chapter I ==", which is a part of a text.
_TITLE = re.compile(r"= [^=](?:.*[^=])? =")


def titled(lines: Iterable[str]) -> list[str]:
    """Return the texts whose lines these are: one begins at each title, which is its first line."""
    texts: list[list[str]] = []
    for line in map(str.strip, lines):
        if not line:
            continue
        if not texts or _TITLE.fullmatch(line):
            texts.append([])
        texts[-1].append(line)
    return ["\n".join(text) for text in texts]
