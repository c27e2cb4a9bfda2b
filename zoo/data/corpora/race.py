"""RACE: questions on a passage, each with four answers (Lai et al. 2017), as it lies on the hub.

A row is {"article": text, "question": text, "options": [text, ...], "answer": "A"}, in the folder
of ZOO_DATA one on each line of a .jsonl file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.data.examples import Example
from zoo.data.readers import read_lines
from zoo.errors import DataError

LETTERS = "ABCDEFGH"


def read(path: Path) -> Iterator[Example]:
    """Yield passage and question with the answers, and the right one's place from 0."""
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            try:
                yield example(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{path.name}:{number}: no article with a question, options and the letter of "
                    "the answer",
                    "check the corpus",
                ) from error


def example(row: Mapping[str, Any]) -> Example:
    """Return ((passage and question, answers), place) of a row; raises KeyError or ValueError."""
    answers = tuple(row["options"])
    place = LETTERS[: len(answers)].index(row["answer"])
    return Example((f"{row['article']}\n{row['question']}", answers), place)
