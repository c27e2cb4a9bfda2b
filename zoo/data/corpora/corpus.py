"""Read a split of a corpus from disk or from the hub.

In the folder that ZOO_DATA names, a corpus is a folder NAME or glue/NAME with one file for each
split, gzipped or not. On the hub it is a dataset.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zoo.config.recipe import Data
from zoo.data.examples import Example, drawn, each_text, held_out
from zoo.data.readers import find, read_lines
from zoo.errors import DataError

# Splits that have other names on the hub; "" is part of another one.
HUB_SPLITS = {
    "valid": "validation", "unsup": "unsupervised", "dev": "validation", "val": "",
    "test-labeled": "test",
}  # fmt: skip


def lines(path: Path) -> Iterator[Example]:
    """Yield each line of a file as a text."""
    return map(Example, read_lines(path))


@dataclass(frozen=True)
class Corpus:
    """A corpus of texts, of pairs of texts or of questions, with or without labels.

    Attributes:
        read_file: reads the examples of a file.
        ending: ending of the files' names.
        splits: the corpus' own names of the zoo's splits, several to join them; without "valid",
            validation rows are held out of "train".
        texts: the same for language models, which need no labels.
        rows: the content of a row.
        clean: cleans a text.
        read_row: reads a row of the hub; None looks for the usual columns.
        join: joins lines into whole texts, for tokenizers that do not read line by line.
        together: what the examples have in common that are held out together, if anything.
        stream: whether its texts follow each other as one, so that perplexity is measured on them
            without a break, as papers do.
    """

    read_file: Callable[[Path], Iterable[Example]] = lines
    ending: str = "txt"
    splits: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {name: (name,) for name in ("train", "valid", "test")}
    )
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: Literal["text", "pair", "question", "words", "span", "translation"] = "text"
    clean: Callable[[str], str] | None = None
    read_row: Callable[[Mapping[str, Any]], Example] | None = None
    join: Callable[[Iterable[str]], list[str]] | None = None
    together: Callable[[Example], Hashable] | None = None
    stream: bool = False

    def load(
        self, data: Data, split: str, *, labelled: bool, seed: int, folder: Path | None
    ) -> list[Example]:
        """Load one split; see `zoo.data.corpora.load`."""
        splits = self.splits if labelled else self.texts or self.splits
        from_train = split == "valid" and "valid" not in splits
        if split not in splits and not from_train:
            raise DataError(f"{data.corpus} has no split '{split}'", f"it has {', '.join(splits)}")
        rows: list[Example] = []
        for name in splits["train" if from_train else split]:
            rows += self.read(data, name, folder)
        if self.clean is not None:
            rows = [Example(self.clean(text), label) for text, label in rows]
        if not rows:
            raise DataError(f"{data.corpus} {split}: no rows", "check the corpus folder")
        if not labelled:
            rows = [Example(text) for given, _ in rows for text in each_text(given)]
        elif self.rows not in ("question", "words", "span"):
            check_labels(data, split, rows)
        if data.limit and (split == "train" or from_train) and data.limit < len(rows):
            named = bool(data.labels) and self.rows != "words"
            classes = [str(label) if named else "" for _, label in rows]
            rows = [rows[i] for i in drawn(classes, data.limit, seed)]
        if "valid" not in splits and split in ("train", "valid"):
            keys = [self.together(row) for row in rows] if self.together else range(len(rows))
            groups = list(dict.fromkeys(keys))
            out = dict(zip(groups, held_out(len(groups), data.validation, seed), strict=True))
            rows = [row for row, key in zip(rows, keys, strict=True) if out[key] == from_train]
        return rows

    def read(self, data: Data, name: str, folder: Path | None) -> Iterator[Example]:
        """Yield the examples of a corpus' own split, from its folder or else from the hub."""
        folder = folder or in_zoo_data(data.corpus)
        if folder is not None and folder.is_dir():
            yield from self.read_folder(folder, name, data)
        elif data.hub:
            yield from self.fetch(data, name)
        else:
            raise DataError(
                f"the corpus {data.corpus} is not here",
                f"set ZOO_DATA to a folder with {data.corpus}/ in it (see docs/data.md)",
            )

    def read_folder(self, folder: Path, name: str, data: Data) -> Iterable[Example]:
        """Read the files of a split."""
        path = find(folder, f"{name}.{self.ending}")
        if path is None:
            raise DataError(f"{folder} has no {name}.{self.ending}", "see docs/data.md")
        return self.read_file(path)

    def fetch(self, data: Data, name: str) -> Iterable[Example]:
        """Fetch a split from the hub."""
        split = HUB_SPLITS.get(name, name)
        return from_hub(data, split, self.read_rows) if split else ()

    def read_rows(self, rows: Any) -> Iterator[Example]:
        """Yield examples of the hub's rows, by `read_row` or else by the usual columns."""
        if self.read_row is not None:
            yield from map(self.read_row, rows)
            return
        column = next((n for n in ("label", "coarse_label") if n in rows.features), None)
        names = getattr(rows.features[column], "names", None) if column else None
        pair = self.rows == "pair"
        usual = ("sentence1", "sentence2") if pair else ("text", "sentence")
        texts = [name for name in usual if name in rows.features]
        for row in rows:
            label = row[column] if column else ""
            if not isinstance(label, float):
                label = names[label] if names and label in range(len(names)) else str(label)
            yield Example((row[texts[0]], row[texts[1]]) if pair else row[texts[0]], label)


def in_zoo_data(corpus: str) -> Path | None:
    """Return the folder of a corpus in ZOO_DATA, or None."""
    root = os.environ.get("ZOO_DATA")
    return inside(Path(root), corpus) if root else None


def inside(folder: Path, corpus: str) -> Path | None:
    """Return the folder of a corpus in a folder of corpora, or None."""
    places = (folder / corpus, folder / "glue" / corpus)
    return next((place for place in places if place.is_dir()), None)


def from_hub(
    data: Data, split: str, read: Callable[[Any], Iterable[Example]], streaming: bool = False
) -> list[Example]:
    """Read a dataset of the hub with `read`; any failure becomes a DataError."""
    import datasets

    options: dict[str, Any] = {"streaming": True} if streaming else {}
    try:
        rows = datasets.load_dataset(
            data.hub, data.hub_config, split=split, revision=data.revision, **options
        )
        return list(read(rows))
    except DataError:
        raise
    except Exception as error:  # the library raises many kinds
        raise DataError(
            f"{data.corpus} could not be fetched from the hub ({data.hub}): {error}",
            "set ZOO_DATA to a folder that holds it, or check the network",
        ) from error


def check_labels(data: Data, split: str, rows: list[Example]) -> None:
    """Raise DataError for a label that is not one of `data.labels`, or no number without them."""
    for number, (_, label) in enumerate(rows, start=1):
        if data.labels and label not in data.labels:
            wrong = f"none of {', '.join(data.labels)}"
        elif not data.labels and not isinstance(label, float):
            wrong = "no number"
        else:
            continue
        raise DataError(
            f"{data.shown} {split}, row {number}: the label '{label}' is {wrong}",
            "change data.labels",
        )
