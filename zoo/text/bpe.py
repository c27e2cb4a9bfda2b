"""Byte-pair encoding as GPT reads text: lower case, with `</w>` at the end of each word.

Words are cut as transformers' OpenAIGPTTokenizer cuts them, by BERT's rules: control characters
are dropped, accents taken off, punctuation and Chinese characters are words of their own. OpenAI's
own code used spaCy for that, after ftfy, and differs in unusual punctuation and contractions; its
rules for a line break are kept: spaces around it are dropped, several count once, and it is a token
of its own, `\\n</w>`, where transformers' tokenizer takes it for a space.

The vocabulary has no start, end or padding. A line break is what a text begins after and ends with.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import BundleError, DataError, OptionError
from zoo.text import vocabulary as vocabularies
from zoo.text.tokenizer import Tokenizer

UNKNOWN = "<unk>"
END_OF_WORD = "</w>"
BREAK = f"\n{END_OF_WORD}"

LINE_BREAKS = re.compile(r"[^\S\n]*(?:\r\n?|\n)\s*")


class BpeTokenizer(Tokenizer):
    """Turns text into ids of byte-pair tokens and back.

    Id 0 is the unknown token, which stands for a character that is not in the vocabulary, or for
    `<unk>` in a text; the last id is the line break. Padding is -1, which is no token.

    Args:
        words: the vocabulary, a token's place is its id.
        merges: pairs of tokens that are joined, the first ones first.
    """

    kind, unknown = "bpe", "characters"
    pad_id, unk_id = -1, 0
    #: a text that is to be continued neither begins nor ends with a token of its own
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
            vocabulary: number of tokens, the unknown one and the line break included. Lines with
                fewer different tokens give all that they have.

        Raises:
            DataError: if there is no word in the lines.
            OptionError: if `vocabulary` leaves no room for the characters of the lines.
        """
        from tokenizers import trainers

        made = _pipeline({UNKNOWN: 0}, [])
        lines = [line.replace(UNKNOWN, " ") for line in lines]
        characters = _characters(made, lines)
        if not characters:
            raise DataError(
                "no vocabulary can be made: the text has no words", "give text to learn it from"
            )
        if len(characters) + 2 > vocabulary:
            raise OptionError(
                f"a vocabulary of {vocabulary} has no room for the {len(characters)} characters of "
                "the text",
                "raise tokenizer.vocabulary",
            )
        # The trainer would number the characters in an order of its own, another one each time.
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary - 1,
            special_tokens=[UNKNOWN, *characters],
            end_of_word_suffix=END_OF_WORD,
            show_progress=False,
        )
        made.train_from_iterator(lines, trainer)
        content = json.loads(made.to_str())["model"]
        words = sorted(content["vocab"], key=content["vocab"].__getitem__)
        return cls([*words, BREAK], [(first, second) for first, second in content["merges"]])

    def save(self, path: Path | str) -> None:
        """Write tokens and merges as JSON, one on each line."""
        merges = [" ".join(pair) for pair in self.merges]
        vocabularies.write(path, {"words": self.words, "merges": merges})

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text's tokens, line breaks within it included."""
        lines = LINE_BREAKS.split(text.strip())
        ids = [each.ids for each in self._tokenizer.encode_batch(lines)]
        parted = itertools.chain.from_iterable((self.end_id, *each) for each in ids)
        return list(parted)[1:]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids: lower case, a space between two words; padding is left out."""
        lines: list[list[int]] = [[]]
        for i in map(int, ids):
            if i == self.end_id:
                lines.append([])
            elif i >= 0:
                lines[-1].append(i)
        # Unknown tokens stay, so that one sees them.
        return "\n".join(self._tokenizer.decode(each, skip_special_tokens=False) for each in lines)


def _characters(pipeline: Any, lines: Iterable[str]) -> list[str]:
    """Return the characters of words, and those that end one with its end, sorted."""
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
    # Its import takes a while: only who reads byte pairs waits for it.
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    made = Tokenizer(
        models.BPE(
            ids, merges, unk_token=UNKNOWN, end_of_word_suffix=END_OF_WORD,
            continuing_subword_prefix="", fuse_unk=False,
        )
    )  # fmt: skip
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.BPEDecoder(suffix=END_OF_WORD)
    return made
