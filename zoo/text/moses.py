"""Words: text cut by the rules of Moses, as the translators of 2014 and 2015 read it.

A word is what the Moses tokenizer leaves between two spaces: punctuation stands alone, apostrophes
are cut as the language has it, abbreviations keep their full stop. Case stays, and nothing but
white space and control characters is normalised. The vocabulary is the most frequent words of the
training text; every other word is one and the same, unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.errors import DataError
from zoo.text import vocabulary as vocabularies
from zoo.text.tokenizer import END_ID, PAD_ID, START_ID, UNK_ID, Tokenizer

# No text has these words: Moses cuts at < and >.
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
# How the unknown word is written in a text, as the papers print it.
UNKNOWN = "UNK"


class MosesTokenizer(Tokenizer):
    """Turns text into ids of words and back. Ids 0 to 3: padding, unknown, start, end.

    Args:
        words: the vocabulary, a word's place is its id; the first four are `SPECIAL`.
        language: whose rules of Moses apply, as in "fr"; English's where Moses has none.
    """

    kind, unknown = "moses", "words"

    def __init__(self, words: Sequence[str], language: str) -> None:
        # Its tables of characters take a while: only who reads words waits for them.
        import sacremoses

        self.words = list(words)
        self.language = language
        vocabularies.check(self.words, SPECIAL)
        self._ids = {word: i for i, word in enumerate(self.words)}
        self._cut = sacremoses.MosesTokenizer(lang=language).tokenize
        self._join = sacremoses.MosesDetokenizer(lang=language).detokenize

    @classmethod
    def load(cls, path: Path | str) -> MosesTokenizer:
        content = vocabularies.read(path, "language")
        return cls(content["words"], content["language"])

    @classmethod
    def train(cls, lines: Iterable[str], *, vocabulary: int, language: str) -> MosesTokenizer:
        """Take the most frequent words of lines of text; of equal ones the first in code order.

        Args:
            vocabulary: number of words, the four special ones included.
            language: of the lines.

        Raises:
            DataError: if the lines have fewer different words.
        """
        cut = cls(SPECIAL, language)
        counts = Counter(word for line in lines for word in cut.split(line))
        found = len(counts) + len(SPECIAL)
        if found < vocabulary:
            raise DataError(
                f"no vocabulary of {vocabulary:,} words can be made: the '{language}' text has "
                f"{found:,}, the special ones included",
                "lower tokenizer.vocabulary or tokenizer.source_vocabulary, or give more text",
            )
        kept = vocabularies.ordered(counts)[: vocabulary - len(SPECIAL)]
        return cls([*SPECIAL, *kept], language)

    def save(self, path: Path | str) -> None:
        """Write language and words as JSON, a word on each line."""
        vocabularies.write(path, {"language": self.language, "words": self.words})

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, joined by Moses' rules; padding, start and end are left out."""
        kept = [int(i) for i in ids if int(i) not in (PAD_ID, START_ID, END_ID)]
        words = [UNKNOWN if i == UNK_ID else self.words[i] for i in kept]
        return self._join(words, unescape=False)

    def split(self, text: str) -> list[str]:
        # Moses writes & as &amp; and the like for its own files' sake; nothing here needs it.
        return self._cut(text, escape=False)
