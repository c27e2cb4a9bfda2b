"""Marian's pieces: SentencePiece cuts a text, a separate vocabulary numbers the pieces.

OPUS-MT's checkpoints have a SentencePiece model for each language and one vocabulary for both, in
the order of the weights. A piece that the vocabulary lacks is unknown. A source may begin with the
target language, one piece, as in ">>fra<< Hello".

Texts are cut as transformers' MarianTokenizer cuts them, with one difference: `</s>`, `<pad>` or
`<unk>` spelled out in a text are ordinary text.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import BundleError
from zoo.text import vocabulary as vocabularies
from zoo.text.sentencepiece import processor
from zoo.text.tokenizer import Tokenizer

PADDING, UNKNOWN, END = "<pad>", "<unk>", "</s>"
OPENING, CLOSING = ">>", "<<"
SPACE = "\u2581"


class MarianTokenizer(Tokenizer):
    """Turns text into ids of pieces and back. The decoder starts with padding.

    Args:
        model: a SentencePiece model, as bytes.
        words: the vocabulary in the order of ids, with `<pad>`, `<unk>` and `</s>`.
    """

    kind, unknown = "marian", "characters"

    def __init__(self, model: bytes, words: Sequence[str]) -> None:
        self.model = model
        self.words = list(words)
        self._processor = processor(model)
        ids = {word: i for i, word in enumerate(self.words)}
        special = (PADDING, UNKNOWN, END)
        if len(ids) < len(self.words) or not ids.keys() >= set(special):
            raise BundleError(
                f"a vocabulary of Marian has {', '.join(special)} and has each piece once",
                "take the files that belong to the weights",
            )
        self.pad_id, self.unk_id, self.end_id = (ids[word] for word in special)
        self.start_id = self.pad_id
        self._special = {self.pad_id, self.unk_id, self.end_id}
        self._ids = {word: i for word, i in ids.items() if i not in self._special}

    @classmethod
    def load(cls, path: Path | str) -> MarianTokenizer:
        content = vocabularies.read(path, "model")
        try:
            model = base64.b64decode(content["model"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise BundleError(f"{path} is no vocabulary", "fetch the bundle again") from error
        return cls(model, content["words"])

    def save(self, path: Path | str) -> None:
        """Write the SentencePiece model in base 64 and the vocabulary as JSON."""
        model = base64.b64encode(self.model).decode("ascii")
        vocabularies.write(path, {"model": model, "words": self.words})

    def prefix(self, text: str) -> tuple[str, str]:
        end = text.find(CLOSING)
        if not text.startswith(OPENING) or end < 0:
            return "", text
        end += len(CLOSING)
        return text[:end], text[end:]

    def split(self, text: str) -> list[str]:
        language, text = self.prefix(text)
        return [*([language] if language else []), *self._processor.EncodeAsPieces(text)]

    def knows(self, character: str) -> bool:
        # A vocabulary may have a sign only within a word.
        return super().knows(character) or self.unk_id not in self._encode(f"a{character}")[-1:]

    def unknown_parts(self, text: str) -> list[str]:
        return [part.replace(SPACE, "") for part in super().unknown_parts(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids without padding, end and unknown pieces."""
        pieces = [self.words[int(i)] for i in ids if int(i) not in self._special]
        return self._processor.DecodePieces(pieces).replace(SPACE, " ").strip()
