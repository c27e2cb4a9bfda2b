"""Words in pieces by learned merges, cut by subword-nmt itself, as for Nematus and fairseq.

The rules of Moses cut a text into words; merges make the longest pieces of each word's letters, and
"@@" ends a piece inside a word (`tokenizers` drops letters without a merge and lacks the first
version of the format). Without merges a word is one piece. The vocabulary decides details: if it
has "&quot;", Moses escapes such characters; if it has a joint for hyphens, "@-@" or
"##AT##-##AT##", words are cut at hyphens.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import BundleError
from zoo.text import vocabulary as vocabularies
from zoo.text.moses import UNKNOWN, rules
from zoo.text.tokenizer import Tokenizer

JOINER, END_OF_WORD = "@@", "</w>"
MOSES_HYPHEN = "@-@"
HYPHENS = ("##AT##-##AT##", MOSES_HYPHEN)
ESCAPES = ("&quot;", "&apos;", "&amp;")


class SubwordTokenizer(Tokenizer):
    """Turns text into ids of pieces and back.

    Args:
        words: the vocabulary in the order of ids.
        special: the words for padding, unknown, start and end, not all different; no text has them.
        language: such as "de", whose rules of Moses apply; see `zoo.text.moses.rules`.
        merges: pairs to join, the first ones first. `</w>` ends a word: with its last letter, or
            alone in a pair, as in the first version of the format.
    """

    kind = "subwords"

    def __init__(
        self,
        words: Sequence[str],
        special: Sequence[str],
        language: str,
        merges: Sequence[tuple[str, str]] = (),
    ) -> None:
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
        self.pad_id, self.unk_id, self.start_id, self.end_id = (ids[word] for word in special)
        self.unknown = "characters" if merges else "words"
        self._ids = {word: i for word, i in ids.items() if word not in self.special}
        self._escape = any(escape in ids for escape in ESCAPES)
        self._hyphen = next((hyphen for hyphen in HYPHENS if hyphen in ids), None)
        self._moses, self._join = rules(language)
        # The first of equal pairs counts.
        self._ranks = {pair: i for i, pair in reversed(list(enumerate(self.merges)))}
        separate = any(second == END_OF_WORD for _, second in self.merges)
        self._version = (0, 1) if separate else (0, 2)
        self._cut = functools.lru_cache(maxsize=2**17)(self._merged)

    @classmethod
    def load(cls, path: Path | str) -> SubwordTokenizer:
        parts = vocabularies.read(path, "language", lists=("special",), merges=True)
        return cls(parts["words"], parts["special"], parts["language"], parts["merges"])

    def save(self, path: Path | str) -> None:
        """Write language, pieces and merges as JSON, one per line."""
        merges = [" ".join(pair) for pair in self.merges]
        content = {"special": self.special, "words": self.words, "merges": merges}
        vocabularies.write(path, {"language": self.language, **content})

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, joined by Moses' rules, without padding, start and end."""
        pieces = [UNKNOWN if i == self.unk_id else self.words[i] for i in self._of_text(ids)]
        words = f"{' '.join(pieces)} ".replace(f"{JOINER} ", "").split()
        if self._hyphen is not None:
            words = [MOSES_HYPHEN if word == self._hyphen else word for word in words]
        return self._join(words, unescape=self._escape)

    def split(self, text: str) -> list[str]:
        has_hyphen = self._hyphen is not None
        pieces: list[str] = []
        for word in self._moses(text, aggressive_dash_splits=has_hyphen, escape=self._escape):
            if word == MOSES_HYPHEN and self._hyphen is not None:
                pieces.append(self._hyphen)
            else:
                pieces += self._cut(word)
        return pieces

    def unknown_parts(self, text: str) -> list[str]:
        return [part.removesuffix(JOINER) for part in super().unknown_parts(text)]

    def _merged(self, word: str) -> tuple[str, ...]:
        """Return the pieces of a word: join the pair learned first, then the next."""
        if not self.merges:
            return (word,)
        from subword_nmt.apply_bpe import encode

        *parts, last = encode(word, self._ranks, {}, None, JOINER, self._version, {})
        return (*(part + JOINER for part in parts), last)
