"""Text in sentences, by sentencex, and in lines."""

from __future__ import annotations

import re
import unicodedata

from zoo.config.languages import CHINESE, JAPANESE, OTHERS_WITHOUT_SPACES, base_code

LINE_BREAK = re.compile(r"(\r\n|[\n\r\v\f\x85\u2028\u2029])")

# Where sentencex 1.0 cuts and no sentence ends: after the number of a list, after German ordinals
# ("im 19. Jahrhundert") and French titles ("M. Dupont").
NUMBER_OF_LIST = re.compile(r"\(?(\d{1,3}|[A-Za-z])[.)]")
CONTINUES = {
    "de": re.compile(r".*(?<![\d.,])\d{1,3}\.", re.DOTALL),
    "fr": re.compile(r".*\b(M|MM|Mme|Mmes|Mlle|Mgr|av|apr|J\.-C)\.", re.DOTALL | re.IGNORECASE),
}

# Languages that put no space between sentences.
WITHOUT_SPACES = {*CHINESE, *JAPANESE, *OTHERS_WITHOUT_SPACES}


def split(text: str, language: str) -> list[str]:
    """Return the sentences of a text, without the whitespace around them.

    Args:
        language: a code such as "de", whose abbreviations count; English rules for one that
            sentencex does not know.
    """
    import sentencex

    language = base_code(language)
    continues = CONTINUES.get(language)
    sentences: list[str] = []
    joins = False
    for stretch in sentencex.segment(language, text):
        if sentences and (joins or _is_punctuation(stretch)):
            sentences[-1] += stretch
        elif stretch.strip():
            sentences.append(stretch)
        if sentences:
            last = sentences[-1].strip()
            joins = bool(
                NUMBER_OF_LIST.fullmatch(last) or (continues and continues.fullmatch(last))
            )
    return [sentence.strip() for sentence in sentences]


def lines(text: str) -> tuple[list[str], list[str]]:
    """Return the lines of a text, and the line break after each but the last."""
    parts = LINE_BREAK.split(text)
    return parts[::2], parts[1::2]


def separator(language: str) -> str:
    """Return what stands between two sentences of a language."""
    return "" if base_code(language) in WITHOUT_SPACES else " "


def _is_punctuation(text: str) -> bool:
    return all(c.isspace() or unicodedata.category(c)[0] == "P" for c in text)
