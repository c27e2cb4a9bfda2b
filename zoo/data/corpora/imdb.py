"""IMDb's film reviews (Maas et al. 2011), one JSON object a line: {"text": ..., "label": "pos"}."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from zoo.data.examples import Example
from zoo.data.readers import numbered_lines
from zoo.errors import DataError


def read(path: Path) -> Iterator[Example]:
    """Yield reviews with their labels, "" without a label."""
    for where, line in numbered_lines(path):
        try:
            row = json.loads(line)
            text, label = row["text"], row.get("label") or ""
            if not isinstance(text, str) or not isinstance(label, str):
                raise TypeError
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{where}: no object with a 'text', and a 'label' if it has one",
                "check the corpus",
            ) from error
        yield Example(text, label)


def clean(text: str) -> str:
    """Replace HTML's line breaks in a review."""
    return text.replace("<br />", "\n")
