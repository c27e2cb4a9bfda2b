"""Write a task's texts as the sequences that a Transformer reads (gpt1, 3.3 and figure 1).

    ONE_TEXT     [start; text; extract]
    TWO_TEXTS    [start; first; delimiter; second; extract]
    BOTH_ORDERS  the same, and [start; second; delimiter; first; extract]
    ANSWERS      [start; context; delimiter; answer; extract] for each answer
    APART        [start; text; extract] for each text

Texts and sequences are lists of ids. Long texts are cut at their ends; special ids always stay. Of
two texts the longer one is cut first, down to the length of the other; the authors' code, which was
released for one task, cuts each to half of the room. A context is cut before its answers, to one
length for all answers, so that these share one context.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from zoo.config.recipe import Data, Recipe
from zoo.data.examples import each_text
from zoo.errors import OptionError, ZooWarning
from zoo.text import Tokenizer

Ids = Sequence[int]


class Specials(NamedTuple):
    """The ids at the start, between two texts, and at the end of a sequence."""

    start: int
    delimiter: int
    extract: int


@dataclass(frozen=True)
class Form:
    """How the texts of an example become sequences.

    Attributes:
        specials: number of special ids in a sequence.
        least: length of the shortest sequence with one id of each text.
        keep: maps the texts' lengths and the room to the number of ids that each text keeps.
        write: maps the encoded texts to the sequences.
    """

    specials: int
    least: int
    keep: Callable[[Sequence[int], int], list[int]]
    write: Callable[[list[list[int]], Specials], list[list[int]]]


def shared_room(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many ids two texts of these lengths keep if `room` ids fit.

    The longer text is cut first; if both are longer than half of the room, the first one keeps the
    odd id.
    """
    half = room // 2
    if first + second <= room:
        return first, second
    if second <= half:
        return room - second, second
    if first <= room - half:
        return first, room - first
    return room - half, half


def context_room(context: int, answers: Sequence[int], room: int) -> tuple[int, list[int]]:
    """Return how many ids a context and its answers, of these lengths, keep if `room` ids fit.

    The context is cut first, to the room beside the longest answer; an answer longer than the room
    is cut to it.
    """
    kept = [min(answer, room) for answer in answers]
    return min(context, room - max(kept)), kept


def _context_first(lengths: Sequence[int], room: int) -> list[int]:
    context, answers = context_room(lengths[0], lengths[1:], room)
    return [context, *answers]


def one_text(text: Ids, specials: Specials) -> list[int]:
    """Return the sequence of a text."""
    return [specials.start, *text, specials.extract]


def two_texts(first: Ids, second: Ids, specials: Specials) -> list[int]:
    """Return the sequence of two texts."""
    return [specials.start, *first, specials.delimiter, *second, specials.extract]


ONE_TEXT = Form(
    2, 3, lambda lengths, room: [min(lengths[0], room)],
    lambda texts, specials: [one_text(texts[0], specials)],
)  # fmt: skip
TWO_TEXTS = Form(
    3, 5, lambda lengths, room: [*shared_room(lengths[0], lengths[1], room)],
    lambda texts, specials: [two_texts(texts[0], texts[1], specials)],
)  # fmt: skip
BOTH_ORDERS = Form(
    3, 5, TWO_TEXTS.keep,
    lambda texts, specials: [
        two_texts(texts[0], texts[1], specials), two_texts(texts[1], texts[0], specials)
    ],
)  # fmt: skip
ANSWERS = Form(
    3, 5, _context_first,
    lambda texts, specials: [two_texts(texts[0], answer, specials) for answer in texts[1:]],
)  # fmt: skip
APART = Form(
    2, 3, lambda lengths, room: [min(length, room) for length in lengths],
    lambda texts, specials: [one_text(text, specials) for text in texts],
)  # fmt: skip


@dataclass(frozen=True)
class Sequences:
    """Encode the texts of a task as sequences of ids, cut to the model's longest sequence.

    Args:
        form: the form of the task's sequences.
        task: the task's name, for messages.
        names: the texts' names in messages; further texts are numbered answers.
        tokenizer: encodes texts; its own start and end id are not used.
        specials: ids of start, delimiter and extract.
        longest: most ids of a sequence.
        reverse: reverse the words of each text.

    Raises:
        OptionError: the special ids leave no room for text.
    """

    form: Form
    task: str
    names: Sequence[str]
    tokenizer: Tokenizer
    specials: Specials
    longest: int
    reverse: bool = False

    def __post_init__(self) -> None:
        if self.longest < self.form.least:
            raise OptionError(
                f"sequences of {self.longest} tokens have no room for text",
                f"'{self.task}' needs {self.form.least} or more: raise data.max_length, or the "
                "context",
            )

    def encode(self, inputs: Sequence[Any], what: str = "") -> list[list[np.ndarray]]:
        """Return the sequences of each input, int32 [ids] each; warn once of cut texts.

        Args:
            inputs: texts, pairs of texts, or (context, answers) pairs.
            what: the noun for an input in the warning, with its number from 1; "" quotes its
                beginning instead, for inputs whose numbers a user does not know.
        """
        cuts: dict[int, str] = {}
        encoded = []
        for number, given in enumerate(inputs, start=1):
            texts, cut = self._cut([self.tokenizer.encode(text) for text in each_text(given)])
            if cut:
                cuts[number] = cut
            if self.reverse:
                texts = [ids[::-1] for ids in texts]
            sequences = self.form.write(texts, self.specials)
            encoded.append([np.array(ids, dtype=np.int32) for ids in sequences])
        if cuts:
            number, cut = next(iter(cuts.items()))
            start = _start(next(each_text(inputs[number - 1])))
            name = f"{what} {number}" if what else f"what begins '{start}'"
            more = f"; {len(cuts) - 1} more of {len(inputs)} are cut" if len(cuts) > 1 else ""
            warnings.warn(
                f"{name} is longer than the {self.longest} tokens that are read: {cut}{more}",
                ZooWarning,
                stacklevel=4,
            )
        return encoded

    def _cut(self, texts: list[list[int]]) -> tuple[list[list[int]], str]:
        """Return the texts cut to the room, and a message of all cuts, "" without any."""
        kept = self.form.keep([len(ids) for ids in texts], self.longest - self.form.specials)
        cuts = [
            f"the {self._name(i)} was cut after '...{self.tokenizer.decode(ids[:count])[-30:]}'"
            if count
            else f"the {self._name(i)} was left out"
            for i, (ids, count) in enumerate(zip(texts, kept, strict=True))
            if count < len(ids)
        ]
        return [ids[:count] for ids, count in zip(texts, kept, strict=True)], ", ".join(cuts)

    def _name(self, index: int) -> str:
        count = len(self.names)
        return self.names[index] if index < count else f"answer {index - count}"


def _start(text: str, most: int = 30) -> str:
    return text if len(text) <= most else text[:most] + "..."


def longest_of_model(context: int, data: Data) -> int:
    """Return the most ids of a sequence for a model with this context."""
    return context if data.max_length is None else min(context, data.max_length)


def of_recipe(
    form: Form, names: Sequence[str], recipe: Recipe, tokenizer: Tokenizer
) -> Sequences | None:
    """Return the encoder of a recipe's training sequences; None if its model reads plain texts.

    A model of sequences has the argument `context`, the most ids of a sequence. Its special ids are
    those of a tokenizer that has some for texts, as BERT's, or follow the vocabulary.
    """
    arguments = recipe.resolved().model.arguments
    if "context" not in arguments:
        return None
    first, data = arguments["vocabulary"], recipe.data
    # A batch cuts the start of sequences that are longer than the longest bucket.
    longest = longest_of_model(min(arguments["context"], recipe.train.buckets[-1]), data)
    specials = Specials(*(tokenizer.sequence_ids or (first, first + 1, first + 2)))
    return Sequences(form, recipe.task, names, tokenizer, specials, longest, data.reverse)
