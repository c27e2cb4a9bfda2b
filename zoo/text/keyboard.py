"""Typography to what a keyboard has: straight quotes, apostrophes and plain dashes.

The rule is a table, so that a tokenizer can hold it too: with the normalisation "keyboard" the
SentencePiece model itself rewrites a text, in training and ever after. All else is "nmt_nfkc".
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable

APOSTROPHES = "\u2018\u2019\u201a\u201b\u02bc\u00b4\u0060\u2032"
QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
SPACES = "\u0020\u00a0\u2009\u202f"  # French has one inside its quotation marks

TABLE: dict[str, str] = (
    dict.fromkeys(APOSTROPHES, "'")
    | dict.fromkeys(QUOTES, '"')
    | dict.fromkeys(DASHES, "-")
    | {f"\u00ab{space}": '"' for space in SPACES}
    | {f"{space}\u00bb": '"' for space in SPACES}
    | {"\u00ad": "", "\u200b": "", "\ufffd": ""}  # soft hyphen, zero width space, a lost character
)
_LONGEST_FIRST = re.compile("|".join(sorted(TABLE, key=len, reverse=True)))


def plain(text: str) -> str:
    """Return a text with straight quotes and apostrophes, "-" for every dash, single spaces."""
    return " ".join(_LONGEST_FIRST.sub(lambda match: TABLE[match[0]], text).split())


def rules(normalize: Callable[[str], str]) -> str:
    """Return the table as SentencePiece's rules; `normalize` says what other characters become.

    A line is code points in hexadecimal, a tab, and the code points that they become.
    """
    found = {}
    for code in range(1, sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) == "Cs":
            continue
        normal = normalize(character)
        if normal != character:
            found[character] = normal
        # A letter and its accents, each of its own, are the one character.
        apart = unicodedata.normalize("NFD", character)
        if len(apart) > 1:
            found[apart] = unicodedata.normalize("NFKC", character)
    lines = (
        f"{_codes(given)}\t{_codes(normal)}"
        for given, normal in (found | TABLE).items()
        if given != normal
    )
    return "\n".join(lines) + "\n"


def _codes(text: str) -> str:
    return " ".join(f"{ord(character):X}" for character in text)
