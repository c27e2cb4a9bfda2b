"""GPT's byte pairs inside a TensorFlow graph: `zoo.text.bpe` in operations that need no Python.

BERT's rules treat each character by itself: it goes, stays or becomes others, and these separate
words, stand alone or belong to a word. The library `tokenizers` says so of each character of
Unicode, once, when a graph is made. Characters that the vocabulary lacks are all alike, so little
of that remains: the symbols below, and for each character the one to three that it becomes.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.export.reading import plain, replacements
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
# A surrogate is no character: no text has one.
CHARACTERS = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
# More than the place of any pair.
NEVER = np.iinfo(np.int64).max
# Longer words are merged apart from the others, which would be padded to their length.
LONG = 24


class BytePairs(tf.Module):
    """`encode` and `decode` of a tokenizer as functions of tensors."""

    def __init__(self, tokenizer: BpeTokenizer) -> None:
        super().__init__()
        self.signs = replacements(tokenizer)
        self.size, self.end_id = tokenizer.size, tokenizer.end_id
        ids = {word: i for i, word in enumerate(tokenizer.words)}
        self.kinds, self.inner, self.last, self.rows, self.row_of = map(
            tf.constant, _symbols(ids, tokenizer.pipeline)
        )
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
        texts = plain(texts, self.signs)
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


def _symbols(ids: dict[str, int], pipeline: Any) -> tuple[np.ndarray, ...]:
    """Return the symbols of a vocabulary, and each character's as a row of them.

    The symbols are the vocabulary's characters, the two signs, and one for all others of a kind.

    Returns:
        kind, id within a word, id at its end, of each symbol: int32 [symbols] each;
        the different rows, int32 [rows, MOST], -1 where a character becomes fewer; and the number
        of each character's row, int32 [Unicode].
    """
    becomes, kinds = _rules(pipeline)
    symbols: dict[tuple[int, int, int], int] = {}
    # Id 0 is the unknown token's.
    of_code = np.array([symbols.setdefault((kind, 0, 0), kind) for kind in (0, 1, 2)])[kinds]
    whole = {UNKNOWN_SIGN: ids[UNKNOWN], BREAK_SIGN: ids[BREAK]}
    single = {word.removesuffix(END_OF_WORD) for word in ids}
    for character in sorted({each for each in single if len(each) == 1} | {*whole}):
        inner = whole.get(character, ids.get(character, 0))
        last = whole.get(character, ids.get(character + END_OF_WORD, 0))
        symbol = (int(kinds[ord(character)]), inner, last)
        of_code[ord(character)] = symbols.setdefault(symbol, len(symbols))
    rows = np.where(becomes < 0, -1, of_code[becomes])
    base = len(symbols) + 1
    packed, row_of = np.unique((rows + 1) @ base ** np.arange(MOST), return_inverse=True)
    digits = packed[:, None] // base ** np.arange(MOST) % base
    columns = np.array(list(symbols), np.int32).T
    return (*columns, (digits - 1).astype(np.int32), row_of.astype(np.int32))


_cached_rules: list[tuple[np.ndarray, np.ndarray]] = []


def _rules(pipeline: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what BERT's rules, which all vocabularies share, make of each character.

    Returns:
        the codes that it becomes, int32 [Unicode, MOST], -1 where these are fewer; and what each
        code does then, IN_WORD, SPACE or ALONE, int8 [Unicode].
    """
    if _cached_rules:
        return _cached_rules[0]
    # A bar between characters stays as it is, and so do its neighbours.
    characters = [c for c in CHARACTERS if c != "|"]
    made = pipeline.normalizer.normalize_str("|".join(characters)).split("|")
    becomes = np.full((sys.maxunicode + 1, MOST), -1, np.int32)
    for character, others in zip(characters, made, strict=True):
        becomes[ord(character), : len(others)] = [ord(other) for other in others]
    for character in ("|", UNKNOWN_SIGN, BREAK_SIGN):
        becomes[ord(character), 0] = ord(character)
    kinds = np.full(sys.maxunicode + 1, IN_WORD, np.int8)
    codes = np.unique(becomes[becomes >= 0])
    window = len("aXa ")
    text = " ".join(f"a{chr(code)}a" for code in codes)
    starts = [start for _, (start, _) in pipeline.pre_tokenizer.pre_tokenize_str(text)]
    counts = np.bincount(np.array(starts) // window, minlength=len(codes))
    kinds[codes] = np.array([IN_WORD, SPACE, ALONE])[counts - 1]
    kinds[[ord(UNKNOWN_SIGN), ord(BREAK_SIGN)]] = ALONE
    _cached_rules.append((becomes, kinds))
    return becomes, kinds
