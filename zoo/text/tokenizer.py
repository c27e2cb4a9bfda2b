"""What every tokenizer does, and the special ids that most have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

PAD_ID, UNK_ID, START_ID, END_ID = 0, 1, 2, 3


class Tokenizer(Protocol):
    """Turns text into ids of pieces and back.

    Attributes:
        pad_id, unk_id, start_id, end_id: ids of padding, unknown, start and end. Most tokenizers
            have them at 0 to 3, some have one id for several of them: ask, do not assume.
        kind: its row in `zoo.config.tokenizers`.
        open_ended: whether a text that is to be continued has no start id and never ends.
        unknown: what the unknown id stands for: "characters" that occurred in no training text, or
            "words" that were too rare for the vocabulary.
    """

    kind: str
    unknown: str
    open_ended: bool
    pad_id: int
    unk_id: int
    start_id: int
    end_id: int

    @property
    def size(self) -> int:
        """Number of pieces, the special ones included."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text's pieces, without start and end."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; padding, start and end are left out."""

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return the piece of each id, as it stands in the vocabulary."""

    def save(self, path: Path | str) -> None:
        """Write the tokenizer's one file."""
