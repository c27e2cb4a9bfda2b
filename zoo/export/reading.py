"""Tokenizers inside a TensorFlow graph, and their ids as batches that the models read.

Ids of texts are ragged tensors, int32 [batch, ids].
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from zoo.errors import NotSupported
from zoo.text import SentencePieceTokenizer, Tokenizer
from zoo.text.bpe import END_OF_WORD, UNKNOWN, BpeTokenizer


class Reader(Protocol):
    """A tokenizer as functions of tensors, with the ids and texts of the one in Python."""

    def encode(self, texts: Any) -> Any:
        """Return the ids of texts, string [batch]."""

    def decode(self, ids: Any) -> Any:
        """Return the texts of ids, string [batch]."""


class SentencePieces(tf.Module):
    """SentencePiece by tensorflow_text, with the tokenizer's own model.

    Args:
        name: after loading, tokenizers of the same name would be one.
    """

    def __init__(self, tokenizer: SentencePieceTokenizer, name: str) -> None:
        super().__init__()
        import tensorflow_text

        self.processor = tensorflow_text.SentencepieceTokenizer(
            tokenizer.model, tf.int32, name=name
        )
        self.signs = replacements(tokenizer)
        self.special = (tokenizer.pad_id, tokenizer.start_id, tokenizer.end_id)
        self.size = tokenizer.size

    def encode(self, texts: Any) -> Any:
        return self.processor.tokenize(plain(texts, self.signs))

    def decode(self, ids: Any) -> Any:
        text = tf.reduce_all([ids.values != token for token in self.special], axis=0)
        text &= ids.values < self.size
        return self.processor.detokenize(tf.ragged.boolean_mask(ids, ids.with_values(text)))


def reader(tokenizer: Tokenizer, name: str) -> Reader:
    """Return a tokenizer for a graph.

    Raises:
        NotSupported: tensorflow_text is missing.
    """
    if isinstance(tokenizer, SentencePieceTokenizer):
        try:
            return SentencePieces(tokenizer, name)
        except ImportError as failure:
            raise NotSupported(
                f"tensorflow_text cannot be imported: {failure}",
                "pip install tensorflow-text of TensorFlow's own version; Windows has none",
            ) from failure
    assert isinstance(tokenizer, BpeTokenizer)
    from zoo.export.bytepairs import BytePairs

    return BytePairs(tokenizer)


def replacements(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """Return what `Tokenizer.plain` does as regular expressions and their replacements."""
    signs: dict[str, str] = {}
    for code, sign in tokenizer.replacements.items():
        signs[sign] = signs.get(sign, "") + f"\\x{{{code:x}}}"
    return [(f"[{codes}]", sign) for sign, codes in signs.items()]


def plain(texts: Any, signs: list[tuple[str, str]]) -> Any:
    """Return texts, string [batch], with the plain form of typographic signs."""
    for codes, sign in signs:
        texts = tf.strings.regex_replace(texts, codes, sign)
    return texts


def known(tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Return which pieces are known, and which of these have a letter or digit: bool [vocabulary].

    Unknown, special and whitespace pieces are not.
    """
    pieces = [p.removesuffix(END_OF_WORD) for p in tokenizer.pieces(range(tokenizer.size))]
    found = np.array([piece.strip("\u2581") != "" for piece in pieces])
    if not tokenizer.open_ended:  # or the end is a line break, which a text may have
        found[[tokenizer.pad_id, tokenizer.start_id, tokenizer.end_id]] = False
    found[tokenizer.unk_id] = False
    return found, found & [any(map(str.isalnum, piece)) for piece in pieces]


def has_letters(texts: Any) -> Any:
    """Return whether texts have a letter or digit, `<unk>` aside: bool [batch]."""
    texts = tf.strings.regex_replace(texts, UNKNOWN, "")
    return tf.strings.regex_full_match(texts, r"(?s).*[\pL\pN].*")


def cut(ids: Any, most: Any) -> Any:
    """Return at most so many first ids of each text: an int, or one for each text."""
    lengths = ids.row_lengths()
    most = tf.broadcast_to(tf.cast(most, lengths.dtype), tf.shape(lengths))
    return tf.RaggedTensor.from_tensor(ids.to_tensor(), tf.minimum(lengths, most))


def framed(*parts: Any) -> Any:
    """Return parts side by side; an int stands for that id in each text."""
    batch = next(part for part in parts if not isinstance(part, int)).nrows()
    columns = [
        tf.fill([batch, 1], tf.constant(part, tf.int32)) if isinstance(part, int) else part
        for part in parts
    ]
    return tf.concat(columns, axis=1)


def right_padded(ids: Any, pad_id: int) -> Any:
    """Return ids padded on the right, int32 [batch, time], at least one: a loop needs a step."""
    padded = ids.to_tensor(pad_id)
    missing = tf.maximum(1 - tf.shape(padded)[1], 0)
    return tf.pad(padded, [[0, 0], [0, missing]], constant_values=pad_id)


def left_padded(ids: Any, pad_id: int, least: int) -> Any:
    """Return ids padded on the left to the longest, and to `least`: int32 [batch, time]."""
    backwards = tf.reverse(ids, axis=[1]).to_tensor(pad_id)
    missing = tf.maximum(least - tf.shape(backwards)[1], 0)
    padded = tf.pad(backwards, [[0, 0], [0, missing]], constant_values=pad_id)
    return tf.reverse(padded, axis=[1])
