"""Write a model of n-grams as an ARPA file, which SRILM, kenlm and their like read."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from zoo import bundle
from zoo.errors import BundleError, NotSupported
from zoo.files import replacing
from zoo.models.contracts import Tabular
from zoo.ngrams import layout
from zoo.ngrams.tables import ZERO, NGrams

if TYPE_CHECKING:
    import keras

    from zoo.pretrained import Pretrained
    from zoo.text import Tokenizer

ENDINGS = (".arpa", ".arpa.gz")
START, END, UNKNOWN = "<s>", "</s>", "<unk>"
# White space parts the words of an n-gram, so a character that is some is spelled out.
NAMED = {" ": "<space>", "\n": "<newline>", "\t": "<tab>", "\r": "<return>"}


def names_arpa(path: str | os.PathLike[str]) -> bool:
    """Return whether a path ends as an ARPA file does."""
    return str(path).lower().endswith(ENDINGS)


def has_table(model: keras.Model) -> bool:
    """Return whether a model's weights are a table of n-grams."""
    return isinstance(model, Tabular)


def write(pretrained: Pretrained, path: str | os.PathLike[str]) -> Path:
    """Write the table of a model of n-grams, gzipped if the name ends in .gz; return its path.

    Tabs part the fields; log-probabilities have seven digits after the point. The start of a text,
    which follows nothing, has -99, and so have start and end of texts without an end of their own.

    Raises:
        NotSupported: the model has no table of n-grams, or words that a file cannot tell apart.
        BundleError: the disk refuses.
    """
    tokenizer, model = pretrained.target_tokenizer, pretrained.model
    if not has_table(model):
        raise NotSupported(
            f"{pretrained.recipe.name} is no model of n-grams, which alone an ARPA file can hold",
            "`zoo export NAME DIR` writes a SavedModel, if its tokenizer.kind is 'sentencepiece' "
            "or 'bpe'; `model.model.export` one with ids in, logits out",
        )
    table = layout.read(vars(model.arguments), bundle.arrays(model)).probabilities()
    words = _words(tokenizer)
    path = Path(path).expanduser().resolve()
    try:
        with replacing(path) as aside, _opened(aside, str(path).endswith(".gz")) as file:
            _write(file, table, tokenizer, words)
    except OSError as failure:
        raise BundleError(
            f"cannot write {path}: {failure.strerror or failure}",
            "free some space or choose another folder",
        ) from failure
    return path


@contextlib.contextmanager
def _opened(path: Path, zipped: bool) -> Iterator[TextIO]:
    if not zipped:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        return
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,  # equal tables, equal files
        io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as file,
    ):
        yield file


def _words(tokenizer: Tokenizer) -> list[str]:
    """Return the words of a file, each without white space and unlike all others."""
    words = [NAMED.get(word, word) for word in tokenizer.pieces(range(tokenizer.size))]
    if tokenizer.unk_id >= 0:
        words[tokenizer.unk_id] = UNKNOWN
    seen = {START, END}
    for word in words:
        if word.encode().split() != [word.encode()] or word in seen:
            raise NotSupported(
                f"an ARPA file cannot hold the word {word!r}: it has white space, or stands for "
                "another word there",
                "train the model with a tokenizer that has no such word",
            )
        seen.add(word)
    return words


def _write(file: TextIO, table: NGrams, tokenizer: Tokenizer, words: list[str]) -> None:
    start, end = tokenizer.start_id, tokenizer.end_id
    single = table.orders[0]
    log_p, backoff = _digits(single.log_p[: len(words)]), _digits(single.backoff[: len(words)])
    # A word that is both start and end is `<s>` at the beginning of an n-gram, `</s>` at its end.
    firsts, lasts = list(words), list(words)
    marks: list[tuple[str, str, str]] = []  # words of order 1 that the tokenizer lacks
    never = f"{ZERO:g}"
    if tokenizer.open_ended:
        marks = [(never, START, "0"), (never, END, "0")]
    else:
        lasts[end], firsts[start] = END, START
        if start == end:
            marks = [(never, START, backoff[start])]
            backoff[end] = "0"
        else:
            lasts[start], firsts[end] = START, END
    lines = [*marks, *zip(log_p, lasts, backoff, strict=True)]
    file.write("\\data\\\n")
    for number, count in enumerate([len(lines), *map(len, table.orders[1:])], 1):
        file.write(f"ngram {number}={count}\n")
    texts = firsts
    for number, order in enumerate(table.orders, 1):
        if number > 1:
            pairs = zip(order.parent.tolist(), order.word.tolist(), strict=True)
            texts = [f"{texts[parent]} {lasts[word]}" for parent, word in pairs]
            lines = list(zip(_digits(order.log_p), texts, _digits(order.backoff), strict=True))
        parts = 2 if number == len(table.orders) else 3  # the highest order has no back-offs
        file.write(f"\n\\{number}-grams:\n")
        file.writelines("\t".join(line[:parts]) + "\n" for line in lines)
    file.write("\n\\end\\\n")


def _digits(values: np.ndarray) -> list[str]:
    """Return numbers with up to seven digits after the point."""
    texts = np.char.mod("%.7f", np.round(values, 7) + 0.0)  # no "-0"
    return [text.rstrip("0").rstrip(".") for text in texts.tolist()]
