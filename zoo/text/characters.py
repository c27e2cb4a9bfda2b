"""Single characters, for small character-level language models of names, Shakespeare and PTB.

The vocabulary has the characters of the training texts and nothing else. `<end>`, if wanted, is
id 0: it ends a text, begins it and pads, as in makemore's 27 symbols of names. Without it a text
begins after a line break and ends with one, as in char-rnn. Only a vocabulary that is too small for
all characters has `<unk>`; without it, a text with a character that was never seen is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.errors import BundleError, InputError, OptionError
from zoo.text import vocabulary as vocabularies
from zoo.text.tokenizer import Tokenizer

END, UNKNOWN, BREAK = "<end>", "<unk>", "\n"
MOST_SHOWN = 80


class CharacterTokenizer(Tokenizer):
    """Turns text into ids of characters and back.

    Capitals are read as small letters where the vocabulary has only these.

    Args:
        words: `<end>` and `<unk>`, if there are such, then the characters.
    """

    kind, unknown = "characters", "characters"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        special = [word for word in self.words if word in (END, UNKNOWN)]
        vocabularies.check(self.words, special)
        self._ids = {word: i for i, word in enumerate(self.words) if word not in special}
        if any(len(word) != 1 for word in self._ids) or not (END in special or BREAK in self._ids):
            raise BundleError(
                "a vocabulary of characters has single ones, and <end> or a line break",
                "make it with `zoo prepare`",
            )
        self.unk_id = self.words.index(UNKNOWN) if UNKNOWN in special else -1
        self.open_ended = END not in special
        if self.open_ended:
            self.pad_id = -1
            self.start_id = self.end_id = self._ids[BREAK]
        else:
            self.pad_id = self.start_id = self.end_id = self.words.index(END)

    @classmethod
    def load(cls, path: Path | str) -> CharacterTokenizer:
        return cls(vocabularies.read(path)["words"])

    @classmethod
    def train(
        cls, lines: Iterable[str], *, vocabulary: int, end: bool = True
    ) -> CharacterTokenizer:
        """Learn the characters of texts, in code order.

        Args:
            vocabulary: most symbols; with fewer than there are characters, the rarest ones are
                `<unk>`.
            end: whether a text has an end of its own, `<end>`; else a line break ends it.

        Raises:
            DataError: the texts are empty.
            OptionError: `vocabulary` has no room for a character.
        """
        counts = Counter(character for line in lines for character in line)
        if not counts:
            raise vocabularies.no_words()
        if not end:
            counts[BREAK] += 1
        special = [END] if end else []
        if len(counts) > vocabulary - len(special):
            special.append(UNKNOWN)
        chosen = vocabularies.most_frequent(counts, special, vocabulary)[len(special) :]
        if not end and BREAK not in chosen:
            raise OptionError(
                f"a vocabulary of {vocabulary} has no room for the line break that ends a text",
                "raise tokenizer.vocabulary",
            )
        return cls([*special, *sorted(chosen)])

    def save(self, path: Path | str) -> None:
        """Write the symbols as JSON, one per line."""
        vocabularies.write(path, {"words": self.words})

    def check(self, name: str, text: str) -> None:
        super().check(name, text)
        if self.unk_id >= 0:
            return
        plain = self.plain(text)
        missing = next((at for at, sign in enumerate(plain) if sign not in self._ids), None)
        if missing is not None:
            raise InputError(
                f"{name} has {plain[missing]!r} at position {missing}, a character that the model "
                "has never seen",
                f"it knows {self._shown()}",
            )

    def _shown(self) -> str:
        """Return the known characters, each run of neighbours as its ends."""
        runs: list[str] = []
        for sign in sorted(self._ids):
            if runs and ord(runs[-1][-1]) + 1 == ord(sign):
                runs[-1] = runs[-1][0] + sign
            else:
                runs.append(sign)
        shown = (ascii(run[0])[1:-1] + (f"-{run[1]}" if run[1:] else "") for run in runs)
        return " ".join(shown)[:MOST_SHOWN]

    def plain(self, text: str) -> str:
        known = super().plain(text)
        return "".join(
            sign if sign in self._ids or sign.lower() not in self._ids else sign.lower()
            for sign in known
        )

    def split(self, text: str) -> list[str]:
        return list(text)

    def line_breaks(self, text: str) -> int:
        return text.count(BREAK) if BREAK in self._ids else 0

    def known(self, ids: Sequence[int]) -> list[int]:
        return [i for i in map(int, ids) if 0 <= i < self.size and self.words[i] in self._ids]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without `<end>`."""
        words = (self.words[i] for i in map(int, ids) if 0 <= i < self.size)
        return "".join(word for word in words if word != END)
