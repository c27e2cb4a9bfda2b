"""Encoded examples, on disk and in memory: sequences of any length in flat arrays."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.errors import DataError, ZooWarning, counted
from zoo.text import Tokenizer

PARTS = ("ids", "offsets")


@dataclass(frozen=True)
class Ragged:
    """Sequences of ids: sequence i is ids[offsets[i]:offsets[i + 1]]."""

    ids: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int] | np.ndarray]) -> Ragged:
        offsets = np.zeros(len(sequences) + 1, dtype=np.int64)
        np.cumsum([len(sequence) for sequence in sequences], out=offsets[1:])
        ids = [np.asarray(sequence, dtype=np.int32) for sequence in sequences]
        return cls(np.concatenate([np.zeros(0, dtype=np.int32), *ids]), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Encoded:
    """The ids that a model reads of each example, and the labels if there are any.

    Attributes:
        columns: sequences by name: "source" and "target" of sentence pairs, from the first piece to
            the end id; else "tokens", a text from the start id to the end id, or the sequences of
            `zoo.data.sequences`, equally many for each example.
        labels: int32 [examples], or float32 for numbers.
    """

    columns: Mapping[str, Ragged]
    labels: np.ndarray | None = None

    @classmethod
    def pairs(cls, source: Ragged, target: Ragged) -> Encoded:
        return cls({"source": source, "target": target})

    @classmethod
    def texts(cls, tokens: Ragged, labels: np.ndarray | None = None) -> Encoded:
        return cls({"tokens": tokens}, labels)

    @property
    def source(self) -> Ragged:
        return self.columns["source"]

    @property
    def target(self) -> Ragged:
        return self.columns["target"]

    @property
    def tokens(self) -> Ragged:
        return self.columns["tokens"]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) // self.sequences

    @property
    def sequences(self) -> int:
        """The number of sequences of each example."""
        if self.labels is None:
            return 1
        return len(self.tokens) // max(len(self.labels), 1)

    @property
    def lengths(self) -> np.ndarray:
        """The length of each example's longest sequence: int [examples]."""
        of_column = [column.lengths.reshape(-1, self.sequences) for column in self.columns.values()]
        longest: np.ndarray = np.concatenate(of_column, axis=1).max(axis=1)
        return longest

    def __getitem__(self, index: int) -> list[np.ndarray]:
        """Return the sequences of one example, from the column "tokens"."""
        first = index * self.sequences
        return [np.asarray(self.tokens[first + i]) for i in range(self.sequences)]

    def arrays(self) -> Iterable[tuple[str, np.ndarray]]:
        """Yield every array with its name."""
        for name, column in self.columns.items():
            yield f"{name}.ids", column.ids
            yield f"{name}.offsets", column.offsets
        if self.labels is not None:
            yield "labels", self.labels

    def save(self, folder: Path, split: str) -> None:
        """Write each array to a .npy file named by the split."""
        for name, array in self.arrays():
            np.save(folder / f"{split}.{name}.npy", array)

    @classmethod
    def load(cls, folder: Path, split: str) -> Encoded:
        """Memory-map what `save` wrote.

        Raises:
            DataError: a file is missing.
        """
        ends = [f".{part}.npy" for part in PARTS]
        files = {path.name.removeprefix(f"{split}.") for path in folder.glob(f"{split}.*.npy")}
        names = {file.removesuffix(end) for file in files for end in ends if file.endswith(end)}
        if {f"{part}.npy" for part in PARTS} & files:  # texts of an earlier version
            columns = {"tokens": ""}
        else:
            columns = {name: f"{name}." for name in sorted(names or {"tokens"})}
        labels = folder / f"{split}.labels.npy"
        return cls(
            {
                name: Ragged(*(_mapped(folder / f"{split}.{infix}{part}.npy") for part in PARTS))
                for name, infix in columns.items()
            },
            _mapped(labels) if labels.exists() else None,
        )


def _mapped(path: Path) -> np.ndarray:
    if not path.exists():
        raise DataError(f"{path.parent} has no {path.name}", "run `zoo prepare` again")
    return np.load(path, mmap_mode="r")


def padded(rows: Sequence[Sequence[int] | np.ndarray], length: int, pad_id: int) -> np.ndarray:
    """Return rows of ids padded on the right: int32 [rows, length]."""
    array = np.full((len(rows), length), pad_id, dtype=np.int32)
    for row, ids in zip(array, rows, strict=True):
        row[: len(ids)] = ids
    return array


def left_padded(rows: Sequence[np.ndarray], length: int, pad_id: int) -> np.ndarray:
    """Return the last `length` ids of each row, padded on the left: int32 [rows, length]."""
    array = np.full((len(rows), length), pad_id, dtype=np.int32)
    for row, ids in zip(array, rows, strict=True):
        ids = ids[-length:]
        row[length - len(ids) :] = ids
    return array


def padded_sequences(
    examples: Sequence[Sequence[np.ndarray]], length: int, pad_id: int
) -> np.ndarray:
    """Return examples with equally many sequences, padded on the left.

    The result is int32 [examples, length] for one sequence, else [examples, sequences, length].
    """
    flat = left_padded([ids for sequences in examples for ids in sequences], length, pad_id)
    count = len(examples[0])
    return flat if count == 1 else flat.reshape(len(examples), count, length)


def training_ids(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    max_length: int | None,
    reverse: bool = False,
    longest: int | None = None,
) -> list[np.ndarray]:
    """Encode texts for training, see `text_ids`; warn once of those that are cut.

    Args:
        max_length: the most ids of a text, which loses its end.
        longest: the most ids of a batch's row, where a text loses its start.
    """
    encoded, cut = [], 0
    limit = min(filter(None, (max_length, longest)), default=math.inf)
    for text in texts:
        ids = tokenizer.encode(text)
        encoded.append(_framed(tokenizer, ids, max_length, reverse))
        special = 1 if tokenizer.start_id == tokenizer.end_id else 2
        cut += len(ids) + special > limit
    if cut:
        warnings.warn(
            f"{cut} of {counted(len(texts), 'text')} are longer than the {limit} tokens that are "
            "trained on, and cut; data.max_length and train.buckets set that length",
            ZooWarning,
            stacklevel=4,
        )
    return encoded


def text_ids(
    tokenizer: Tokenizer, text: str, max_length: int | None = None, reverse: bool = False
) -> np.ndarray:
    """Encode a text as a model reads it, int32: the start id, its words, the end id.

    A tokenizer with one id for start and end puts it at the end only. A text of more than
    `max_length` ids is cut; `reverse` reverses the words.
    """
    return _framed(tokenizer, tokenizer.encode(text), max_length, reverse)


def _framed(
    tokenizer: Tokenizer, ids: list[int], max_length: int | None, reverse: bool
) -> np.ndarray:
    first = [] if tokenizer.start_id == tokenizer.end_id else [tokenizer.start_id]
    if max_length is not None:
        ids = ids[: max_length - len(first) - 1]
    return np.array([*first, *(ids[::-1] if reverse else ids), tokenizer.end_id], dtype=np.int32)
