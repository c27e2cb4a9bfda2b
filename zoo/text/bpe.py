"""Byte-pair encoding as GPT reads text: lower case, with `</w>` at the end of each word.

Words are cut by BERT's rules, as in transformers' OpenAIGPTTokenizer: control characters and
accents go, every punctuation mark and Chinese character is a word. OpenAI's own code used ftfy and
spaCy and differs in unusual punctuation and contractions. Line breaks follow OpenAI's rules: spaces
around one go, several count once, and it is a token, `\\n</w>`; for transformers it is a space.

The vocabulary has no start, end or padding. A text begins after a line break and ends with one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import BundleError, OptionError, check_text
from zoo.text import vocabulary as vocabularies
from zoo.text.tokenizer import Tokenizer

UNKNOWN = "<unk>"
END_OF_WORD = "</w>"
BREAK = f"\n{END_OF_WORD}"

LINE_BREAKS = re.compile(r"[^\S\n]*(?:\r\n?|\n)\s*")


class BpeTokenizer(Tokenizer):
    """Turns text into ids of byte-pair tokens and back.

    Id 0 is the unknown token: a character that the vocabulary lacks, or `<unk>` in a text. The last
    id is the line break. Padding is -1.

    Args:
        words: the vocabulary in the order of ids.
        merges: pairs of tokens to join, the first ones first.
    """

    kind, unknown = "bpe", "characters"
    pad_id, unk_id = -1, 0
    open_ended = True

    def __init__(self, words: Sequence[str], merges: Sequence[tuple[str, str]]) -> None:
        self.words = list(words)
        self.merges = [(first, second) for first, second in merges]
        ids = {word: i for i, word in enumerate(self.words)}
        if len(ids) < len(self.words) or ids.get(UNKNOWN) != 0 or BREAK not in ids:
            raise BundleError(
                f"a vocabulary of byte pairs begins with {UNKNOWN}, has a line break, \\n</w>, and "
                "each token once",
                "make it with `zoo prepare`, or take the files that belong to the weights",
            )
        self.start_id = self.end_id = ids[BREAK]
        try:
            self._tokenizer = _pipeline(ids, self.merges)
        except Exception as error:  # tokenizers raises nothing more precise
            raise BundleError(
                f"merges and vocabulary do not belong together: {error}", "take both from one place"
            ) from None
        self._tokenizer.add_special_tokens([UNKNOWN])

    @classmethod
    def load(cls, path: Path | str) -> BpeTokenizer:
        content = vocabularies.read(path, merges=True)
        return cls(content["words"], content["merges"])

    @classmethod
    def train(cls, lines: Iterable[str], *, vocabulary: int) -> BpeTokenizer:
        """Learn byte pairs from lines of text.

        Args:
            lines: the text.
            vocabulary: most tokens, the unknown one and the line break included; a short text
                gives fewer.

        Raises:
            DataError: the lines have no words.
            OptionError: `vocabulary` leaves no room for the characters of the lines.
        """
        from tokenizers import trainers

        pipeline = _pipeline({UNKNOWN: 0}, [])
        lines = [line.replace(UNKNOWN, " ") for line in lines]
        characters = _characters(pipeline, lines)
        if not characters:
            raise vocabularies.no_words()
        if len(characters) + 2 > vocabulary:
            raise OptionError(
                f"a vocabulary of {vocabulary} has no room for the {len(characters)} characters of "
                "the text",
                "raise tokenizer.vocabulary",
            )
        # The trainer numbers characters in an arbitrary order, so they go in as special tokens.
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary - 1,
            special_tokens=[UNKNOWN, *characters],
            end_of_word_suffix=END_OF_WORD,
            show_progress=False,
        )
        pipeline.train_from_iterator(lines, trainer)
        content = json.loads(pipeline.to_str())["model"]
        words = sorted(content["vocab"], key=content["vocab"].__getitem__)
        return cls([*words, BREAK], [(first, second) for first, second in content["merges"]])

    @property
    def pipeline(self) -> Any:
        """The tokenizer of the library tokenizers, which reads one line."""
        return self._tokenizer

    def save(self, path: Path | str) -> None:
        """Write tokens and merges as JSON, one per line."""
        merges = [" ".join(pair) for pair in self.merges]
        vocabularies.write(path, {"words": self.words, "merges": merges})

    def unknown_parts(self, text: str) -> list[str]:
        # The corpora themselves write <unk>.
        lines = LINE_BREAKS.split(self.plain(text).strip())
        return [
            line[first:last]
            for line, encoded in zip(lines, self._tokenizer.encode_batch(lines), strict=True)
            for i, (first, last) in zip(encoded.ids, encoded.offsets, strict=True)
            if i == self.unk_id and line[first:last] != UNKNOWN
        ]

    def _encode(self, text: str) -> list[int]:
        """Return the ids of a text's tokens, line breaks within it included."""
        check_text("the text", text, nul=False)
        lines = self._tokenizer.encode_batch(LINE_BREAKS.split(text.strip()))
        return [i for line in lines for i in (self.end_id, *line.ids)][1:]

    def line_breaks(self, text: str) -> int:
        return len(LINE_BREAKS.findall(text.strip()))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids without padding: lower case, a space between two words."""
        lines: list[list[int]] = [[]]
        for i in map(int, ids):
            if i == self.end_id:
                lines.append([])
            elif i >= 0:
                lines[-1].append(i)
        # Unknown tokens stay visible.
        return "\n".join(self._tokenizer.decode(line, skip_special_tokens=False) for line in lines)


def _characters(pipeline: Any, lines: Iterable[str]) -> list[str]:
    """Return the sorted characters inside words and, with the end of word, at their ends."""
    inner: set[str] = set()
    last: set[str] = set()
    for line in lines:
        normal = pipeline.normalizer.normalize_str(line)
        for word, _ in pipeline.pre_tokenizer.pre_tokenize_str(normal):
            inner.update(word[:-1])
            last.add(word[-1] + END_OF_WORD)
    return [*sorted(inner), *sorted(last)]


def _pipeline(ids: dict[str, int], merges: list[tuple[str, str]]) -> Any:
    """Return a tokenizer of the library tokenizers with BERT's rules for words."""
    # The import is slow, so only byte pairs wait for it.
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(
        models.BPE(
            ids, merges, unk_token=UNKNOWN, end_of_word_suffix=END_OF_WORD,
            continuing_subword_prefix="", fuse_unk=False,
        )
    )  # fmt: skip
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.BPEDecoder(suffix=END_OF_WORD)
    return tokenizer
