"""Words in pieces by learned merges, which subword-nmt itself cuts as for Nematus and fairseq.

Words are cut by the rules of Moses, then each into the longest pieces that its merges make of its
letters; a piece that does not end its word ends in "@@" (`tokenizers` drops letters that no merge
has, and knows no first version). Without merges a word is one piece. What
the vocabulary tells is followed: where it has "&quot;", Moses writes such characters so; where it
has a joint for hyphens, "@-@" or "##AT##-##AT##", a word is cut at its hyphens.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import BundleError
from zoo.text import vocabulary as vocabularies
from zoo.text.moses import UNKNOWN
from zoo.text.tokenizer import Tokenizer

JOINER, END_OF_WORD = "@@", "</w>"
MOSES_HYPHEN = "@-@"
HYPHENS = ("##AT##-##AT##", MOSES_HYPHEN)
ESCAPES = ("&quot;", "&apos;", "&amp;")


class SubwordTokenizer(Tokenizer):
    """Turns text into ids of pieces and back.

    Args:
        words: the vocabulary, a piece's place is its id.
        special: the words for padding, unknown, start and end; one word may be several of them. No
            text has them.
        language: whose rules of Moses apply, as in "de"; English's where Moses has none.
        merges: pairs that are joined, the first ones first. `</w>` ends a word: with its last
            letter, or as a letter of its own where a pair has it alone, as in the first version.
    """

    kind = "subwords"

    def __init__(
        self,
        words: Sequence[str],
        special: Sequence[str],
        language: str,
        merges: Sequence[tuple[str, str]] = (),
    ) -> None:
        # Its tables of characters take a while: only who reads words waits for them.
        from sacremoses import MosesDetokenizer, MosesTokenizer

        self.words = list(words)
        self.special = list(special)
        self.language = language
        self.merges = [(first, second) for first, second in merges]
        ids = {word: i for i, word in enumerate(self.words)}
        if len(ids) < len(self.words) or len(self.special) != 4 or not ids.keys() >= {*special}:
            raise BundleError(
                f"a vocabulary of pieces has {', '.join(special)} and has each piece once",
                "take the files that belong to the weights",
            )
        self.pad_id, self.unk_id, self.start_id, self.end_id = (ids[each] for each in special)
        self.unknown = "characters" if merges else "words"
        self._ids = {word: i for word, i in ids.items() if word not in self.special}
        self._escape = any(each in ids for each in ESCAPES)
        self._hyphen = next((each for each in HYPHENS if each in ids), None)
        self._moses = MosesTokenizer(lang=language).tokenize
        self._join = MosesDetokenizer(lang=language).detokenize
        # Of a pair that is there twice, the first counts.
        self._ranks = {pair: i for i, pair in reversed(list(enumerate(self.merges)))}
        separate = any(second == END_OF_WORD for _, second in self.merges)
        self._version = (0, 1) if separate else (0, 2)
        self._cut = functools.lru_cache(maxsize=2**17)(self._merged)

    @classmethod
    def load(cls, path: Path | str) -> SubwordTokenizer:
        found = vocabularies.read(path, "language", lists=("special",), merges=True)
        return cls(found["words"], found["special"], found["language"], found["merges"])

    def save(self, path: Path | str) -> None:
        """Write language, pieces and merges as JSON, one on each line."""
        vocabularies.write(
            path,
            {
                "language": self.language, "special": self.special, "words": self.words,
                "merges": [" ".join(pair) for pair in self.merges],
            },
        )  # fmt: skip

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, joined by Moses' rules; padding, start and end are left out."""
        left_out = {self.pad_id, self.start_id, self.end_id}
        kept = [int(i) for i in ids if int(i) not in left_out]
        pieces = [UNKNOWN if i == self.unk_id else self.words[i] for i in kept]
        words = f"{' '.join(pieces)} ".replace(f"{JOINER} ", "").split()
        if self._hyphen is not None:
            words = [MOSES_HYPHEN if word == self._hyphen else word for word in words]
        return self._join(words, unescape=self._escape)

    def split(self, text: str) -> list[str]:
        words = self._moses(
            text, aggressive_dash_splits=self._hyphen is not None, escape=self._escape
        )
        found: list[str] = []
        for word in words:
            if word == MOSES_HYPHEN and self._hyphen is not None:
                found.append(self._hyphen)
            else:
                found += self._cut(word)
        return found

    def _merged(self, word: str) -> tuple[str, ...]:
        """Return the pieces of a word: the pair that was learned first is joined, then the next."""
        if not self.merges:
            return (word,)
        from subword_nmt.apply_bpe import encode

        *parts, last = encode(word, self._ranks, {}, None, JOINER, self._version, {})
        return (*(part + JOINER for part in parts), last)
