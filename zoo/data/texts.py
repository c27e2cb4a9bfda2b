"""Single texts, and pairs of them, by the name of their corpus, with labels where it has them.

In the folder that ZOO_DATA names, a corpus of texts is a sub-folder of its name with one file for
each split, gzipped or not: `train.txt` with a text or a line of one on each line, or `train.jsonl`.
The corpora of GLUE (zoo/data/glue.py) may also lie in its sub-folder glue.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from zoo.config.recipe import Data
from zoo.data import glue, race
from zoo.data.readers import find, read_lines
from zoo.errors import DataError, UnknownName, did_you_mean

# A text, or a tuple of two, and its label: "" where there is none, a float where it is a number.
Labelled = tuple[Any, Any]


@dataclass(frozen=True)
class Corpus:
    """How a corpus of texts lies on disk.

    Attributes:
        read: gives the texts and labels of a file.
        ending: of the files' names.
        splits: its own names of our splits, several where we put them together; "valid" is held
            out of "train" where it is not named.
        texts: the same for language models, which need no labels.
        inputs: what a row has: a "text", a "pair" of them, or a "question" with its answers.
        clean: what a text is after what its collectors left in it is taken out.
    """

    read: Callable[[Path], Iterable[Labelled]]
    ending: str = "txt"
    splits: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {each: (each,) for each in ("train", "valid", "test")}
    )
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    inputs: Literal["text", "pair", "question"] = "text"
    clean: Callable[[str], str] | None = None


def _lines(path: Path) -> Iterator[Labelled]:
    for line in read_lines(path):
        yield line, ""


def _json_lines(path: Path) -> Iterator[Labelled]:
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
        yield text, label


def _trec(path: Path) -> Iterator[Labelled]:
    """Yield questions with their coarse class, `DESC:manner How did ...`, in Latin-1."""
    for number, line in enumerate(read_lines(path, encoding="latin-1"), start=1):
        label, space, question = line.partition(" ")
        if not space or ":" not in label:
            raise DataError(
                f"{path.name}:{number}: no label before the question", "check the corpus"
            )
        yield question, label.partition(":")[0]


CORPORA = {
    "ptb": Corpus(_lines),
    "wikitext-2": Corpus(_lines),
    "wikitext-103": Corpus(_lines),
    "books": Corpus(_lines, splits={"train": ("train",)}),
    "imdb": Corpus(
        _json_lines,
        "jsonl",
        {"train": ("train",), "test": ("test",)},
        {"train": ("train", "unsup"), "test": ("test",)},
        clean=lambda text: text.replace("<br />", "\n"),
    ),
    "trec6": Corpus(_trec, splits={"train": ("train",), "test": ("test",)}),
    # Papers measure on its development set, so that it may not choose the epoch too.
    "sst2": Corpus(
        glue.sst2, "tsv", {"train": ("train",), "dev": ("dev",), "test": ("test-labeled",)}
    ),
    # What GLUE trains on lies in two files; its test labels were never published.
    "cola": Corpus(glue.cola, "tsv", {"train": ("train", "val"), "test": ("dev",)}),
    "rte": Corpus(glue.rte, "tsv", {"train": ("train", "val"), "test": ("dev",)}, inputs="pair"),
    "mrpc": Corpus(glue.mrpc, splits={"train": ("train",), "test": ("test",)}, inputs="pair"),
    "stsb": Corpus(
        glue.stsb, "csv", {"train": ("train",), "valid": ("dev",), "test": ("test",)}, inputs="pair"
    ),
    "race": Corpus(race.read, "jsonl", inputs="question"),
}
# What the hub calls splits whose files have other names; "" where it is part of another.
HUB = {"valid": "validation", "unsup": "unsupervised", "dev": "validation", "val": "",
       "test-labeled": "test"}  # fmt: skip


def load(
    data: Data, split: str, *, labelled: bool, seed: int = 0, folder: Path | None = None
) -> list[Labelled]:
    """Return texts and labels of one split, "train", "valid" or "test", in the corpus' order.

    `data.limit` keeps so many training rows, drawn by the seed, about equally many of each label.
    Where the corpus has no validation split, `data.validation` of the training rows that are left,
    drawn likewise, is held out.

    Args:
        labelled: with labels, else texts for a language model: labels are "", and the texts of a
            pair come one by one.
        folder: the corpus' own folder; None looks in ZOO_DATA, then on the hub.

    Raises:
        UnknownName: there is no such corpus.
        DataError: a file is missing or cannot be read, has no rows, a label that is not one of
            `data.labels`, or without those a label that is no number.
    """
    if data.corpus not in CORPORA:
        raise UnknownName(f"there is no corpus '{data.corpus}'", did_you_mean(data.corpus, CORPORA))
    corpus = CORPORA[data.corpus]
    splits = corpus.splits if labelled else corpus.texts or corpus.splits
    held = split == "valid" and "valid" not in splits
    if split not in splits and not held:
        raise DataError(f"{data.corpus} has no split '{split}'", f"it has {', '.join(splits)}")
    rows: list[Labelled] = []
    for name in splits["train" if held else split]:
        rows += _read(corpus, data, name, folder)
    if corpus.clean is not None:
        rows = [(corpus.clean(text), label) for text, label in rows]
    if not rows:
        raise DataError(f"{data.corpus} {split}: no rows", "check the corpus folder")
    if not labelled:
        rows = [(text, "") for given, _ in rows for text in each_text(given)]
    elif corpus.inputs != "question":
        for number, (_, label) in enumerate(rows, start=1):
            if data.labels and label not in data.labels:
                wrong = f"none of {', '.join(data.labels)}"
            elif not data.labels and not isinstance(label, float):
                wrong = "no number"
            else:
                continue
            raise DataError(
                f"{data.corpus} {split}, row {number}: the label '{label}' is {wrong}",
                "change data.labels",
            )
    if data.limit and (split == "train" or held) and data.limit < len(rows):
        classes = [str(label) if data.labels else "" for _, label in rows]
        rows = [rows[i] for i in drawn(classes, data.limit, seed)]
    if "valid" not in splits and split in ("train", "valid"):
        chosen = held_out(len(rows), data.validation, seed)
        rows = [row for row, out in zip(rows, chosen, strict=True) if out == held]
    return rows


def each_text(example: Any) -> Iterator[str]:
    """Yield the texts of an example: one, two, or a context and its answers."""
    if isinstance(example, str):
        yield example
    else:
        for part in example:
            yield from each_text(part)


def held_out(count: int, share: float, seed: int) -> np.ndarray:
    """Return which of `count` rows are for validation, bool [count]: at least one, not all."""
    chosen = np.zeros(count, dtype=bool)
    number = min(max(1, round(share * count)), count - 1)
    chosen[np.random.default_rng((seed, 0)).permutation(count)[:number]] = True
    return chosen


def drawn(labels: list[str], count: int, seed: int) -> list[int]:
    """Return the indices of `count` rows, in order, about equally many of each label.

    Smaller draws of one seed are part of larger ones.
    """
    generator = np.random.default_rng((seed, 1))
    order = generator.permutation(len(labels))
    turns: dict[str, int] = {}
    ranked = []
    for place, index in enumerate(order):
        turn = turns[labels[index]] = turns.get(labels[index], 0) + 1
        ranked.append((turn, place, int(index)))
    return sorted(index for _, _, index in sorted(ranked)[:count])


def articles(lines: Iterable[str]) -> list[str]:
    """Return WikiText's articles as texts, each with its lines joined by line breaks.

    " @-@ ", " @,@ " and " @.@ ", which stand for marks inside a word, become those marks, so that
    the texts are cut as other English is.
    """
    stripped = [line.strip() for line in lines]
    found: list[list[str]] = []
    for i, line in enumerate(stripped):
        if not line:
            continue
        # Rows of tables look like headings too, but no blank lines are around them.
        alone = not any(stripped[max(i - 1, 0) : i] + stripped[i + 1 : i + 2])
        if not found or (alone and _HEADING.fullmatch(line)):
            found.append([])
        found[-1].append(_MARK.sub(r"\1", line))
    return ["\n".join(each) for each in found]


_HEADING = re.compile(r"= [^=](?:.*[^=])? =")
_MARK = re.compile(r" @([-,.])@ ")


def inside(folder: Path, corpus: str) -> Path | None:
    """Return the folder of a corpus in a folder of corpora, None if it is not there."""
    places = (folder / corpus, folder / "glue" / corpus)
    return next((each for each in places if each.is_dir()), None)


def _read(corpus: Corpus, data: Data, name: str, folder: Path | None) -> Iterator[Labelled]:
    root = os.environ.get("ZOO_DATA")
    if folder is None and root:
        folder = inside(Path(root), data.corpus)
    if folder is not None and folder.is_dir():
        path = find(folder, f"{name}.{corpus.ending}")
        if path is None:
            raise DataError(f"{folder} has no {name}.{corpus.ending}", "see docs/data.md")
        yield from corpus.read(path)
    elif data.hub:
        yield from _from_hub(corpus, data, name)
    else:
        raise DataError(
            f"the corpus {data.corpus} is not here",
            f"set ZOO_DATA to a folder with {data.corpus}/ in it (see docs/data.md)",
        )


def _from_hub(corpus: Corpus, data: Data, name: str) -> Iterator[Labelled]:
    import datasets

    name = HUB.get(name, name)
    if not name:
        return
    try:
        rows = datasets.load_dataset(data.hub, data.hub_config, split=name, revision=data.revision)
        if corpus.inputs == "question":
            yield from map(race.example, rows)
            return
        column = next((each for each in ("label", "coarse_label") if each in rows.features), None)
        names = getattr(rows.features[column], "names", None) if column else None
        pair = corpus.inputs == "pair"
        wanted = ("sentence1", "sentence2") if pair else ("text", "sentence")
        found = [each for each in wanted if each in rows.features]
        for row in rows:
            label = row[column] if column else ""
            if not isinstance(label, float):
                label = names[label] if names and label in range(len(names)) else str(label)
            yield (row[found[0]], row[found[1]]) if pair else row[found[0]], label
    except Exception as error:  # the library raises many kinds; each means the same here
        raise DataError(
            f"{data.corpus} could not be fetched from the hub ({data.hub}): {error}",
            "set ZOO_DATA to a folder that holds it, or check the network",
        ) from error
