"""Words with markers: English as ULMFiT reads it.

Words are cut by the rules of Moses and put in lower case; what that would lose is said by a marker
before the word, so that "Great", "GREAT" and "great" share what is learned of one word. The rules,
in the order in which they are applied:

1. HTML entities (&amp;, &quot;, &#39; and the like) become their characters.
2. A line break, also one written `<br>` or `<br />`, is a word of its own, "\\n". All other white
   space only parts words, however much of it there is.
3. Words are cut by Moses' rules for English, hyphens included: "don't" is don 't, "well-made" is
   well @-@ made. Text that is cut already, as WikiText's is, stays so.
4. The same word more than three times in a row is said once, after xxwrep and the number; if it is
   a sign, such as "!", after xxrep and the number.
5. A word all in capitals, of two letters or more, is put in lower case after xxup, any other
   word that begins with a capital after xxmaj.
6. The same character more than three times in a row is said once, after xxrep and the number:
   "Sooooo" is xxmaj s xxrep 5 o.

A text cannot speak of markers: a word that is spelled like one (xxbos, XXMAJ) is unknown, as is
WikiText's `<unk>`.

Moses looks at a whole line. Here each stretch between white space is cut by itself, which is the
same, and remembered, but for two things. A full stop belongs to the word in "etc. and" and in
"No. 5", not in "etc. But": so what follows is looked at. An apostrophe at the very start or end of
a line is cut off, as it is anywhere else in a line; Moses leaves it.
"""

from __future__ import annotations

import functools
import html
import itertools
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html.entities import html5
from pathlib import Path

from zoo.text import vocabulary as vocabularies
from zoo.text.tokenizer import END_ID, PAD_ID, START_ID, Tokenizer

SPECIAL = ("xxpad", "xxunk", "xxbos", "xxeos", "xxmaj", "xxup", "xxrep", "xxwrep", "\n")
UNKNOWN, CAPITALISED, UPPER, REPEATED, WORD_REPEATED, BREAK = (
    SPECIAL[i] for i in (1, 4, 5, 6, 7, 8)
)

# fastai's number: more than three in a row are repetitions.
MANY = 4
# A model may write any number after xxrep: no text becomes longer than this many times.
MOST = 1000

# Only with a semicolon: "AT&T", "R&D" and a web address's "?a=1&copy=2" are no entities.
ENTITY = re.compile(r"&#?[0-9A-Za-z]+;")
LINE_BREAK = re.compile(r"\r\n?|\n|<br\s*/?>", re.IGNORECASE)
RUN = re.compile(rf"(.)\1{{{MANY - 1},}}")

# What WikiText writes apart and Moses does not: 1 @,@ 000 and O 'Brien.
CUT_NUMBER = re.compile(r"(?<=[0-9]) @([,.])@ (?=[0-9])")
CUT_NAME = re.compile(r"(?<=\b[DLO]) '(?=[A-Z])")
HYPHEN = "@-@"
# Stretches that are words already: Moses would cut them once more.
CUT_ALREADY = {"<unk>": ("<unk>",), HYPHEN: (HYPHEN,), "@,@": (",",), "@.@": (".",)}
CONTRACTIONS = {"'s", "'t", "'re", "'ve", "'ll", "'d", "'m", "'clock"}


class FastaiTokenizer(Tokenizer):
    """Turns English text into ids of words and markers, and back.

    Ids 0 to 3: padding, unknown, start, end; then the markers and the line break.

    Args:
        words: the vocabulary, a word's place is its id; the first nine are `SPECIAL`.
        absent: which markers of capitals no text gets, "xxmaj" or "xxup"; none as a rule. The
            first models of fast.ai never read one.
    """

    kind, unknown = "fastai", "words"

    def __init__(self, words: Sequence[str], absent: Sequence[str] = ()) -> None:
        self.words = list(words)
        self.absent = sorted(absent)
        vocabularies.check(self.words, SPECIAL)
        self._ids = {word: i for i, word in enumerate(self.words)}

    @classmethod
    def load(cls, path: Path | str) -> FastaiTokenizer:
        content = vocabularies.read(path, optional=("absent",))
        return cls(content["words"], content["absent"].split())

    @classmethod
    def train(cls, lines: Iterable[str], *, vocabulary: int) -> FastaiTokenizer:
        """Take the most frequent words of lines of text; of equal ones the first in code order.

        Lines are whole documents or parts of them; arguments and errors are those of
        `zoo.text.vocabulary.most_frequent`.
        """
        counts: Counter[str] = Counter()
        cut = cls(SPECIAL)
        for line in lines:
            counts.update(cut.split(line))
        return cls(vocabularies.most_frequent(counts, SPECIAL, vocabulary))

    def save(self, path: Path | str) -> None:
        """Write the words as JSON, a word on each line."""
        absent = {"absent": " ".join(self.absent)} if self.absent else {}
        vocabularies.write(path, {"words": self.words, **absent})

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, joined by Moses' rules; padding, start and end are left out.

        Markers are undone. One that lacks what it needs, as at the end of a text that was cut
        short, is left out. The unknown word reads "xxunk". What has no marker is lost: capitals
        within a word, and where white space stood beside signs such as "/" and "&".
        """
        kept = [int(i) for i in ids if int(i) not in (PAD_ID, START_ID, END_ID)]
        lines: list[list[str]] = [[]]
        for word in _unmarked([self.words[i] for i in kept]):
            if word[0] == BREAK:
                lines += [[] for _ in word]
            else:
                lines[-1].append(word)
        return "\n".join(_joined(words) for words in lines)

    def split(self, text: str) -> list[str]:
        found: list[str] = []
        for word, group in itertools.groupby(_cut(text)):
            times = sum(1 for _ in group)
            if times < MANY:
                found += _marked(word) * times
            elif len(word) == 1 and not word.isalnum():
                found += (REPEATED, str(times), word)
            else:
                found += (WORD_REPEATED, str(times), *_marked(word))
        return [word for word in found if word not in self.absent] if self.absent else found


# Text to words


def _cut(text: str) -> Iterator[str]:
    """Return the words of a text as it writes them, and its line breaks: rules 1 to 3."""
    if "&" in text:
        text = ENTITY.sub(_character, text)
    if "<unk>" in text:
        text = text.replace("<unk>", " <unk> ")  # "<unk>," and "<unk>-like" hold it too
    text = CUT_NAME.sub("'", CUT_NUMBER.sub(r"\1", text))
    for number, line in enumerate(LINE_BREAK.split(text)):
        if number:
            yield BREAK
        stretches = line.split()
        for stretch, following in itertools.zip_longest(stretches, stretches[1:], fillvalue=""):
            yield from _moses(stretch, _stop(following) if stretch[-1] == "." else "A")


def _character(entity: re.Match[str]) -> str:
    """Return the character of an HTML entity, or what is none as it is."""
    text = entity.group()
    # html.unescape would make "&nothing;" begin with the sign of &not.
    return html.unescape(text) if text[1] == "#" or text[1:] in html5 else text


def _stop(following: str) -> str:
    """Return a word that tells Moses about a full stop what the following stretch would."""
    if following[:1].islower():
        return "a"
    return "1" if following[:1] in set("0123456789") else "A"


@functools.lru_cache(maxsize=2**18)
def _moses(stretch: str, following: str) -> tuple[str, ...]:
    """Return the words of a stretch between white space, as Moses cuts it in mid-line."""
    if stretch.isascii() and stretch.isalnum():
        return (stretch,)
    if stretch.lower() in CONTRACTIONS:
        return (stretch,)
    if stretch in CUT_ALREADY:
        return CUT_ALREADY[stretch]
    # Moses writes & as &amp; and the like for its own files' sake; nothing here needs it.
    line = f"A {stretch} {following}"
    return tuple(_rules()[0](line, aggressive_dash_splits=True, escape=False)[1:-1])


@functools.cache
def _rules() -> tuple[Callable, Callable]:
    """Return Moses' functions for English that cut and that join."""
    # Its tables of characters take a while: only who reads words waits for them.
    from sacremoses import MosesDetokenizer, MosesTokenizer

    return MosesTokenizer(lang="en").tokenize, MosesDetokenizer(lang="en").detokenize


@functools.lru_cache(maxsize=2**18)
def _marked(word: str) -> tuple[str, ...]:
    """Return a word in lower case with its markers: rules 5 and 6."""
    if word == BREAK:
        return (BREAK,)
    if word == "<unk>":
        return (UNKNOWN,)
    found: list[str] = []
    letters = [character for character in word if character.isalpha()]
    if len(letters) > 1 and word.isupper():
        found.append(UPPER)
    elif letters and letters[0].isupper():
        found.append(CAPITALISED)
    word, start = word.lower(), 0
    for run in RUN.finditer(word):
        found += _plain(word[start : run.start()])
        found += (REPEATED, str(len(run.group())), run.group(1))
        start = run.end()
    return (*found, *_plain(word[start:]))


def _plain(word: str) -> tuple[str, ...]:
    """Return a word of the text, or none if it is empty; one spelled like a marker is unknown."""
    if not word:
        return ()
    return (UNKNOWN,) if word in SPECIAL else (word,)


# Words to text


@dataclass
class _Word:
    """A word to be written `times` times, in capitals or with one if a marker said so."""

    text: str
    marker: str
    times: int

    def written(self) -> list[str]:
        text = self.text
        if self.marker == UPPER and text != UNKNOWN:
            text = text.upper()
        elif self.marker == CAPITALISED and text != UNKNOWN:
            text = _capitalised(text)
        return [text] * self.times


def _capitalised(word: str) -> str:
    """Return a word with its first letter, which may follow an apostrophe, as a capital."""
    for place, character in enumerate(word):
        if character.isalpha():
            return word[:place] + character.upper() + word[place + 1 :]
    return word


def _unmarked(tokens: Iterable[str]) -> list[str]:
    """Return the words, and runs of line breaks, that tokens stand for: rules 4 to 6 undone."""
    queue, found = deque(tokens), list[_Word]()
    marker, times = "", 1
    while queue:
        token = queue.popleft()
        if token in (CAPITALISED, UPPER):
            marker = token
            continue
        if token == WORD_REPEATED:
            times = _taken_number(queue)
            continue
        if token == REPEATED:
            count = _taken_number(queue)
            if not queue or len(queue[0]) > 1:
                continue
            token = queue.popleft() * count
            if not marker and times == 1 and found and _continues(found[-1].text, token):
                found[-1].text += token
                continue
        found.append(_Word(token, marker, times))
        marker, times = "", 1
    return [word for each in found for word in each.written()]


def _taken_number(queue: deque[str]) -> int:
    """Take the number, MOST at most, that a queue begins with; leave what is none and return 1."""
    if not queue or not (queue[0].isascii() and queue[0].isdecimal() and queue[0].strip("0")):
        return 1
    digits = queue.popleft().lstrip("0")
    return int(digits) if len(digits) < len(str(MOST)) else MOST


def _continues(word: str, run: str) -> bool:
    """Return whether a run of a character is taken to go on with the word before: "s", "ooooo".

    The markers do not tell a run that ends a word from one that begins the next, as in "ah oooo";
    in English it is the former that is common.
    """
    last, first = word[-1], run[0]
    if word == UNKNOWN:
        return False
    return (last.isalpha() and first.isalpha()) or (last.isdecimal() and first.isdecimal())


def _joined(words: Sequence[str]) -> str:
    """Return the line of words, joined by Moses' rules."""
    # Moses joins at a hyphen between words; one may be left at the ends of a text.
    return _rules()[1](words, unescape=False).replace(HYPHEN, "-")
