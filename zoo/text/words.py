"""Split a text into words and signs, with their places in it.

The words are those of treebanks and of CoNLL's corpora, as far as rules find them:

    one word    letters and digits, with hyphens, apostrophes and ampersands between them, as in
                O'Brien and AT&T; numbers, as in 1,000.5 and 10:30; U.S. and Mr.; addresses
    two words   do|n't, it|'s, they|'re
    one each    every Chinese character and other sign; but "..." and "--" are one

Marks and invisible characters belong to what is before them. Nothing is changed or left out but
spaces.
"""

from __future__ import annotations

import re
import unicodedata

Span = tuple[int, int]

_MARK = "\u0300"  # stands for every mark and invisible character
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_LETTER = rf"(?:(?![{_HAN}_])\w{_MARK}*)"  # or digit
_TITLES = "Mr|Mrs|Ms|Dr|Prof|Rev|Gen|Sen|Rep|Gov|Col|Lt|St|Jr|Sr|Inc|Corp|Co|Ltd|vs"
_WORD = re.compile(
    rf"""
      (?:https?://|www\.)[^\s<>"]*[^\s<>".,;:!?'’)\]]    # an address of the web
    | [\w.+-]{{1,64}}@[\w-]+(?:\.[\w-]+)+                   # or of mail
    | (?<!\w)(?:[^\W\d_]\.){{2,}}                          # U.S.
    | (?<!\w)(?:{_TITLES})\.(?=\s|$)                     # Mr.
    | {_LETTER}+(?:(?:[-'’&_]|(?<=\d)[.,:/](?=\d)){_LETTER}+)*
    | \.{{2,}} | -{{2,}}
    | \S{_MARK}*
    """,
    re.VERBOSE,
)
_SHORTENED = re.compile(r"(?:n['’]t|['’](?:s|m|d|re|ve|ll))$", re.IGNORECASE)


def spans(text: str) -> list[Span]:
    """Return the start and end of each word of a text."""
    shape = text if text.isascii() and text.isprintable() else "".join(map(_shape, text))
    found: list[Span] = []
    for match in _WORD.finditer(shape):
        start, end = match.span()
        shortened = _SHORTENED.search(match[0])
        if shortened and shortened.start():
            found.append((start, start + shortened.start()))
            start += shortened.start()
        found.append((start, end))
    return found


def _shape(character: str) -> str:
    """Return one character that stands for a character in the rules."""
    if character.isspace():
        return " "
    kind = unicodedata.category(character)
    return _MARK if kind[0] == "M" or kind in ("Cc", "Cf") else character
