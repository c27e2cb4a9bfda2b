"""Words between white space, unchanged: how language models on PTB and WikiText-2 are compared.

These corpora come cut, with rare words already written `<unk>`; whoever cut them otherwise would
measure another perplexity. `<eos>` is the only word that is added. As in the authors' code, each
line ends with it, a text begins after one, and nothing is padded in training: so one id is end,
start and padding at once. Give `encode` one line at a time: within a text, a line break is white
space like any other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.text import vocabulary as vocabularies
from zoo.text.tokenizer import Tokenizer

SPECIAL = ("<eos>", "<unk>")
END, UNKNOWN = SPECIAL

# WikiText writes a hyphen, comma or full stop inside a word or number as a word of its own.
JOINT = re.compile(r" ?(?<!\S)@([-,.])@(?!\S) ?")


class WhitespaceTokenizer(Tokenizer):
    """Turns text into ids of words and back. Id 0: end, start and padding; id 1: unknown.

    Args:
        words: the vocabulary, a word's place is its id; the first two are `SPECIAL`.
    """

    kind, unknown = "whitespace", "words"
    pad_id, unk_id, start_id, end_id = 0, 1, 0, 0

    def __init__(self, words: Sequence[str]) -> None:
        # Its tables of characters take a while: only who reads words waits for them.
        from sacremoses import MosesDetokenizer

        self.words = list(words)
        vocabularies.check(self.words, SPECIAL)
        # A text that spells out <eos> does not end there: for a text it is no word.
        self._ids = {word: i for i, word in enumerate(self.words) if word != END}
        self._join = MosesDetokenizer(lang="en").detokenize

    @classmethod
    def load(cls, path: Path | str) -> WhitespaceTokenizer:
        return cls(vocabularies.read(path)["words"])

    @classmethod
    def train(cls, lines: Iterable[str], *, vocabulary: int) -> WhitespaceTokenizer:
        """Take the most frequent words of lines of text; of equal ones the first in code order.

        Arguments and errors are those of `zoo.text.vocabulary.most_frequent`.
        """
        counts = Counter(word for line in lines for word in line.split())
        return cls(vocabularies.most_frequent(counts, SPECIAL, vocabulary))

    def save(self, path: Path | str) -> None:
        """Write the words as JSON, a word on each line."""
        vocabularies.write(path, {"words": self.words})

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, joined by Moses' rules for English so that it reads well.

        End, start and padding, which are one, are left out; WikiText's "@-@", "@,@" and "@.@"
        become the character that they stand for. The unknown word stays `<unk>`, as the corpora
        write it.
        """
        words = " ".join(self.words[int(i)] for i in ids if int(i) != self.end_id)
        return self._join(JOINT.sub(r"\1", words).split(), unescape=False)

    def split(self, text: str) -> list[str]:
        return text.split()
