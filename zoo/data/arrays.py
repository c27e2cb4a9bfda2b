"""Token ids on disk and in memory: sequences of any length in two flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.errors import DataError

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
class Arrays:
    """Sources and targets as ids; each ends with the end id, none has the start id."""

    source: Ragged
    target: Ragged

    def __len__(self) -> int:
        return len(self.source)

    def save(self, folder: Path, split: str) -> None:
        """Write four .npy files, named by split and side."""
        for side, ragged in (("source", self.source), ("target", self.target)):
            np.save(folder / f"{split}.{side}.ids.npy", ragged.ids)
            np.save(folder / f"{split}.{side}.offsets.npy", ragged.offsets)

    @classmethod
    def load(cls, folder: Path, split: str) -> Arrays:
        """Memory-map what `save` wrote.

        Raises:
            DataError: if a file is missing.
        """
        return cls(
            *(
                Ragged(*(_mapped(folder / f"{split}.{side}.{part}.npy") for part in PARTS))
                for side in ("source", "target")
            )
        )


@dataclass(frozen=True)
class Documents:
    """Texts as ids, or several sequences of each example, one after the other; labels, if any.

    Attributes:
        texts: of a text its ids from the start id to the end id; else sequences as
            `zoo.data.transformations` makes them, as many of each example.
        labels: int32 [examples], or float32 where they are numbers.
    """

    texts: Ragged
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.texts) // self.sequences

    @property
    def sequences(self) -> int:
        """How many sequences each example has."""
        return 1 if self.labels is None else len(self.texts) // max(len(self.labels), 1)

    @property
    def lengths(self) -> np.ndarray:
        """How many ids the longest sequence of each example has: int [examples]."""
        found: np.ndarray = self.texts.lengths.reshape(-1, self.sequences).max(axis=1)
        return found

    def __getitem__(self, index: int) -> list[np.ndarray]:
        """Return the sequences of one example."""
        first = index * self.sequences
        return [np.asarray(self.texts[first + i]) for i in range(self.sequences)]

    def save(self, folder: Path, split: str) -> None:
        """Write two .npy files, or three with labels, named by split."""
        np.save(folder / f"{split}.ids.npy", self.texts.ids)
        np.save(folder / f"{split}.offsets.npy", self.texts.offsets)
        if self.labels is not None:
            np.save(folder / f"{split}.labels.npy", self.labels)

    @classmethod
    def load(cls, folder: Path, split: str) -> Documents:
        """Memory-map what `save` wrote.

        Raises:
            DataError: if a file is missing.
        """
        labels = folder / f"{split}.labels.npy"
        return cls(
            Ragged(*(_mapped(folder / f"{split}.{part}.npy") for part in PARTS)),
            _mapped(labels) if labels.exists() else None,
        )


def _mapped(path: Path) -> np.ndarray:
    if not path.exists():
        raise DataError(f"{path.parent} has no {path.name}", "run `zoo prepare` again")
    return np.load(path, mmap_mode="r")
