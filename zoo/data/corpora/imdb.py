"""IMDb's film reviews (Maas et al. 2011), one JSON object a line: {"text": ..., "label": "pos"}."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from zoo.data.examples import Example
from zoo.data.readers import read_lines
from zoo.errors import DataError


def read(path: Path) -> Iterator[Example]:
    """Yield reviews with their labels, "" where there is none."""
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, label = row["text"], row.get("label") or ""
            if not isinstance(text, str) or not isinstance(label, str):
                raise TypeError
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path.name}:{number}: no object with a 'text', and a 'label' if it has one",
                "check the corpus",
            ) from error
        yield Example(text, label)


def clean(text: str) -> str:
    """Return a review with line breaks in place of HTML's."""
    return text.replace("<br />", "\n")
