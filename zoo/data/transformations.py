"""How a task's texts become the sequences that one Transformer reads (gpt1, 3.3 and figure 1).

    classify     [start; text; extract]
    entail       [start; premise; delimiter; hypothesis; extract]
    similarity   [start; one; delimiter; other; extract], [start; other; delimiter; one; extract]
    choose       [start; context; delimiter; answer; extract] for each answer

Texts and sequences are lists of ids. What is too long for a sequence is cut at its end, and only
there: special ids always stay. Of two texts the longer one gives way until both are of one length,
so that a short one is never cut beside a long one; the authors' code, which was released for one
task, cuts each to half of the room. Of a context and its answers the context gives way, to one
length for all answers, so that these are compared in the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Ids = Sequence[int]


class Specials(NamedTuple):
    """The ids that a sequence begins with, has between two texts, and ends with."""

    start: int
    delimiter: int
    extract: int


# How many special ids there are in a sequence of one text, and of two.
AROUND_ONE, AROUND_TWO = 2, 3


def classification(text: Ids, specials: Specials) -> list[list[int]]:
    """Return the one sequence of a text."""
    return [[specials.start, *text, specials.extract]]


def entailment(premise: Ids, hypothesis: Ids, specials: Specials) -> list[list[int]]:
    """Return the one sequence of a premise and a hypothesis."""
    return [[specials.start, *premise, specials.delimiter, *hypothesis, specials.extract]]


def similarity(one: Ids, other: Ids, specials: Specials) -> list[list[int]]:
    """Return the two sequences of two texts, one in each order: neither text comes first."""
    return entailment(one, other, specials) + entailment(other, one, specials)


def choice(context: Ids, answers: Sequence[Ids], specials: Specials) -> list[list[int]]:
    """Return a sequence for each answer."""
    return [each for answer in answers for each in entailment(context, answer, specials)]


def shared_room(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many ids two texts of these lengths keep in a room for so many.

    The longer one gives way first; of two that are both longer than half of the room the first
    keeps the odd id.
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
    """Return how many ids a context and its answers, of these lengths, keep in a room for so many.

    The context gives way first, to what the longest answer leaves; an answer that alone is longer
    than the room is cut to it.
    """
    kept = [min(answer, room) for answer in answers]
    return min(context, room - max(kept)), kept
