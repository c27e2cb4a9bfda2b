"""WordPiece as BERT reads text: words by BERT's rules, each cut into the longest known pieces.

The rules are those of the paper's code and of transformers' BertTokenizer: control characters go,
every punctuation mark and Chinese character is a word; in lower case accents go too. A piece
within a word begins with "##". A word of more than 100 characters, or with a character that the
vocabulary lacks, is one unknown piece.

A text begins with [CLS] and ends with [SEP]. In a text, [MASK] stands for a hidden word; the other
special words have no meaning there and are read as any letters, where transformers obeys them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import BundleError, OptionError
from zoo.text import vocabulary as vocabularies
from zoo.text.tokenizer import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PADDING, UNKNOWN, START, END, MASK = SPECIAL
PREFIX = "##"
LONGEST_WORD = 100


class WordPieceTokenizer(Tokenizer):
    """Turns text into ids of pieces and back.

    Args:
        words: the vocabulary in the order of ids, with each of `SPECIAL`.
        lowercase: read capitals as small letters, and letters without accents.
    """

    kind, unknown = "wordpiece", "characters"

    def __init__(self, words: Sequence[str], lowercase: bool = True) -> None:
        self.words = list(words)
        self.lowercase = lowercase
        ids = {word: i for i, word in enumerate(self.words)}
        if len(ids) < len(self.words) or not ids.keys() >= {*SPECIAL}:
            raise BundleError(
                f"a vocabulary of WordPiece has {', '.join(SPECIAL)}, and each piece once",
                "make it with `zoo prepare`, or take the vocab.txt that belongs to the weights",
            )
        self.pad_id, self.unk_id, self.start_id, self.end_id, self.mask_id = (
            ids[word] for word in SPECIAL
        )
        self.sequence_ids = (self.start_id, self.end_id, self.end_id)
        self._ids = {word: i for word, i in ids.items() if word not in SPECIAL}
        self._pipeline = _pipeline(ids, lowercase)
        self._pipeline.add_special_tokens([MASK])

    @classmethod
    def load(cls, path: Path | str) -> WordPieceTokenizer:
        content = vocabularies.read(path, "case")
        return cls(content["words"], lowercase=content["case"] == "lower")

    @classmethod
    def of_lines(cls, text: str, lowercase: bool = True) -> WordPieceTokenizer:
        """Return the tokenizer of a vocab.txt, one piece a line."""
        return cls(text.removesuffix("\n").split("\n"), lowercase)

    @classmethod
    def train(
        cls, lines: Iterable[str], *, vocabulary: int, lowercase: bool = True
    ) -> WordPieceTokenizer:
        """Learn pieces from lines of text, by merges of frequent pairs as in `tokenizers`.

        Args:
            lines: the text.
            vocabulary: most pieces, the special ones included; a short text gives fewer.
            lowercase: see the class.

        Raises:
            DataError: the lines have no words.
            OptionError: `vocabulary` leaves no room for the characters of the lines.
        """
        from tokenizers import trainers

        pipeline = _pipeline({UNKNOWN: 0}, lowercase)
        lines = [line.replace(MASK, " ") for line in lines]
        characters = _characters(pipeline, lines)
        if not characters:
            raise vocabularies.no_words()
        if len(SPECIAL) + len(characters) > vocabulary:
            raise OptionError(
                f"a vocabulary of {vocabulary} has no room for the {len(characters)} characters of "
                "the text",
                "raise tokenizer.vocabulary",
            )
        # The trainer numbers characters in an arbitrary order, so they go in as special tokens.
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocabulary,
            special_tokens=[*SPECIAL, *characters],
            continuing_subword_prefix=PREFIX,
            show_progress=False,
        )
        pipeline.train_from_iterator(lines, trainer)
        found = json.loads(pipeline.to_str())["model"]["vocab"]
        return cls(sorted(found, key=found.__getitem__), lowercase)

    def save(self, path: Path | str) -> None:
        """Write the pieces as JSON, one per line, and whether capitals are kept."""
        case = "lower" if self.lowercase else "kept"
        vocabularies.write(path, {"case": case, "words": self.words})

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._pipeline.encode(text, add_special_tokens=False).ids
        return ids

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[list[list[int]]]:
        plain = [[self.plain(word) for word in words] for words in sentences]
        # Words of "[MASK]" are read as such, as in texts.
        found = self._pipeline.encode_batch(
            plain, is_pretokenized=True, add_special_tokens=False
        )  # fmt: skip
        encoded: list[list[list[int]]] = [[[] for _ in words] for words in sentences]
        for words, each in zip(encoded, found, strict=True):
            for word, i in zip(each.word_ids, each.ids, strict=True):
                words[word].append(i)
        return encoded

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where each piece of `encode` stands in the text as it was given."""
        places: list[int] = []  # in the text, of each character of its plain form
        for at, character in enumerate(text):
            places += [at] * len(character.translate(self.replacements))
        found = self._pipeline.encode(self.plain(text), add_special_tokens=False).offsets
        return [(places[first], places[last - 1] + 1) for first, last in found]

    def begins_word(self, piece: str) -> bool:
        return not piece.startswith(PREFIX)

    def unknown_parts(self, text: str) -> list[str]:
        plain = self.plain(text)
        encoded = self._pipeline.encode(plain, add_special_tokens=False)
        return [
            plain[first:last]
            for i, (first, last) in zip(encoded.ids, encoded.offsets, strict=True)
            if i == self.unk_id
        ]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids without padding, start and end: a space between two words."""
        text: str = self._pipeline.decode(self._of_text(ids), skip_special_tokens=False)
        return text


def _characters(pipeline: Any, lines: Iterable[str]) -> list[str]:
    """Return the sorted characters at the starts of words and, with the prefix, within them."""
    first: set[str] = set()
    inner: set[str] = set()
    for line in lines:
        normal = pipeline.normalizer.normalize_str(line)
        for word, _ in pipeline.pre_tokenizer.pre_tokenize_str(normal):
            first.add(word[0])
            inner.update(word[1:])
    return [*sorted(first | inner), *(PREFIX + each for each in sorted(inner))]


def _pipeline(ids: dict[str, int], lowercase: bool) -> Any:
    """Return a tokenizer of the library tokenizers."""
    # The import is slow, so only these pieces wait for it.
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(
        models.WordPiece(
            ids, unk_token=UNKNOWN, continuing_subword_prefix=PREFIX,
            max_input_chars_per_word=LONGEST_WORD,
        )
    )  # fmt: skip
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=PREFIX)
    return tokenizer
