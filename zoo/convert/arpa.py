r"""Read ARPA files of SRILM, kenlm and their like as bigram, a model of n-grams of any order.

    any lines before
    \data\
    ngram 1=4
    ngram 2=3

    \1-grams:
    -99     <s>     -0.3        log10 of the probability, the words, log10 of the back-off
    ...
    \2-grams:
    -0.5    <s> the
    ...
    \end\

Tabs or blanks part the fields, lines may end as on Windows, the file may be gzipped, and n-grams of
one order may stand in any order. Words become those of a tokenizer of words between white space,
whose one id for start and end is `<s>` in a history and `</s>` after one. Without `<unk>`, an
unknown word has log10 of -100, as kenlm has it. N-grams that no text can have, with `<s>` after
another word or `</s>` before one, are left out.
"""

from __future__ import annotations

import gzip
import re
import warnings
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from zoo.convert import Converted, adapted
from zoo.convert.facts import UNDETERMINED
from zoo.errors import BundleError, ZooWarning
from zoo.ngrams import layout
from zoo.ngrams.tables import NGrams, table
from zoo.text import WhitespaceTokenizer
from zoo.text.whitespace import SPECIAL

RECIPE = "bigram-ptb"
ENDINGS = (".arpa", ".arpa.gz", ".lm", ".lm.gz")
START, END, UNKNOWN = b"<s>", b"</s>", b"<unk>"
# log10 of an unknown word without `<unk>`.
NEVER = -100.0
# How far from one the probabilities after a history may sum.
TOLERANCE = 1e-3
COUNT = re.compile(rb"ngram\s+(\d{1,9})\s*=\s*(\d{1,18})")
SECTION = re.compile(rb"\\(\d{1,9})-grams:")
AGAIN = "write the file again with the toolkit that made it, or copy it again"


def recognises(path: Path) -> bool:
    """Return whether a file is one of these, or a folder holds one."""
    return bool(_files(path))


def read(path: Path) -> Converted:
    """Read an ARPA file; warn if probabilities after a history do not sum to one.

    Raises:
        BundleError: the file is damaged, with the number of the line.
    """
    files = _files(path)
    if len(files) > 1:
        raise BundleError(
            f"{path} has {len(files)} models: {', '.join(file.name for file in files)}",
            "name the file of one of them",
        )
    words, model = _Reader(files[0]).read()
    check_sums(model, words, files[0])
    sizes, weights = layout.laid_out(model)
    arguments = {"vocabulary": len(words), "smoothing": "file", "start": 0, **sizes}
    name = re.sub(r"[^\w.-]+", "-", files[0].name.split(".")[0]) or "model"
    changes = {
        "name": f"bigram-{name}",
        "converted": "ARPA",
        "data.corpus": name,
        "data.language": UNDETERMINED,
        "data.hub": None,
        "data.revision": None,
        "tokenizer.vocabulary": len(words),
        "evaluate.maximum": None,
    }
    tokenizer = WhitespaceTokenizer(words)
    return Converted(adapted(RECIPE, arguments, changes), weights, (tokenizer, tokenizer))


def check_sums(model: NGrams, words: list[str], path: Path) -> None:
    """Warn if the probabilities after some histories do not sum to one, and name the worst."""
    sums = model.sums()
    wrong = [np.abs(each - 1.0) > TOLERANCE for each in sums]
    count, whole = sum(int(each.sum()) for each in wrong), sum(map(len, sums))
    if not count:
        return
    length = int(np.argmax([np.abs(each - 1.0).max(initial=0.0) for each in sums]))
    row = int(np.argmax(np.abs(sums[length] - 1.0)))
    worst, history = float(sums[length][row]), list[str]()
    for order in range(length, 0, -1):
        history.insert(0, words[model.orders[order - 1].word[row]])
        row = int(model.orders[order - 1].parent[row])
    shown = " ".join(START.decode() if word == SPECIAL[0] else word for word in history)
    warnings.warn(
        f"{path}: the probabilities after {count:,} of {whole:,} histories do not sum to one; "
        f"after {shown or 'none'!r} they sum to {worst:.4g}. Scores here are of probabilities "
        "divided by their sum, so they differ from those of other toolkits",
        ZooWarning,
        stacklevel=4,
    )


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for end in ENDINGS[:2] for file in path.glob(f"*{end}"))
    return [path] if path.name.lower().endswith(ENDINGS) else []


class _Reader:
    """Reads one file, and knows the line where it stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self.lines = self._lines()

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines without white space around them, empty ones left out."""
        try:
            with self.path.open("rb") as file:
                zipped = file.read(2) == b"\x1f\x8b"
            with gzip.open(self.path) if zipped else self.path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    self.number = number
                    if stripped := line.strip():
                        yield stripped
        except (EOFError, zlib.error, gzip.BadGzipFile) as failure:
            self.fail(f"the gzipped file is damaged ({failure})")
        except OSError as failure:
            raise BundleError(
                f"cannot read {self.path}: {failure.strerror or failure}", "look at the path"
            ) from failure

    def fail(self, problem: str, hint: str = AGAIN) -> NoReturn:
        raise BundleError(f"{self.path}, line {self.number}: {problem}", hint)

    def next(self, expected: str) -> bytes:
        """Return the next line; `expected` names what stands there in a whole file."""
        line = next(self.lines, None)
        if line is None:
            self.fail(f"the file ends where {expected} should follow")
        return line

    def read(self) -> tuple[list[str], NGrams]:
        """Return the words in the order of ids, and the model."""
        counts, line = self.header()
        ids: dict[bytes, int] = {}
        rows, log_p, backoff = [], [], []
        for order, count in enumerate(counts, 1):
            section = SECTION.fullmatch(line)
            if section is None or int(section[1]) != order:
                self.fail(f"\\{order}-grams: should stand here, not {_shown(line)}")
            entries, p, b, line = self.section(order, count, len(counts), ids)
            rows.append(entries)
            log_p.append(p)
            backoff.append(b)
        if line != b"\\end\\":
            known = f"\\data\\ counts n-grams up to order {len(counts)} alone"
            surplus = SECTION.fullmatch(line)
            self.fail(
                f"{known}, and {_shown(line)} follows"
                if surplus
                else f"\\end\\ should stand here, not {_shown(line)}"
            )
        return self.model(ids, rows, log_p, backoff)

    def header(self) -> tuple[list[int], bytes]:
        """Return the count of each order, and the line after the counts."""
        while self.next("\\data\\") != b"\\data\\":
            pass
        counts: list[int] = []
        while match := COUNT.fullmatch(line := self.next("the count of an order")):
            if int(match[1]) != len(counts) + 1:
                self.fail(
                    f"the count of order {len(counts) + 1} should stand here, not {_shown(line)}"
                )
            counts.append(int(match[2]))
        if not counts:
            self.fail(f"'ngram 1=' should stand here, not {_shown(line)}")
        return counts, line

    def section(
        self, order: int, count: int, highest: int, ids: dict[bytes, int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, bytes]:
        """Return an order's n-grams, int32 [count, order], their numbers, and the line after."""
        words: list[int] = []
        log_p, backoff = array("d"), array("d")
        seen: set[tuple[int, ...]] = set()
        while not (line := self.next("an n-gram or \\end\\")).startswith(b"\\"):
            if len(log_p) == count:
                missing = f", or \\{order + 1}-grams: is missing" if order < highest else ""
                self.fail(
                    f"\\data\\ says {count} n-grams of order {order}, and here is one more{missing}"
                )
            fields = [UNKNOWN if field == b"<UNK>" else field for field in line.split()]
            if len(fields) - order not in (1, 2):
                self.fail(f"{_shown(line)} is not a number, {order} words and at most a back-off")
            if order == 1:
                if fields[1] in ids:
                    self.fail(f"the word {_shown(fields[1])} stands twice")
                ids[fields[1]] = len(ids)
            ngram = []
            for word in fields[1 : order + 1]:
                if (i := ids.get(word)) is None:
                    self.fail(f"the word {_shown(word)} is not among the 1-grams")
                ngram.append(i)
            log_p.append(self.value(fields[0]))
            if log_p[-1] > 0:
                self.fail(f"log10 of a probability is {fields[0].decode()}, more than 0")
            backoff.append(self.value(fields[-1]) if len(fields) == order + 2 else 0.0)
            if order == highest and backoff[-1] != 0:
                self.fail(f"an n-gram of the highest order, {order}, has a back-off")
            if (key := tuple(ngram)) in seen:
                self.fail(f"{_shown(b' '.join(fields[1 : order + 1]))} stands twice")
            seen.add(key)
            words += ngram
        if len(log_p) < count:
            self.fail(
                f"\\data\\ says {count} n-grams of order {order}, and there are {len(log_p)} "
                f"before {_shown(line)}"
            )
        rows = np.array(words, dtype=np.int32).reshape(count, order)
        return rows, np.array(log_p), np.array(backoff), line

    def value(self, field: bytes) -> float:
        """Return a number; SRILM writes -inf for a probability of zero."""
        try:
            number = np.nan if b"_" in field else float(field)
        except ValueError:
            number = np.nan
        if np.isnan(number) or number == np.inf:
            self.fail(f"{_shown(field)} is not a number")
        return max(number, NEVER)

    def model(
        self, ids: dict[bytes, int], rows: list[np.ndarray], log_p: list, backoff: list
    ) -> tuple[list[str], NGrams]:
        """Return words and model with the ids of the tokenizer: end and start, unknown, words."""
        for sign in (START, END):
            if sign not in ids:
                raise BundleError(
                    f"{self.path} has no {sign.decode()} among its 1-grams",
                    "train with marks of start and end of a sentence, as toolkits do by default",
                )
        names = [word for word in ids if word not in (START, END, UNKNOWN)]
        try:
            words = [*SPECIAL, *(name.decode("utf-8") for name in names)]
        except UnicodeDecodeError as failure:
            raise BundleError(
                f"{self.path}: the word {failure.object!r} is not UTF-8",
                "convert the file to UTF-8, as with iconv",
            ) from failure
        if taken := [word for word in words[2:] if word in SPECIAL]:
            raise BundleError(
                f"{self.path} has a word {taken[0]}, by which the zoo calls the end of a text",
                "rename that word in the file",
            )
        new = np.zeros(len(ids), dtype=np.int32)
        if UNKNOWN in ids:
            new[ids[UNKNOWN]] = 1
        for i, name in enumerate(names, 2):
            new[ids[name]] = i
        single = np.full(len(words), NEVER), np.zeros(len(words))
        for old, i in enumerate(new.tolist()):
            if old not in (ids[START], ids[END]):
                single[0][i], single[1][i] = log_p[0][old], backoff[0][old]
        single[0][0], single[1][0] = log_p[0][ids[END]], backoff[0][ids[START]]
        columns = [np.arange(len(words), dtype=np.int32)[:, None]]
        for k in range(1, len(rows)):
            possible = (rows[k][:, 1:] != ids[START]).all(1) & (rows[k][:, :-1] != ids[END]).all(1)
            ends = rows[k][possible, -1] == ids[END]
            columns.append(new[rows[k][possible]])
            log_p[k] = log_p[k][possible]
            # Nothing follows an end.
            backoff[k] = np.where(ends, 0.0, backoff[k][possible])
        return words, table(columns, [single[0], *log_p[1:]], [single[1], *backoff[1:]])


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
