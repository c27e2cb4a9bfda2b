"""Texts of several sentences through a translator: cut into sentences, and joined again.

Translators learn from sentences. Lines are paragraphs: a line break in a text is one in its
translation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from zoo.tasks import unknown
from zoo.text import Tokenizer, sentences


@dataclass(frozen=True)
class Paragraphs:
    """The sentences of a text, line by line.

    Attributes:
        lines: the sentences of each line.
        breaks: the line break after each line but the last.
    """

    lines: Sequence[Sequence[str]]
    breaks: Sequence[str]

    @property
    def sentences(self) -> list[str]:
        return [sentence for line in self.lines for sentence in line]

    def joined(self, translations: Iterator[str], separator: str) -> str:
        """Return the text of these sentences' translations."""
        lines = [separator.join(next(translations) for _ in line) for line in self.lines]
        return "".join(line + end for line, end in zip(lines, [*self.breaks, ""], strict=True))


def cut(text: str, tokenizer: Tokenizer, language: str) -> Paragraphs:
    """Cut a text into lines, and each line into sentences.

    A prefix of the text, as Marian's ">>fra<<", goes before each sentence.
    """
    prefix, text = tokenizer.prefix(text)
    lines, breaks = sentences.lines(text.strip())
    return Paragraphs(
        [[prefix + sentence for sentence in sentences.split(line, language)] for line in lines],
        breaks,
    )


def translate(
    texts: Sequence[str],
    tokenizer: Tokenizer,
    languages: tuple[str, str],
    decode: Callable[[list[list[int]], list[int]], list[str]],
) -> list[str]:
    """Return the translation of each text by those of its sentences.

    A sentence of which the tokenizer knows nothing stays as it is.

    Args:
        tokenizer: the source's.
        languages: of source and target.
        decode: returns the translations of encoded sentences; it also takes the place of each
            one's text.
    """
    layouts = [cut(text, tokenizer, languages[0]) for text in texts]
    written = [sentence for layout in layouts for sentence in layout.sentences]
    places = [place for place, layout in enumerate(layouts) for _ in layout.sentences]
    encoded = [tokenizer.encode(sentence) for sentence in written]
    legible = [
        i
        for i, sentence in enumerate(written)
        if unknown.is_legible(tokenizer, sentence, encoded[i])
    ]
    outputs = decode([encoded[i] for i in legible], [places[i] for i in legible])
    written = [tokenizer.prefix(sentence)[1] for sentence in written]
    for i, output in zip(legible, outputs, strict=True):
        written[i] = output
    translations, between = iter(written), sentences.separator(languages[1])
    return [layout.joined(translations, between) for layout in layouts]
