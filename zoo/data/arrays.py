"""Token ids on disk and in memory: sequences of any length in two flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.errors import DataError


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
        sides = []
        for side in ("source", "target"):
            files = [folder / f"{split}.{side}.{part}.npy" for part in ("ids", "offsets")]
            for path in files:
                if not path.exists():
                    raise DataError(f"{folder} has no {path.name}", "run `zoo prepare` again")
            sides.append(Ragged(*(np.load(path, mmap_mode="r") for path in files)))
        return cls(*sides)
