"""Words: text cut by the rules of Moses, as the translators of 2014 and 2015 read it.

The Moses tokenizer puts spaces between words: punctuation stands alone, apostrophes follow the
language's rules, abbreviations keep their full stop. Case stays; only whitespace and control
characters are normalised. The vocabulary is the most frequent words of the training text; all
other words share the unknown id.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from zoo.errors import DataError
from zoo.text import vocabulary as vocabularies
from zoo.text.tokenizer import UNK_ID, Tokenizer

# No text has these words: Moses cuts at < and >.
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
# The unknown word in a text, as the papers print it.
UNKNOWN = "UNK"


@functools.cache
def rules(language: str) -> tuple[Callable, Callable]:
    """Return Moses' functions that cut a text and join words; English's if it lacks a language."""
    # The import loads large tables of characters, so only tokenizers of words wait for it.
    from sacremoses import MosesDetokenizer, MosesTokenizer

    return MosesTokenizer(lang=language).tokenize, MosesDetokenizer(lang=language).detokenize


class MosesTokenizer(Tokenizer):
    """Turns text into ids of words and back. Ids 0 to 3: padding, unknown, start, end.

    Args:
        words: the vocabulary in the order of ids; the first four are `SPECIAL`.
        language: such as "fr", whose rules of Moses apply; see `rules`.
    """

    kind, unknown = "moses", "words"

    def __init__(self, words: Sequence[str], language: str) -> None:
        self.words = list(words)
        self.language = language
        vocabularies.check(self.words, SPECIAL)
        self._ids = {word: i for i, word in enumerate(self.words)}
        self._cut, self._join = rules(language)

    @classmethod
    def load(cls, path: Path | str) -> MosesTokenizer:
        content = vocabularies.read(path, "language")
        return cls(content["words"], content["language"])

    @classmethod
    def train(cls, lines: Iterable[str], *, vocabulary: int, language: str) -> MosesTokenizer:
        """Learn the most frequent words of lines of text; equally frequent ones in code order.

        Args:
            vocabulary: number of words, the four special ones included.
            language: of the lines.

        Raises:
            DataError: the lines have fewer different words.
        """
        empty = cls(SPECIAL, language)
        counts = Counter(word for line in lines for word in empty.split(line))
        available = len(counts) + len(SPECIAL)
        if available < vocabulary:
            raise DataError(
                f"no vocabulary of {vocabulary:,} words can be made: the '{language}' text has "
                f"{available:,}, the special ones included",
                "lower tokenizer.vocabulary or tokenizer.source_vocabulary, or give more text",
            )
        kept = vocabularies.ordered(counts)[: vocabulary - len(SPECIAL)]
        return cls([*SPECIAL, *kept], language)

    def save(self, path: Path | str) -> None:
        """Write language and words as JSON, one word per line."""
        vocabularies.write(path, {"language": self.language, "words": self.words})

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, joined by Moses' rules, without padding, start and end."""
        words = [UNKNOWN if i == UNK_ID else self.words[i] for i in self._of_text(ids)]
        return self._join(words, unescape=False)

    def split(self, text: str) -> list[str]:
        # Moses escapes & as &amp; for its own files only.
        return self._cut(text, escape=False)
