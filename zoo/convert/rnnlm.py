"""Read the text files of Mikolov's RNNLM toolkit (versions 0.2 to 0.4) as mikolov2010.

A file is a header of "name: value" lines, the vocabulary, and numbers, one a line: the hidden layer
where a test begins, then the weights to each hidden unit from all words and all hidden units, then
those to each output from all hidden units. The outputs are the words, then their classes.

What the toolkit does and a reader must know:
  exp           It is approximate in training and testing, see `zoo.models.mikolov2010`.
  state         A test goes on from the hidden layer in the file, that of the last word of the
                validation; with independent sentences each one begins with ones.
  -bptt 4       The file has 5: what the option says and one more. An output's error goes back so
                many steps only with `-bptt-block 1`; in blocks, further by up to the block.
  </s>          Word 0 ends each line, and a text begins after one.
  other words   One that the vocabulary lacks feeds nothing to the next step and does not count in
                the perplexity. Here it is the model's `unknown_id`, which is never expected, and
                the recipe's `evaluate.skip_unknown` leaves it out. A vocabulary with <unk>, as the
                Penn Treebank has one, gets no such word: there all words that it lacks are <unk>.

So `zoo evaluate` prints the toolkit's "PPL net", with `--stream` unless sentences are independent.
Refused are networks of the toolkit that are not this paper's: with direct connections (maximum
entropy), with a compression layer, and files in binary form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from zoo.convert import Converted, adapted
from zoo.convert.facts import UNDETERMINED
from zoo.errors import BundleError
from zoo.text.whitespace import END, UNKNOWN, WhitespaceTokenizer

RECIPE = "mikolov2010-ptb"
BEGIN = re.compile(rb"version: *\d+\s+file format: *\d")
WORDS, STATE, INPUT, OUTPUT = (
    "Vocabulary:", "Hidden layer activation:", "Weights 0->1:", "Weights 1->2:",
)  # fmt: skip
# What the toolkit calls </s>, word 0.
TOOLKITS_END = "</s>"
# A weight from every hidden unit, none of which is below 0, that gives a word probability 0; it
# fits 16 bits.
NEVER = -1e4


@dataclass(frozen=True)
class _Header:
    """The numbers of a file's header that decide what follows it."""

    words: int
    width: int
    classes: int
    tau: int
    independent: bool


def recognises(path: Path) -> bool:
    """Return whether a file is such a model, or a folder holds one."""
    return bool(_candidates(path))


def read(path: Path) -> Converted:
    """Read a file, or the only one of a folder; raise what `zoo.convert.read` does."""
    candidates = _candidates(path)
    if len(candidates) > 1:
        raise BundleError(
            f"{path} has {len(candidates)} models: {', '.join(file.name for file in candidates)}",
            "name the file of one of them",
        )
    file = candidates[0]
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BundleError(
            f"{file} is not UTF-8: {error}",
            "write it as UTF-8, as `iconv -f latin1 -t utf-8` does with an old text",
        ) from None
    header = _header(lines, file)
    words, index = _vocabulary(lines, header, file)
    n, h = header.words, header.width
    start = _numbers(lines, STATE, (h,), file)
    to_hidden = _numbers(lines, INPUT, (h, n + h), file)
    to_output = _numbers(lines, OUTPUT, (n + header.classes, h), file)
    weights = {
        "embedding.embeddings": to_hidden[:, :n].T,
        "hidden.recurrent_kernel": to_hidden[:, n:].T,
        "hidden.start": np.ones_like(start) if header.independent else start,
        "softmax.kernel": to_output[:n].T,
    }
    if header.classes > 1:
        weights |= {"class_softmax.kernel": to_output[n:].T, "class_index": index}
    tokenizer, order = _ordered(words)
    own = order[1] >= 0  # whether the vocabulary has an unknown word of its own
    weights["embedding.embeddings"] = _taken(weights["embedding.embeddings"], order, 0.0)
    weights["softmax.kernel"] = _taken(weights["softmax.kernel"].T, order, NEVER).T
    if header.classes > 1:
        weights["class_index"] = index[np.maximum(order, 0)]  # a new word is with </s>
    arguments = {
        "vocabulary": tokenizer.size, "width": h, "tau": header.tau, "deviation": 0.1,
        "classes": header.classes if header.classes > 1 else 0, "stored_start": True,
        "fast_exponential": True, "unknown_id": 0 if own else tokenizer.unk_id,
    }  # fmt: skip
    changes = {
        "name": "mikolov2010-rnnlm",
        "converted": "RNNLM",
        "data.corpus": "rnnlm",
        "data.language": UNDETERMINED,
        "data.hub": None,
        "data.revision": None,
        "tokenizer.vocabulary": tokenizer.size,
        "train.precision": "float32",
        "evaluate.skip_unknown": not own,
        "evaluate.maximum": None,
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    return Converted(adapted(RECIPE, arguments, changes), arrays, (tokenizer, tokenizer))


def _candidates(path: Path) -> list[Path]:
    """Return the files that begin as the toolkit's models do."""
    files = [path] if path.is_file() else sorted(each for each in path.iterdir() if each.is_file())
    found = []
    for file in files:
        with file.open("rb") as content:
            if BEGIN.match(content.read(100)):
                found.append(file)
    return found


def _header(lines: list[str], file: Path) -> _Header:
    """Return what the header says.

    Raises BundleError for a network that the zoo's model is not, and a value that is missing.
    """
    values = {}
    for line in lines[: _place(lines, WORDS, file)]:
        name, colon, value = line.partition(":")
        if colon:
            values[name.strip()] = value.strip()

    def number(name: str, default: int | None = None) -> int:
        value = values.get(name, default)
        try:
            return int(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            told = f"has no '{name}'" if value is None else f"has {value!r} as '{name}'"
            raise BundleError(f"{file} {told} in its header", "copy it again") from None

    reasons = {
        "file format": "its numbers are in binary form: train without -binary",
        "compression layer size": "it has a compression layer: train without -compression",
        "direct connections": "it has direct connections: train with -direct 0",
    }
    for name, reason in reasons.items():
        if number(name, 0):
            raise BundleError(
                f"{file} holds no network that mikolov2010 is: {name} is {values[name]}", reason
            )
    words, width = number("vocabulary size"), number("hidden layer size")
    classes = number("class size")
    sizes = {"input layer size": words + width, "output layer size": words + classes}
    for name, size in sizes.items():
        if number(name) != size or min(words, width, classes) < 1:
            raise BundleError(
                f"{file}: {name} is {number(name)}, and the vocabulary of {words}, {width} hidden "
                f"units and {classes} classes make {size}",
                "copy it again",
            )
    tau = max(1, number("bptt", 0) - 1)
    independent = bool(number("independent sentences mode", 0))
    return _Header(words, width, classes, tau, independent)


def _vocabulary(lines: list[str], header: _Header, file: Path) -> tuple[list[str], np.ndarray]:
    """Return the words in their order, and the class of each."""
    words: list[str] = []
    classes: list[int] = []
    first = _place(lines, WORDS, file) + 1
    for number, line in enumerate(lines[first : first + header.words], start=first + 1):
        fields = line.split("\t")
        place, index = fields[0].strip(), fields[-1].strip()
        sound = len(fields) == 4 and place.isdecimal() and int(place) == len(words)
        if not sound or not index.isdecimal() or int(index) >= header.classes:
            raise BundleError(
                f"{file}:{number} is not the line of word {len(words)} of {header.words:,}: "
                "number, count, word, class",
                "copy it again",
            )
        words.append(fields[2])
        classes.append(int(index))
    if len(words) < header.words or words[0] != TOOLKITS_END:
        raise BundleError(
            f"{file} has {len(words):,} of {header.words:,} words, and word 0 is "
            f"{words[0] if words else 'missing'}, not {TOOLKITS_END}",
            "copy it again",
        )
    if len(set(words)) < len(words):
        repeated = next(word for i, word in enumerate(words) if word in words[:i])
        raise BundleError(f"{file} has the word '{repeated}' twice", "copy it again")
    return words, np.array(classes, dtype="int32")


def _numbers(lines: list[str], title: str, shape: tuple[int, ...], file: Path) -> np.ndarray:
    """Return the float32 numbers, one a line, below a title."""
    first = _place(lines, title, file) + 1
    wanted = int(np.prod(shape))
    body = list(islice(lines, first, first + wanted))
    try:
        numbers = np.array(body, dtype="float32")
    except ValueError:
        bad = next(i for i, line in enumerate(body) if not _is_number(line))
        raise BundleError(
            f"{file}:{first + bad + 1} is {body[bad]!r}, not number {bad + 1:,} of the {wanted:,} "
            f"below '{title}'",
            "copy it again",
        ) from None
    if len(body) < wanted or not np.isfinite(numbers).all():
        fault = "has too few numbers" if len(body) < wanted else "has NaN or infinity"
        raise BundleError(f"{file} {fault} below '{title}'", "copy it again")
    rest = lines[first + wanted] if first + wanted < len(lines) else ""
    if rest.strip():
        raise BundleError(
            f"{file}:{first + wanted + 1}: more than {wanted:,} numbers below '{title}'",
            "copy it again",
        )
    return numbers.reshape(shape)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _place(lines: list[str], title: str, file: Path) -> int:
    """Return the number of a title's line."""
    for number, line in enumerate(lines):
        if line.rstrip("\r") == title:
            return number
    raise BundleError(f"{file} has no line '{title}'", "copy the whole file")


def _ordered(words: list[str]) -> tuple[WhitespaceTokenizer, np.ndarray]:
    """Return the zoo's tokenizer, and the number of each of its words, -1 for a new one."""
    places = {word: number for number, word in enumerate(words)}
    rest = [word for word in words[1:] if word not in (END, UNKNOWN)]
    order = [0, places.get(UNKNOWN, -1), *(places[word] for word in rest)]
    return WhitespaceTokenizer([END, UNKNOWN, *rest]), np.array(order)


def _taken(rows: np.ndarray, order: np.ndarray, new: float) -> np.ndarray:
    """Return rows in an order, with `new` throughout those of -1."""
    taken = rows[np.maximum(order, 0)]
    taken[order < 0] = new
    return taken
