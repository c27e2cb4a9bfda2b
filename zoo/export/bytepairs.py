"""GPT's byte pairs inside a TensorFlow graph: `zoo.text.bpe` in operations that need no Python.

BERT's rules treat each character by itself: it goes, stays or becomes others, and these separate
words, stand alone or belong to a word. The library `tokenizers` says so of each character of
Unicode, once, when a graph is made. Characters that the vocabulary lacks are all alike, so little of
that remains: the symbols below, and for each character the one to three symbols that it becomes.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.text.bpe import BREAK, END_OF_WORD, UNKNOWN, BpeTokenizer

# Python's whitespace, which `strip` and LINE_BREAKS of zoo.text.bpe mean; RE2's \s is ASCII's.
SPACES = "".join(f"\\x{{{code:x}}}" for code in range(sys.maxunicode + 1) if chr(code).isspace())
ENDS = f"^[{SPACES}]+|[{SPACES}]+$"
LINE_BREAK = f"[{SPACES}]*[\\r\\n][{SPACES}]*"

# Private characters, which BERT's rules drop, stand for tokens that the rules must not see. Those
# of a text become another private one first.
UNKNOWN_SIGN, BREAK_SIGN, DROPPED = "\ue000", "\ue001", "\ue002"
# What a symbol does.
IN_WORD, SPACE, ALONE = 0, 1, 2
# A character becomes at most so many: a Chinese one gets a space on each side.
MOST = 3
# A surrogate is no character, and lies in no text.
CHARACTERS = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
# More than the place of any pair.
NEVER = np.iinfo(np.int64).max
# Longer words are merged apart from the others, which would be padded to their length.
LONG = 24


class BytePairs(tf.Module):
    """`encode` and `decode` of a tokenizer as functions of tensors."""

    def __init__(self, tokenizer: BpeTokenizer) -> None:
        super().__init__()
        self.size, self.end_id = tokenizer.size, tokenizer.end_id
        symbols = _Symbols(tokenizer)
        self.kinds, self.inner, self.last = map(tf.constant, symbols.columns())
        self.rows, self.row_of = map(tf.constant, symbols.rows())
        ids = {word: i for i, word in enumerate(tokenizer.words)}
        pairs = {-1: int(NEVER)}
        for rank, (first, second) in enumerate(tokenizer.merges):
            pair = ids[first] * self.size + ids[second]
            pairs[pair] = rank * self.size + ids[first + second]
        self.pairs = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant([*pairs], tf.int64), tf.constant([*pairs.values()], tf.int64)
            ),
            default_value=int(NEVER),
        )
        self.bare = tf.constant([word.replace(END_OF_WORD, "") for word in tokenizer.words])
        self.spaced = tf.constant([word.replace(END_OF_WORD, " ") for word in tokenizer.words])

    def encode(self, texts: Any) -> Any:
        """Return the ids of texts, string [batch]: ragged int32 [batch, ids]."""
        texts = tf.strings.regex_replace(texts, f"[{UNKNOWN_SIGN}{BREAK_SIGN}]", DROPPED)
        texts = tf.strings.regex_replace(texts, UNKNOWN, UNKNOWN_SIGN)
        texts = tf.strings.regex_replace(texts, ENDS, "")
        texts = tf.strings.regex_replace(texts, LINE_BREAK, BREAK_SIGN)
        characters = tf.strings.unicode_decode(texts, "UTF-8")  # ragged [batch, characters]
        symbols = tf.gather(self.rows, tf.gather(self.row_of, characters.values))
        text = tf.repeat(characters.value_rowids(), MOST)
        symbols = tf.reshape(symbols, [-1])
        real = symbols >= 0
        words, text = self._words(symbols[real], text[real])
        pieces = self._merged(words)
        return tf.RaggedTensor.from_value_rowids(
            pieces.values, tf.gather(text, pieces.value_rowids()), nrows=characters.nrows()
        )

    def _words(self, symbols: Any, text: Any) -> tuple[Any, Any]:
        """Return the ids of each word's symbols, ragged, and the number of each word's text.

        Args:
            symbols, text: of each symbol of all texts, [symbols].
        """
        kind = tf.gather(self.kinds, symbols)
        before = tf.concat([[SPACE], kind[:-1]], 0)
        other = tf.concat([[True], text[1:] != text[:-1]], 0)[: tf.size(text)]
        before = before[: tf.size(kind)]
        starts = (kind == ALONE) | (before != IN_WORD) | other
        real = kind != SPACE
        symbols, text, starts = symbols[real], text[real], starts[real]
        word = tf.cumsum(tf.cast(starts, tf.int64)) - 1
        last = tf.concat([starts[1:], [True]], 0)[: tf.size(starts)]
        ids = tf.where(last, tf.gather(self.last, symbols), tf.gather(self.inner, symbols))
        count = tf.reduce_sum(tf.cast(starts, tf.int64))
        return tf.RaggedTensor.from_value_rowids(ids, word, nrows=count), text[starts]

    def _merged(self, words: Any) -> Any:
        """Return the pieces of each word, ragged [words, pieces]."""
        long = words.row_lengths() > LONG
        place = tf.range(words.nrows())
        parts = [
            self._joined(tf.ragged.boolean_mask(words, chosen).to_tensor(-1))
            for chosen in (~long, long)
        ]
        order = tf.argsort(tf.concat([place[~long], place[long]], 0))
        return tf.gather(tf.concat(parts, 0), order)

    def _joined(self, ids: Any) -> Any:
        """Join pairs of ids [words, length], padded with -1, until no word has one of a merge."""

        def found(ids: Any) -> Any:
            right = tf.cast(tf.pad(ids[:, 1:], [[0, 0], [0, 1]], constant_values=-1), tf.int64)
            pairs = tf.cast(ids, tf.int64) * self.size + right
            return self.pairs.lookup(tf.where(right < 0, tf.constant(-1, tf.int64), pairs))

        def join(ids: Any, ranks: Any) -> tuple[Any, Any]:
            # Equal pairs have equal ranks; the first of them is joined.
            place = tf.argmin(ranks, axis=1, output_type=tf.int32)[:, None]
            best = tf.reduce_min(ranks, axis=1, keepdims=True)
            after = tf.pad(ids[:, 1:], [[0, 0], [0, 1]], constant_values=-1)
            at = tf.range(tf.shape(ids)[1])[None]
            piece = tf.cast(best % self.size, tf.int32)
            joined = tf.where(at < place, ids, tf.where(at == place, piece, after))
            ids = tf.where(best < NEVER, joined, ids)
            return ids, found(ids)

        ids, _ = tf.while_loop(
            lambda ids, ranks: tf.reduce_any(ranks < NEVER), join, (ids, found(ids)),
            shape_invariants=(tf.TensorShape([None, None]), tf.TensorShape([None, None])),
        )  # fmt: skip
        return tf.ragged.boolean_mask(ids, ids >= 0)

    def decode(self, ids: Any) -> Any:
        """Return the texts of ids, ragged int32 [batch, ids]: string [batch]."""
        ids = tf.ragged.boolean_mask(ids, (ids >= 0) & (ids < self.size))
        flat, text = ids.values, ids.value_rowids()
        breaks = flat == self.end_id
        ends = tf.concat([breaks[1:] | (text[1:] != text[:-1]), [True]], 0)[: tf.size(flat)]
        pieces = tf.where(ends, tf.gather(self.bare, flat), tf.gather(self.spaced, flat))
        pieces = tf.where(breaks, "\n", pieces)
        return tf.strings.reduce_join(ids.with_values(pieces), axis=1)


class _Symbols:
    """The symbols of a vocabulary: its characters, one for each kind of other, and two signs."""

    def __init__(self, tokenizer: BpeTokenizer) -> None:
        self.ids = {word: i for i, word in enumerate(tokenizer.words)}
        pipeline = tokenizer.pipeline
        # A bar parts the characters of one long text: it stays as it is, and so do its neighbours.
        characters = [c for c in CHARACTERS if c not in "|" + UNKNOWN_SIGN + BREAK_SIGN]
        becomes = pipeline.normalizer.normalize_str("|".join(characters)).split("|")
        self.becomes = dict(zip(characters, becomes, strict=True)) | {"|": "|"}
        self.kind_of = _kinds(pipeline.pre_tokenizer, {*"".join(becomes), "|"})
        self.becomes |= {sign: sign for sign in (UNKNOWN_SIGN, BREAK_SIGN)}
        self.kind_of |= {sign: ALONE for sign in (UNKNOWN_SIGN, BREAK_SIGN)}
        self.whole = {UNKNOWN_SIGN: self.ids[UNKNOWN], BREAK_SIGN: self.ids[BREAK]}
        self.numbers: dict[tuple[int, int, int], int] = {}
        self.row_numbers: dict[tuple[int, ...], int] = {(-1,) * MOST: 0}
        self.table = np.zeros(sys.maxunicode + 1, np.int32)
        for character, others in self.becomes.items():
            row = [self._symbol(other) for other in others]
            row += [-1] * (MOST - len(row))
            self.table[ord(character)] = self.row_numbers.setdefault(
                tuple(row), len(self.row_numbers)
            )

    def _symbol(self, character: str) -> int:
        """Return the number of a character's symbol."""
        kind, whole = self.kind_of[character], self.whole.get(character)
        # Id 0 is the unknown token's.
        inner = self.ids.get(character, 0) if whole is None else whole
        last = self.ids.get(character + END_OF_WORD, 0) if whole is None else whole
        return self.numbers.setdefault((kind, inner, last), len(self.numbers))

    def columns(self) -> list[np.ndarray]:
        """Return kind, id within a word and id at its end, int32 [symbols] each."""
        return list(np.array(list(self.numbers), np.int32).T)

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of symbols, int32 [rows, MOST], and each character's, int32 [Unicode]."""
        return np.array(list(self.row_numbers), np.int32), self.table


def _kinds(rules: Any, characters: set[str]) -> dict[str, int]:
    """Ask the rules for words what each character does between two letters."""
    window = len("aXa ")
    text = " ".join(f"a{character}a" for character in characters)
    starts = [start for _, (start, _) in rules.pre_tokenize_str(text)]
    counts = np.bincount(np.array(starts) // window, minlength=len(characters))
    kinds = {1: IN_WORD, 2: SPACE, 3: ALONE}
    return {each: kinds[count] for each, count in zip(characters, counts.tolist(), strict=True)}
