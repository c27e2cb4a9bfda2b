"""What a tokenizer does not know of texts: one rule for all tasks.

    empty           nothing to see in the text: InputError
    nothing known   no word or character of it is known: InputError
    partly known    characters are missing from the vocabulary: one ZooWarning lists them

A vocabulary of words lacks many words, as its model has learned to expect: that alone is silent.
Signs do not make a text known whose letters are all unknown. In rows of examples, a text of unknown
words in known letters is only warned of.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from zoo.errors import InputError, ZooWarning, item_names
from zoo.text import Tokenizer
from zoo.text.typography import is_blank

MOST_CHARACTERS, MOST_NUMBERS = 20, 10


class Reading:
    """Encodes texts by the rule, and collects what `warn` tells once of all of them.

    Args:
        noun: what holds the texts, as in "pair".
        total: how many of these there are.
        rows: whether they are rows of examples.
        none: whether "" is a text of no symbols, and no error.
    """

    def __init__(self, noun: str, total: int, rows: bool = False, none: bool = False) -> None:
        self.noun, self.total, self.rows, self.none = noun, total, rows, none
        self._characters: dict[str, None] = {}
        self._partly: dict[int, None] = {}
        self._wordless: dict[int, None] = {}

    def encode(
        self, tokenizer: Tokenizer, text: str, language: str, name: str, number: int
    ) -> list[int]:
        """Return the ids of a text, without start and end.

        Args:
            language: the language that the model reads.
            name: the text's name in messages.
            number: the number of its pair or row, from 1.

        Raises:
            InputError: the text is empty, or the tokenizer knows nothing of it.
        """
        ids = tokenizer.encode(text, name)
        if self.none and text == "":
            return []
        if is_blank(tokenizer.prefix(text)[1]) or not ids:
            raise InputError(f"{name} is empty", "give at least one word")
        if tokenizer.unk_id not in ids:
            return ids
        if not is_legible(tokenizer, text, ids):
            if not self.rows or tokenizer.unknown == "characters" or _is_foreign(tokenizer, text):
                raise _nothing_known(tokenizer, text, language, name)
            self._wordless[number] = None
        else:
            self._note(tokenizer, text, number)
        return ids

    def check(self, tokenizer: Tokenizer, text: str, *about: Any) -> None:
        """Check a text as `encode` does; a known word between spaces saves the rest."""
        if tokenizer.unknown == "words":
            words = (word for word in text.split() if word.isalnum())
            if any(tokenizer.has(word) or tokenizer.has(word.lower()) for word in words):
                return
        self.encode(tokenizer, text, *about)

    def check_stream(
        self, tokenizer: Tokenizer, texts: Sequence[str], language: str, name: str
    ) -> None:
        """Check texts that are read as one, of which single ones may be unknown; and `warn`.

        Raises:
            InputError: the tokenizer knows nothing of any.
        """
        legible, unread = False, ""
        for number, text in enumerate(texts, start=1):
            if legible and tokenizer.unknown == "words":
                break  # unknown words are no news
            ids = tokenizer.encode(text, f"{name} of row {number}")
            if tokenizer.unk_id in ids:
                self._note(tokenizer, text, number)
                unread = unread or text
            legible = legible or is_legible(tokenizer, text, ids)
        if unread and not legible:
            raise _nothing_known(tokenizer, unread, language, name)
        self.warn(stacklevel=5)

    def _note(self, tokenizer: Tokenizer, text: str, number: int) -> None:
        """Keep the unknown characters of a text for the warning."""
        if tokenizer.unknown == "characters":
            self._partly[number] = None
            for part in tokenizer.unknown_parts(text):
                missing = [c for c in part if not tokenizer.knows(c)]
                self._characters.update(dict.fromkeys(missing or [part]))

    def warn(self, stacklevel: int = 4) -> None:
        """Warn of the characters that the tokenizer does not know, and of rows without a word."""
        if self._characters:
            some = [_shown(part) for part in list(self._characters)[:MOST_CHARACTERS]]
            if more := len(self._characters) - len(some):
                some.append(f"and {more} more")
            what = "a character" if len(self._characters) == 1 else "characters"
            warnings.warn(
                f"{self._where(self._partly)} {what} that the model does not know: "
                f"{', '.join(some)}",
                ZooWarning,
                stacklevel=stacklevel,
            )
        if self._wordless:
            warnings.warn(
                f"{self._where(self._wordless)} no word that the model knows",
                ZooWarning,
                stacklevel=stacklevel,
            )

    def _where(self, numbers: Iterable[int]) -> str:
        """Return the start of a sentence that names the places, as in "texts 1, 4 of 9 have"."""
        listed = list(numbers)
        if self.total == 1:
            return f"the {self.noun} has"
        some = ", ".join(map(str, listed[:MOST_NUMBERS]))
        if len(listed) > MOST_NUMBERS:
            some += f" and {len(listed) - MOST_NUMBERS} more"
        nouns, has = (self.noun, "has") if len(listed) == 1 else (f"{self.noun}s", "have")
        return f"{nouns} {some} (of {self.total}) {has}"


def encode(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    language: str,
    noun: str = "text",
    none: bool = False,
) -> list[list[int]]:
    """Encode texts without start and end, by the rule.

    Args:
        language: the language that the model reads.
        noun: names a text in messages, with its number.
        none: see `Reading`.

    Raises:
        InputError: a text is empty, or the tokenizer knows nothing of it.
    """
    reading = Reading(noun, len(texts), none=none)
    names = item_names(noun, len(texts))
    encoded = [
        reading.encode(tokenizer, text, language, name, number)
        for number, (name, text) in enumerate(zip(names, texts, strict=True), start=1)
    ]
    reading.warn(stacklevel=5)
    return encoded


def _nothing_known(tokenizer: Tokenizer, text: str, language: str, name: str) -> InputError:
    start = repr(text if len(text) <= 40 else text[:40] + "...")
    return InputError(
        f"{name} has only {tokenizer.unknown} that the model does not know: {start}",
        f"it reads language '{language}'" if language else "",
    )


def pieces(tokenizer: Tokenizer, ids: Sequence[int], text: str, reverse: bool = False) -> list[str]:
    """Return the pieces of a text's ids; unknown ones are shown as they stand in the text.

    Args:
        ids: of the text's first pieces, perhaps with other ids after them.
        reverse: whether they are in reverse.
    """
    shown = tokenizer.pieces(ids)
    if tokenizer.unk_id in ids:
        parts = tokenizer.unknown_parts(text)[: list(ids).count(tokenizer.unk_id)]
        unknown = iter(parts[::-1] if reverse else parts)
        for place, i in enumerate(ids):
            if i == tokenizer.unk_id:
                shown[place] = next(unknown)
    return shown


def is_legible(tokenizer: Tokenizer, text: str, ids: Sequence[int]) -> bool:
    """Return whether a tokenizer knows something of a text, given its ids.

    Known signs count only if no letter or digit is unknown.
    """
    if tokenizer.unk_id not in ids:
        return bool(ids)
    prefix, _ = tokenizer.prefix(text)
    known = dict.fromkeys(tokenizer.known(ids[1:] if prefix else ids))
    signs = False
    for i in known:
        piece = tokenizer.decode([i])
        if any(character.isalnum() for character in piece):
            return True
        signs = signs or bool(piece.strip())
    if not signs:
        return False
    return not any(c.isalnum() for part in tokenizer.unknown_parts(text) for c in part)


def _is_foreign(tokenizer: Tokenizer, text: str) -> bool:
    """Return whether a text has letters and the vocabulary of words has none of them."""
    letters = {character for character in text.casefold() if character.isalpha()}
    return bool(letters) and not letters & tokenizer.letters


def _shown(part: str) -> str:
    """Return a character as a message shows it: with its code if it cannot be seen."""
    if len(part) > 1 or (part.isprintable() and unicodedata.category(part)[0] not in "MZC"):
        return f"'{part}'"
    return f"U+{ord(part):04X}"
