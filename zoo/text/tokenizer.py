"""What every tokenizer does, and the special ids that most have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

PAD_ID, UNK_ID, START_ID, END_ID = 0, 1, 2, 3


class Tokenizer:
    """Turns text into ids of pieces and back.

    Attributes:
        kind: its row in `zoo.config.tokenizers`.
        pad_id, unk_id, start_id, end_id: ids of padding, unknown, start and end. Most tokenizers
            have them at 0 to 3, some have one id for several of them: ask, do not assume.
        open_ended: whether a text that is to be continued has no start id and never ends.
        unknown: what the unknown id stands for: "characters" that occurred in no training text, or
            "words" that were too rare for the vocabulary.
        words: the vocabulary, a piece's place is its id; one that is a file of another library has
            none.
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
        """Return the pieces of a text, those that the vocabulary lacks as well."""
        raise NotImplementedError

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text's pieces, without start and end."""
        return [self._ids.get(piece, self.unk_id) for piece in self.split(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; padding, start and end are left out."""
        raise NotImplementedError

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return the piece of each id, as it stands in the vocabulary."""
        return [self.words[int(i)] for i in ids]

    def save(self, path: Path | str) -> None:
        """Write the tokenizer's one file."""
        raise NotImplementedError

    @classmethod
    def load(cls, path: Path | str) -> Tokenizer:
        """Read what `save` wrote; raises BundleError if the file is no such tokenizer."""
        raise NotImplementedError
