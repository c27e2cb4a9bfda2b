"""The base of all tokenizers, and the special ids that most of them use."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from zoo.errors import check_text
from zoo.text import typography

PAD_ID, UNK_ID, START_ID, END_ID = 0, 1, 2, 3


class Tokenizer:
    """Turns text into ids of pieces and back.

    Attributes:
        kind: its row in `zoo.config.tokenizers`.
        pad_id, unk_id, start_id, end_id: ids of padding, unknown, start and end. Most tokenizers
            have them at 0 to 3; some share one id for several of them; one below 0 is none.
        open_ended: whether a prompt has no start id and texts never end.
        mask_id: the id of a hidden word; below 0 there is none.
        sequence_ids: what begins, parts and ends a task's sequences; None leaves it to the model.
        unknown: the meaning of the unknown id: "characters" that occurred in no training text, or
            "words" too rare for the vocabulary.
        words: the vocabulary in the order of ids; SentencePiece keeps its own.
    """

    kind: ClassVar[str]
    unknown: str
    open_ended = False
    mask_id = -1
    sequence_ids: tuple[int, int, int] | None = None
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

    def encode(self, text: str, name: str = "the text") -> list[int]:
        """Return the ids of a text's pieces, without start and end.

        Typographic signs that the vocabulary lacks are read in plain form; see
        `zoo.text.typography`. Raises InputError, with the text's name, for a text with a lone
        surrogate.
        """
        self.check(name, text)
        return self._encode(self.plain(text))

    def check(self, name: str, text: str) -> None:
        """Raise InputError, with the text's name, for a text that cannot be read at all."""
        check_text(name, text, nul=False)

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[list[list[int]]]:
        """Return the ids of each word of each sentence, [] for a word of which nothing is read."""
        return [[self.encode(word) for word in words] for words in sentences]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where each piece of `encode` stands in the text as it was given."""
        raise NotImplementedError

    @property
    def forbidden_ids(self) -> tuple[int, ...]:
        """The ids that no translation has: the unknown one, and padding where it is at hand.

        The zoo's models give padding no probability worth a search. Marian's start with its padding
        and fairseq's leave it untrained: both libraries forbid it.
        """
        padding = () if self.pad_id == PAD_ID else (self.pad_id,)
        return self.unk_id, *padding

    @property
    def unwritten_ids(self) -> tuple[int, ...]:
        """The ids that stand for no part of a word, which no hidden word is."""
        special = (self.pad_id, self.unk_id, self.start_id, self.end_id, self.mask_id)
        return tuple(i for i in special if i >= 0)

    def begins_word(self, piece: str) -> bool:
        """Return whether a piece begins a word; a tokenizer of words has no other."""
        return True

    def as_words(self, ids: Sequence[int]) -> list[str]:
        """Return each piece as a word; one within a word begins with "##"."""
        return self.pieces(ids)

    def prefix(self, text: str) -> tuple[str, str]:
        """Return what the model reads before each sentence of a text, and the text without it."""
        return "", text

    def has(self, word: str) -> bool:
        """Return whether a word is in the vocabulary as it stands."""
        return bool(self.known([self._id(word)]))

    @functools.cached_property
    def letters(self) -> set[str]:
        """The letters of the vocabulary, in lower case."""
        folded = "".join(self.characters).casefold()
        return {character for character in folded if character.isalpha()}

    def plain(self, text: str) -> str:
        """Return a text with the plain form of typographic signs that the vocabulary lacks."""
        return text.translate(self.replacements)

    @functools.cached_property
    def replacements(self) -> dict[int, str]:
        """The plain forms, by the sign's code, as `str.translate` takes them."""
        return typography.table(self.knows, self.writes)

    def knows(self, character: str) -> bool:
        """Return whether the vocabulary has a character as it stands."""
        return self.unk_id not in self._encode(character)

    def writes(self, character: str) -> bool:
        """Return whether the vocabulary has a character, as it stands or within a word."""
        return self.knows(character) or character in self.characters

    @functools.cached_property
    def characters(self) -> set[str]:
        """All characters of the vocabulary's words."""
        return {character for word in self.words for character in word}

    def unknown_parts(self, text: str) -> list[str]:
        """Return the part of a text behind each unknown id of `encode`, in their order."""
        return [p for p in self.split(self.plain(text)) if self._id(p) == self.unk_id]

    def known(self, ids: Sequence[int]) -> list[int]:
        """Return the ids that stand for a part of a text, without unknown and special ones."""
        special = (self.pad_id, self.unk_id, self.start_id, self.end_id)
        return [int(i) for i in ids if int(i) not in special]

    def _encode(self, text: str) -> list[int]:
        return [self._id(piece) for piece in self.split(text)]

    def _id(self, piece: str) -> int:
        return self._ids.get(piece, self.unk_id)

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
