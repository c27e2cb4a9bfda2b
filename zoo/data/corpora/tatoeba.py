"""Tatoeba's English and French sentences, split by a rule on the English ones.

Its folder holds the three splits as tables, or the public file fra.txt, which the rule splits; on
the hub it is one split.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from zoo.config.recipe import Data
from zoo.data.corpora.corpus import from_hub
from zoo.data.corpora.parallel import Parallel, read_table
from zoo.data.examples import Example, sentence_key
from zoo.data.readers import find


@dataclass(frozen=True)
class Tatoeba(Parallel):
    """The corpus in one file or in splits."""

    columns: tuple[str, ...] = ("en", "fr")

    def read_folder(self, folder: Path, name: str, data: Data) -> Iterable[Example]:
        whole = find(folder, "fra.txt")
        if whole is not None and find(folder, f"{name}.tsv") is None:
            return self.oriented(split_tatoeba(read_table(whole), name), data)
        return super().read_folder(folder, name, data)

    def fetch(self, data: Data, name: str) -> Iterable[Example]:
        pairs = from_hub(
            data, "train", lambda rows: self.translations(rows, data), streaming=bool(data.limit)
        )
        return self.oriented(split_tatoeba(pairs, name), data)


def tatoeba_split(english: str) -> str:
    """Return the split of an English sentence: train, valid, test or aside.

    The sentence is lower-cased, every run of non-word characters becomes one space, and the
    ends are stripped; its sha256 as an integer modulo 1000 decides: 0 to 9 valid, 10 to 24 test,
    25 to 39 aside, else train. So all translations of a sentence are in one split.
    """
    number = int(hashlib.sha256(sentence_key(english).encode()).hexdigest(), 16) % 1000
    if number < 10:
        return "valid"
    if number < 25:
        return "test"
    return "aside" if number < 40 else "train"


def split_tatoeba(pairs: Iterable[tuple[str, str]], split: str) -> list[Example]:
    """Return the distinct pairs of one split of the public English-French file.

    No-break spaces before French punctuation become plain ones, as in the training corpus of the
    shipped weights.
    """
    clean = (Example(english.strip(), _plain_spaces(french)) for english, french in pairs)
    return [pair for pair in dict.fromkeys(clean) if tatoeba_split(pair[0]) == split]


def _plain_spaces(text: str) -> str:
    return re.sub("[\u00a0\u202f]", " ", text).strip()
