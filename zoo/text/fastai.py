"""Words with markers: English as ULMFiT reads it.

The rules of Moses cut words, which become lower case; a marker before the word keeps what that
would lose, so that "Great", "GREAT" and "great" share what the model learns of one word. The rules
in their order:

1. HTML entities (&amp;, &quot;, &#39; and the like) become their characters.
2. A line break, also written `<br>` or `<br />`, is a word, "\\n". Any other whitespace only
   separates words.
3. Moses' rules for English cut words, also at hyphens: "don't" is don 't, "well-made" is
   well @-@ made. Text that is already cut, such as WikiText's, stays the same.
4. A word repeated more than three times in a row becomes xxwrep, the number and the word; a sign,
   such as "!", becomes xxrep, the number and the sign.
5. A word of two or more letters, all capitals, becomes xxup and the word in lower case; any other
   word with a capital first letter becomes xxmaj and the word in lower case.
6. A character repeated more than three times in a row becomes xxrep, the number and the character:
   "Sooooo" is xxmaj s xxrep 5 o.

A text cannot contain markers: a word spelled like one (xxbos, XXMAJ) is unknown, and so is
WikiText's `<unk>`.

Moses reads a whole line. This file cuts and caches each stretch between whitespace separately, with
the same result except for two cases. A full stop belongs to the word in "etc. and" and in "No. 5",
not in "etc. But": so the next stretch matters. Moses leaves an apostrophe at the start or end of a
line; this file cuts it off, as Moses does elsewhere in a line.
"""

from __future__ import annotations

import functools
import html
import itertools
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html.entities import html5
from pathlib import Path

from zoo.text import vocabulary as vocabularies
from zoo.text.moses import rules
from zoo.text.tokenizer import Tokenizer

SPECIAL = ("xxpad", "xxunk", "xxbos", "xxeos", "xxmaj", "xxup", "xxrep", "xxwrep", "\n")
UNKNOWN, CAPITALISED, UPPER, REPEATED, WORD_REPEATED, BREAK = (
    SPECIAL[i] for i in (1, 4, 5, 6, 7, 8)
)

MANY = 4  # words or characters in a row that make a repetition, as in fastai
MOST = 1000  # greatest repetition that `decode` writes: a model may write any number after xxrep

# The semicolon excludes "AT&T", "R&D" and a web address's "?a=1&copy=2".
ENTITY = re.compile(r"&#?[0-9A-Za-z]+;")
NEW_LINE = re.compile(r"\r\n?|\n")
LINE_BREAK = re.compile(r"\r\n?|\n|<br\s*/?>", re.IGNORECASE)
RUN = re.compile(rf"(.)\1{{{MANY - 1},}}")

# WikiText separates what Moses does not: 1 @,@ 000 and O 'Brien.
CUT_NUMBER = re.compile(r"(?<=[0-9]) @([,.])@ (?=[0-9])")
CUT_NAME = re.compile(r"(?<=\b[DLO]) '(?=[A-Z])")
HYPHEN = "@-@"
# Cut stretches, which Moses would cut again.
CUT_ALREADY = {"<unk>": ("<unk>",), HYPHEN: (HYPHEN,), "@,@": (",",), "@.@": (".",)}
CONTRACTIONS = {"'s", "'t", "'re", "'ve", "'ll", "'d", "'m", "'clock"}


class FastaiTokenizer(Tokenizer):
    """Turns English text into ids of words and markers, and back.

    Ids 0 to 3: padding, unknown, start, end; then the markers and the line break.

    Args:
        words: the vocabulary in the order of ids; the first nine are `SPECIAL`.
        absent: markers of capitals to leave out, "xxmaj" or "xxup"; the first models of fast.ai
            lack one.
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
        """Learn the most frequent words of lines of text; see `vocabulary.most_frequent`.

        Lines are whole documents or parts of them.
        """
        empty = cls(SPECIAL)
        counts = Counter(word for line in lines for word in empty.split(line))
        return cls(vocabularies.most_frequent(counts, SPECIAL, vocabulary))

    def save(self, path: Path | str) -> None:
        """Write the words as JSON, one word per line."""
        absent = {"absent": " ".join(self.absent)} if self.absent else {}
        vocabularies.write(path, {"words": self.words, **absent})

    def line_breaks(self, text: str) -> int:
        return len(NEW_LINE.findall(text))  # `<br />` is words between white space already

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, joined by Moses' rules, without padding, start and end.

        It applies the markers and drops incomplete ones, as at the end of a text that was cut
        short. The unknown word reads "xxunk". The ids do not tell capitals within a word, and
        whitespace beside signs such as "/" and "&".
        """
        lines: list[list[str]] = [[]]
        for word in _unmarked(self.words[i] for i in self._of_text(ids)):
            if word[0] == BREAK:
                lines += [[] for _ in word]
            else:
                lines[-1].append(word)
        return "\n".join(_joined(words) for words in lines)

    def known(self, ids: Sequence[int]) -> list[int]:
        words, counts = set(SPECIAL), {REPEATED, WORD_REPEATED}
        return [
            i
            for before, i in itertools.pairwise([self.pad_id, *ids])
            if self.words[i] not in words and self.words[before] not in counts
        ]

    def split(self, text: str) -> list[str]:
        tokens: list[str] = []
        for word, group in itertools.groupby(_cut(text)):
            times = sum(1 for _ in group)
            if times < MANY:
                tokens += _marked(word) * times
            elif len(word) == 1 and not word.isalnum():
                tokens += (REPEATED, str(times), word)
            else:
                tokens += (WORD_REPEATED, str(times), *_marked(word))
        return [token for token in tokens if token not in self.absent] if self.absent else tokens


# Text to words


def _cut(text: str) -> Iterator[str]:
    """Yield the unchanged words and the line breaks of a text: rules 1 to 3."""
    if "&" in text:
        text = ENTITY.sub(_character, text)
    if "<unk>" in text:
        text = text.replace("<unk>", " <unk> ")  # also in "<unk>," and "<unk>-like"
    text = CUT_NAME.sub("'", CUT_NUMBER.sub(r"\1", text))
    for number, line in enumerate(LINE_BREAK.split(text)):
        if number:
            yield BREAK
        stretches = line.split()
        for stretch, following in itertools.zip_longest(stretches, stretches[1:], fillvalue=""):
            yield from _moses(stretch, _stop(following) if stretch[-1] == "." else "A")


def _character(entity: re.Match[str]) -> str:
    """Return the character of an HTML entity; leave anything else as it is."""
    text = entity.group()
    # html.unescape would read &not in "&nothing;".
    return html.unescape(text) if text[1] == "#" or text[1:] in html5 else text


def _stop(following: str) -> str:
    """Return a word that has the effect of the following stretch on Moses' rules for a stop."""
    if following[:1].islower():
        return "a"
    return "1" if following[:1] in set("0123456789") else "A"


@functools.lru_cache(maxsize=2**18)
def _moses(stretch: str, following: str) -> tuple[str, ...]:
    """Return the words of a stretch between whitespace, as Moses cuts it in mid-line."""
    if (stretch.isascii() and stretch.isalnum()) or stretch.lower() in CONTRACTIONS:
        return (stretch,)
    if stretch in CUT_ALREADY:
        return CUT_ALREADY[stretch]
    # Moses escapes & as &amp; for its own files only.
    cut, _ = rules("en")
    return tuple(cut(f"A {stretch} {following}", aggressive_dash_splits=True, escape=False)[1:-1])


@functools.lru_cache(maxsize=2**18)
def _marked(word: str) -> tuple[str, ...]:
    """Return a word in lower case with its markers: rules 5 and 6."""
    if word == BREAK:
        return (BREAK,)
    if word == "<unk>":
        return (UNKNOWN,)
    tokens: list[str] = []
    letters = [character for character in word if character.isalpha()]
    if len(letters) > 1 and word.isupper():
        tokens.append(UPPER)
    elif letters and letters[0].isupper():
        tokens.append(CAPITALISED)
    word, start = word.lower(), 0
    for run in RUN.finditer(word):
        tokens += _plain(word[start : run.start()])
        tokens += (REPEATED, str(len(run.group())), run.group(1))
        start = run.end()
    return (*tokens, *_plain(word[start:]))


def _plain(word: str) -> tuple[str, ...]:
    """Return a word as a tuple, () for an empty one; a word spelled like a marker is unknown."""
    if not word:
        return ()
    return (UNKNOWN,) if word in SPECIAL else (word,)


# Words to text


@dataclass
class _Word:
    """A word to write `times` times, with the capitals of its marker."""

    text: str
    marker: str
    times: int

    def write(self) -> list[str]:
        text = self.text
        if self.marker == UPPER and text != UNKNOWN:
            text = text.upper()
        elif self.marker == CAPITALISED and text != UNKNOWN:
            text = _capitalised(text)
        return [text] * self.times


def _capitalised(word: str) -> str:
    """Return a word with a capital first letter, which may follow an apostrophe."""
    for place, character in enumerate(word):
        if character.isalpha():
            return word[:place] + character.upper() + word[place + 1 :]
    return word


def _unmarked(tokens: Iterable[str]) -> list[str]:
    """Return the words and runs of line breaks of tokens: rules 4 to 6 in reverse."""
    queue, words = deque(tokens), list[_Word]()
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
            if not marker and times == 1 and words and _continues(words[-1].text, token):
                words[-1].text += token
                continue
        words.append(_Word(token, marker, times))
        marker, times = "", 1
    return [text for word in words for text in word.write()]


def _taken_number(queue: deque[str]) -> int:
    """Take the number, at most MOST, that begins a queue; otherwise take nothing and return 1."""
    if not queue or not (queue[0].isascii() and queue[0].isdecimal() and queue[0].strip("0")):
        return 1
    digits = queue.popleft().lstrip("0")
    return int(digits) if len(digits) < len(str(MOST)) else MOST


def _continues(word: str, run: str) -> bool:
    """Return whether a run of a character continues the word before it: "s", "ooooo".

    The markers do not tell a run that ends a word from one that begins the next, as in "ah oooo";
    the former is common in English.
    """
    last, first = word[-1], run[0]
    if word == UNKNOWN:
        return False
    return (last.isalpha() and first.isalpha()) or (last.isdecimal() and first.isdecimal())


def _joined(words: Sequence[str]) -> str:
    """Return the line of words, joined by Moses' rules."""
    _, join = rules("en")
    # Moses joins at a hyphen between words and leaves one at the ends of a text.
    return join(words, unescape=False).replace(HYPHEN, "-")
