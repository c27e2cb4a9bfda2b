"""The base of all tokenizers, and the special ids that most of them use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from zoo.errors import check_text

PAD_ID, UNK_ID, START_ID, END_ID = 0, 1, 2, 3


class Tokenizer:
    """Turns text into ids of pieces and back.

    Attributes:
        kind: its row in `zoo.config.tokenizers`.
        pad_id, unk_id, start_id, end_id: ids of padding, unknown, start and end. Most tokenizers
            have them at 0 to 3; some share one id for several of them.
        open_ended: whether a prompt has no start id and texts never end.
        unknown: the meaning of the unknown id: "characters" that occurred in no training text, or
            "words" too rare for the vocabulary.
        words: the vocabulary in the order of ids; SentencePiece keeps its own.
    """

    kind: ClassVar[str]
    unknown: str
    open_ended = False
    pad_id, unk_id, start_id, end_id = PAD_ID, UNK_ID, START_ID, END_ID
    words: list[str]
    _ids: Mapping[str, int]

    @property
    def size(self) -> int:
        """Number of pieces, the special ones included."""
        return len(self.words)

    def split(self, text: str) -> list[str]:
        """Return the pieces of a text, including those that the vocabulary lacks."""
        raise NotImplementedError

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text's pieces, without start and end.

        Raises InputError for a text with a lone surrogate.
        """
        check_text("the text", text, nul=False)
        return [self._ids.get(piece, self.unk_id) for piece in self.split(text)]

    def line_breaks(self, text: str) -> int:
        """Return how many line breaks of a text are pieces of it; to most, one is a space."""
        return 0

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids without padding, start and end."""
        raise NotImplementedError

    def _of_text(self, ids: Sequence[int]) -> list[int]:
        """Return ids without padding, start and end.

        Ids beyond the vocabulary have no piece: a small text fills less than the model's table.
        """
        special = (self.pad_id, self.start_id, self.end_id)
        return [int(i) for i in ids if int(i) not in special and int(i) < self.size]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return the vocabulary's piece of each id."""
        return [self.words[int(i)] for i in ids]

    def save(self, path: Path | str) -> None:
        """Write the tokenizer's one file."""
        raise NotImplementedError

    @classmethod
    def load(cls, path: Path | str) -> Tokenizer:
        """Read the file of `save`; raise BundleError if it does not hold this kind."""
        raise NotImplementedError
