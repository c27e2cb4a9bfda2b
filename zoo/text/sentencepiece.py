"""SentencePiece: pieces learned from raw text, one file.

The file includes the normalisation. "nmt_nfkc", the default, converts text to Unicode NFKC
(full-width forms, ligatures and the like become plain ones), drops control characters and turns
every run of whitespace into one space; case and accents stay. U+2581 stands for whitespace inside
the pieces, and a text begins with one, so that `decode(encode(text))` is the normalised text.
"keyboard" is the same with the plain quotes, apostrophes and dashes of zoo/text/keyboard.py.
"""

from __future__ import annotations

import functools
import io
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from zoo.errors import BundleError, DataError
from zoo.text import keyboard
from zoo.text.tokenizer import END_ID, PAD_ID, START_ID, UNK_ID, Tokenizer


def processor(model: bytes) -> sentencepiece.SentencePieceProcessor:
    """Return the processor of a model that a vocabulary file holds, or raise BundleError."""
    made = sentencepiece.SentencePieceProcessor()
    try:
        made.LoadFromSerializedProto(model)
    except RuntimeError:
        raise BundleError("the vocabulary's SentencePiece model is none", "copy it again") from None
    return made


class SentencePieceTokenizer(Tokenizer):
    """Turns text into ids of pieces and back. Ids 0 to 3: padding, unknown, start, end."""

    kind, unknown = "sentencepiece", "characters"

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        self._processor.LoadFromSerializedProto(model)
        names = ("pad", "unk", "bos", "eos")
        ids = tuple(getattr(self._processor, f"{name}_id")() for name in names)
        if ids != (PAD_ID, UNK_ID, START_ID, END_ID):
            raise BundleError(
                f"the SentencePiece model has pad, unk, start, end at {ids}, not at (0, 1, 2, 3)",
                "train it with `zoo prepare`",
            )

    @classmethod
    def load(cls, path: Path | str) -> SentencePieceTokenizer:
        try:
            return cls(Path(path).read_bytes())
        except RuntimeError as error:
            raise BundleError(
                f"{path} is not a SentencePiece model", "fetch the bundle again"
            ) from error

    @classmethod
    def train(
        cls,
        lines: Iterable[str],
        *,
        vocabulary: int,
        algorithm: str = "unigram",
        normalization: str = "nmt_nfkc",
        seed: int = 0,
        byte_fallback: bool = False,
        split_digits: bool = False,
    ) -> SentencePieceTokenizer:
        """Learn `vocabulary` pieces (the four special ones included) from lines of text.

        Args:
            byte_fallback: 256 pieces are the bytes; a character without a piece becomes its bytes,
                so that no text has an unknown part. The rarest characters, 0.01 % of the text,
                get no piece.
            split_digits: each digit is a piece of its own.

        Raises:
            DataError: too few lines for that number of pieces.
        """
        sentencepiece.set_random_generator_seed(seed)
        model = io.BytesIO()
        try:
            with tempfile.TemporaryDirectory() as folder:
                sentencepiece.SentencePieceTrainer.train(
                    sentence_iterator=iter(lines), model_writer=model, vocab_size=vocabulary,
                    model_type=algorithm, byte_fallback=byte_fallback, split_digits=split_digits,
                    character_coverage=0.9999 if byte_fallback else 1.0,
                    pad_id=PAD_ID, unk_id=UNK_ID, bos_id=START_ID, eos_id=END_ID,
                    num_threads=2, minloglevel=2, **_normalization(normalization, Path(folder)),
                )  # fmt: skip
        except RuntimeError as error:
            reason = str(error).rsplit("] ", 1)[-1].strip()  # drop the place in its source code
            raise DataError(
                f"no SentencePiece model of {vocabulary} pieces can be learned: {reason}",
                "lower tokenizer.vocabulary or give more text",
            ) from error
        return cls(model.getvalue())

    def save(self, path: Path | str) -> None:
        Path(path).write_bytes(self.model)

    @property
    def size(self) -> int:
        return self._processor.GetPieceSize()

    def knows(self, character: str) -> bool:
        # With byte fallback nothing is unknown, but bytes are rare in training.
        ids = self._encode(character)
        return not any(i == UNK_ID or self._processor.IsByte(i) for i in ids)

    def writes(self, character: str) -> bool:
        return self.knows(character)

    def unknown_parts(self, text: str) -> list[str]:
        text = self.plain(text)
        ids, pieces = self._encode(text), self._processor.EncodeAsPieces(text)
        return [piece for i, piece in zip(ids, pieces, strict=True) if i == UNK_ID]

    def _encode(self, text: str) -> list[int]:
        return self._processor.EncodeAsIds(text)

    def decode(self, ids: Sequence[int]) -> str:
        return self._processor.DecodeIds(self._of_text(ids))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [self._processor.IdToPiece(int(i)) for i in ids]


def _normalization(name: str, folder: Path) -> dict[str, Any]:
    """Return the trainer's option for a normalisation; the rules of "keyboard" go to a file."""
    if name != "keyboard":
        return {"normalization_rule_name": name}
    path = folder / "rules.tsv"
    path.write_text(_keyboard_rules(), encoding="utf-8")
    return {"normalization_rule_tsv": str(path)}


@functools.cache  # they take seconds, and are the same for each text
def _keyboard_rules() -> str:
    nfkc = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc", add_dummy_prefix=False, escape_whitespaces=False,
        remove_extra_whitespaces=False,
    )  # fmt: skip
    return keyboard.rules(nfkc.normalize)
