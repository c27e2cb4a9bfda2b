"""RACE: questions on a passage, each with four answers (Lai et al. 2017).

A row of the hub, or a line of a .jsonl file in ZOO_DATA, is
{"article": text, "question": text, "options": [text, ...], "answer": "A"}.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.data.examples import Example
from zoo.data.readers import numbered_lines
from zoo.errors import DataError

LETTERS = "ABCDEFGH"


def read(path: Path) -> Iterator[Example]:
    """Yield ((passage and question, answers), place of the right answer from 0)."""
    for where, line in numbered_lines(path):
        try:
            yield example(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{where}: no article with a question, options and the letter of the answer",
                "check the corpus",
            ) from error


def example(row: Mapping[str, Any]) -> Example:
    """Return the example of a row; raise KeyError or ValueError for an invalid one."""
    answers = tuple(row["options"])
    place = LETTERS[: len(answers)].index(row["answer"])
    return Example((f"{row['article']}\n{row['question']}", answers), place)
