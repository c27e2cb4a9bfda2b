"""WikiText: articles of Wikipedia, a line at a time, put together.

Word-level perplexities are compared line by line; for other tokenizers an article is one text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_HEADING = re.compile(r"= [^=](?:.*[^=])? =")
_MARK = re.compile(r" @([-,.])@ ")


def articles(lines: Iterable[str]) -> list[str]:
    """Return WikiText's articles as texts, each with its lines joined by line breaks.

    " @-@ ", " @,@ " and " @.@ ", which stand for marks inside a word, become those marks, so that
    the texts are cut as other English is.
    """
    stripped = [line.strip() for line in lines]
    texts: list[list[str]] = []
    for i, line in enumerate(stripped):
        if not line:
            continue
        # Rows of tables look like headings too, but no blank lines are around them.
        alone = not any(stripped[max(i - 1, 0) : i] + stripped[i + 1 : i + 2])
        if not texts or (alone and _HEADING.fullmatch(line)):
            texts.append([])
        texts[-1].append(_MARK.sub(r"\1", line))
    return ["\n".join(text) for text in texts]
