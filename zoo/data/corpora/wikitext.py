"""WikiText: join the lines of Wikipedia's articles.

Papers compare word-level perplexities line by line; for other tokenizers an article is one text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_HEADING = re.compile(r"= [^=](?:.*[^=])? =")
_MARK = re.compile(r" @([-,.])@ ")


def articles(lines: Iterable[str]) -> list[str]:
    """Join WikiText's lines into one text for each article.

    " @-@ ", " @,@ " and " @.@ ", marks inside a word, become those marks, so that the texts are
    tokenized as other English.
    """
    stripped = [line.strip() for line in lines]
    texts: list[list[str]] = []
    for i, line in enumerate(stripped):
        if not line:
            continue
        # Rows of tables look like headings too, but without blank lines around them.
        alone = not any(stripped[max(i - 1, 0) : i] + stripped[i + 1 : i + 2])
        if not texts or (alone and _HEADING.fullmatch(line)):
            texts.append([])
        texts[-1].append(_MARK.sub(r"\1", line))
    return ["\n".join(text) for text in texts]
