"""SentencePiece: pieces learned from raw text, one file.

The file includes the normalisation. "nmt_nfkc", the default, converts text to Unicode NFKC
(full-width forms, ligatures and the like become plain ones), drops control characters and turns
every run of whitespace into one space; case and accents stay. U+2581 stands for whitespace inside
the pieces, and a text begins with one, so that `decode(encode(text))` is the normalised text.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece

from zoo.errors import BundleError, DataError
from zoo.text.tokenizer import END_ID, PAD_ID, START_ID, UNK_ID, Tokenizer


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
    ) -> SentencePieceTokenizer:
        """Learn `vocabulary` pieces (the four special ones included) from lines of text.

        Raises:
            DataError: too few lines for that number of pieces.
        """
        sentencepiece.set_random_generator_seed(seed)
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(lines), model_writer=model, vocab_size=vocabulary,
                model_type=algorithm, normalization_rule_name=normalization,
                pad_id=PAD_ID, unk_id=UNK_ID, bos_id=START_ID, eos_id=END_ID,
                character_coverage=1.0, num_threads=2, minloglevel=2,
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

    def encode(self, text: str) -> list[int]:
        return self._processor.EncodeAsIds(text)

    def decode(self, ids: Sequence[int]) -> str:
        return self._processor.DecodeIds(self._of_text(ids))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [self._processor.IdToPiece(int(i)) for i in ids]
