"""Words between whitespace, unchanged, for comparable language models on PTB and WikiText-2.

These corpora come cut, with rare words written `<unk>`; another cut would give another perplexity.
The tokenizer only adds `<eos>`. As in the authors' code, each line ends with it, a text begins
after one, and training pads nothing: so one id is end, start and padding. Give `encode` one line at
a time: it treats a line break like any other whitespace.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.text import vocabulary as vocabularies
from zoo.text.moses import rules
from zoo.text.tokenizer import Tokenizer

SPECIAL = ("<eos>", "<unk>")
END, UNKNOWN = SPECIAL

# WikiText writes a hyphen, comma or full stop inside a word or number as a word of its own.
JOINT = re.compile(r" ?(?<!\S)@([-,.])@(?!\S) ?")


class WhitespaceTokenizer(Tokenizer):
    """Turns text into ids of words and back. Id 0: end, start and padding; id 1: unknown.

    Args:
        words: the vocabulary in the order of ids; the first two are `SPECIAL`.
    """

    kind, unknown = "whitespace", "words"
    pad_id, unk_id, start_id, end_id = 0, 1, 0, 0

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        vocabularies.check(self.words, SPECIAL)
        # A text that spells out <eos> does not end there: it is an unknown word.
        self._ids = {word: i for i, word in enumerate(self.words) if word != END}
        _, self._join = rules("en")

    @classmethod
    def load(cls, path: Path | str) -> WhitespaceTokenizer:
        return cls(vocabularies.read(path)["words"])

    @classmethod
    def train(cls, lines: Iterable[str], *, vocabulary: int) -> WhitespaceTokenizer:
        """Learn the most frequent words of lines of text; see `vocabulary.most_frequent`."""
        counts = Counter(word for line in lines for word in line.split())
        return cls(vocabularies.most_frequent(counts, SPECIAL, vocabulary))

    def save(self, path: Path | str) -> None:
        """Write the words as JSON, one word per line."""
        vocabularies.write(path, {"words": self.words})

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids without `<eos>`, joined by Moses' rules for English.

        WikiText's "@-@", "@,@" and "@.@" become the character in the middle. The unknown word stays
        `<unk>`, as in the corpora.
        """
        words = " ".join(self.words[i] for i in self._of_text(ids))
        return self._join(JOINT.sub(r"\1", words).split(), unescape=False)

    def knows(self, character: str) -> bool:
        return character in self.characters  # no sign is cut off a word

    def split(self, text: str) -> list[str]:
        return text.split()
