"""Corpora of one file, cut into their splits here: names and tinyshakespeare."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from zoo.config.recipe import Data
from zoo.data.corpora.corpus import Corpus
from zoo.data.examples import Example

SHARES = {"train": (0.0, 0.8), "valid": (0.8, 0.9), "test": (0.9, 1.0)}


def names(lines: list[str], split: str) -> list[str]:
    """Return a split of makemore's names as its lectures cut them: shuffled by seed 42, 80/10/10.

    182,625, 22,655 and 22,866 letters and ends.
    """
    shuffled = list(lines)
    random.Random(42).shuffle(shuffled)
    first, last = (int(share * len(shuffled)) for share in SHARES[split])
    return shuffled[first:last]


def shakespeare(lines: list[str], split: str) -> list[str]:
    """Return the speeches of a split of char-rnn's Shakespeare: 90, 5 and 5 % of the characters.

    Speeches are parted by empty lines. Each keeps one of its two line breaks; the other is what a
    language model reads at the end of a text.
    """
    text = "\n".join(lines) + "\n"
    bounds = [0, int(len(text) * 0.9), int(len(text) * 0.95), len(text)]
    at = list(SHARES).index(split)
    speeches = text[bounds[at] : bounds[at + 1]].strip("\n").split("\n\n")
    return [f"{speech}\n" for speech in speeches[:-1]] + speeches[-1:]


@dataclass(frozen=True)
class Cut(Corpus):
    """A corpus of one file of texts.

    Attributes:
        cut: takes the file's lines and a split's name, returns the split's texts.
        file: the file's name.
    """

    cut: Callable[[list[str], str], list[str]] = names
    file: str = "names"

    def read_folder(self, folder: Path, name: str, data: Data) -> Iterable[Example]:
        lines = [text for text, _ in super().read_folder(folder, self.file, data)]
        return map(Example, self.cut(lines, name))
