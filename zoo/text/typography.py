"""Typographic signs in plain form, for tokenizers that have not seen the signs themselves.

Printed text has curly quotes, long dashes, spaces of several widths and invisible marks; many
vocabularies were learned from text without them. `table` maps each sign that a tokenizer does not
know to the first replacement that it does. A sign that it knows stays.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

# \x91 to \x97 are the quotes and dashes of Windows' encoding, read as if it were Latin-1.
_DOUBLE = "“”„‟«»″〝〞\x93\x94"
_SINGLE = "‘’‚‛‹›′´ʼ\x91\x92"
_HYPHENS = "‐‑‒–−\x96"
_SPACES = (
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
    "\u202f\u205f\u3000"
)
# Soft hyphen, zero-width spaces and joiners, marks of direction, byte order, variation selectors.
_INVISIBLE = (
    "\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062"
    "\u2063\u2064\u2066\u2067\u2068\u2069\ufeff\ufe0e\ufe0f"
)
_KEPT = "\t\n\r\x85\x91\x92\x93\x94\x96\x97"
_CONTROLS = "".join(chr(i) for i in (*range(32), *range(127, 160)) if chr(i) not in _KEPT)

# Each sign with its replacements, the nearest first. A long dash stands between words, which a
# hyphen alone would join.
REPLACEMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_DOUBLE, ('"', "''")),
    **dict.fromkeys(_SINGLE, ("'",)),
    **dict.fromkeys(_HYPHENS, ("-",)),
    **dict.fromkeys("—\x97", (" – ", " - ")),
    "―": ("—", " – ", " - "),
    "…": ("...",),
    **dict.fromkeys(_SPACES, (" ",)),
    **dict.fromkeys(_INVISIBLE + _CONTROLS, ("",)),
}

# What a model card says of it.
CARD = (
    "Quotes, dashes, ellipses and spaces of printed text that the vocabulary lacks are read in "
    "plain form (curly quotes as straight ones, a dash as a hyphen), and invisible marks are left "
    "out."
)


def table(knows: Callable[[str], bool], writes: Callable[[str], bool]) -> dict[int, str]:
    """Return the argument of `str.translate` for a tokenizer.

    Args:
        knows: whether it has a sign as it stands.
        writes: whether it has one as it stands or within a word, as the one in "it's".
    """
    plain = {}
    for sign, options in REPLACEMENTS.items():
        if not knows(sign):
            for option in options:
                if all(character == " " or writes(character) for character in option):
                    plain[ord(sign)] = option
                    break
    return plain


def is_blank(text: str) -> bool:
    """Return whether a text has nothing to see: whitespace, control and invisible characters."""
    return all(
        unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp") or character in _INVISIBLE
        for character in text
    )
