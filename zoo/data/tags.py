"""Tags of words: how they mark entities, and the entities that they mark.

    IOB2    B-PER I-PER O: B- begins each entity, I- goes on with it
    IOB1    I-PER I-PER O: B- begins only an entity right after another one of its kind
    IOBES   B- and I- as in IOB2, E- ends an entity of several words, S- is one of a single word
    BILOU   the same with L- and U-
    plain   parts of speech and the like, which mark no entities

What is read becomes IOB2. An entity ends where a model's tags break the scheme too: an I- that
follows O, or another kind, begins one, as in the scorer of CoNLL-2000, conlleval.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zoo.errors import DataError

OUTSIDE = "O"
IOB = re.compile(r"([BI])-(.+)")
ANY = re.compile(r"([BILUES])-(.+)")
# What the signs of other schemes are in IOB2.
OTHERS = {"IOBES": {"E": "I", "S": "B"}, "BILOU": {"L": "I", "U": "B"}}


class Tagged(NamedTuple):
    """The words and tags of a sentence, and the place of each word, or of all, for messages."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    places: tuple[str, ...]

    def place(self, number: int) -> str:
        """Return the place of a word, by its number from 0."""
        if len(self.places) == len(self.words):
            return self.places[number]
        return f"{self.places[0]}, word {number + 1}"


class Entity(NamedTuple):
    """The words first to last - 1 are an entity of a kind, as in "PER"."""

    kind: str
    first: int
    last: int


def entities(tags: Sequence[str]) -> list[Entity]:
    """Return the entities of a sentence's tags in IOB1 or IOB2, or of a model's, which may err."""
    found: list[Entity] = []
    kind, first = "", 0
    for number, (sign, of) in enumerate([*map(_parts, tags), (OUTSIDE, "")]):
        if kind and (sign != "I" or of != kind):
            found.append(Entity(kind, first, number))
            kind = ""
        if sign != OUTSIDE and not kind:
            kind, first = of, number
    return found


def complete(labels: set[str]) -> list[str]:
    """Return labels in order, O first, with the B- and the I- of each kind of entity."""
    kinds = {match[2] for label in labels if (match := IOB.fullmatch(label))}
    if not kinds:
        return sorted(labels)
    return [OUTSIDE, *(f"{sign}-{kind}" for kind in sorted(kinds) for sign in "BI")]


def as_iob2(sentences: Sequence[Tagged]) -> list[Tagged]:
    """Return sentences with their tags in IOB2, or as they are if they mark no entities.

    Raises:
        DataError: a tag belongs to no scheme, or the tags to no one scheme; names the place.
    """
    signs = {match[1] for tags in sentences for tag in tags.tags if (match := ANY.fullmatch(tag))}
    if not signs & {"B", "I"} and not (signs and _outside(sentences)):
        return list(sentences)
    for sentence in sentences:
        for number, tag in enumerate(sentence.tags):
            if tag != OUTSIDE and not ANY.fullmatch(tag):
                raise DataError(
                    f"{sentence.place(number)}: the tag '{tag}' is no IOB, and other tags are",
                    "write O, B-KIND or I-KIND for each word; plain tags have no B- or I-",
                )
    others = signs - {"B", "I"}
    for other in OTHERS.values():
        if others and others <= {*other}:
            return [_replaced(sentence, other) for sentence in sentences]
    if others:
        raise DataError(
            f"the tags begin with {', '.join(f'{sign}-' for sign in sorted(signs))}, which is "
            "neither IOB nor IOBES nor BILOU",
            "write B- at the first word of each entity and I- at the others",
        )
    return _from_iob(sentences)


def _from_iob(sentences: Sequence[Tagged]) -> list[Tagged]:
    """Return sentences in IOB2 of sentences in IOB1 or IOB2."""
    first_i = next(_breaks(sentences, "I"), "")
    first_b = next(_breaks(sentences, "B"), "")
    if not first_i:
        return list(sentences)
    if first_b:
        raise DataError(
            f"the tags are neither IOB1 nor IOB2: {first_i} begins an entity with I-, and "
            f"{first_b} one with B- that follows none of its kind",
            "write B- at the first word of each entity",
        )
    found = []
    for sentence in sentences:
        tags = list(sentence.tags)
        for kind, first, _ in entities(tags):
            tags[first] = f"B-{kind}"
        found.append(sentence._replace(tags=tuple(tags)))
    return found


def _breaks(sentences: Sequence[Tagged], wanted: str) -> Iterator[str]:
    """Yield the places of I- that begins an entity, which IOB2 lacks; of B- that IOB1 lacks."""
    for sentence in sentences:
        before = ""
        for number, tag in enumerate(sentence.tags):
            sign, kind = _parts(tag)
            if sign == wanted and kind != before:
                yield sentence.place(number)
            before = kind


def _outside(sentences: Sequence[Tagged]) -> bool:
    """Return whether some word has the tag O."""
    return any(OUTSIDE in sentence.tags for sentence in sentences)


def _replaced(sentence: Tagged, signs: dict[str, str]) -> Tagged:
    parts = (_parts(tag) for tag in sentence.tags)
    tags = (f"{signs.get(sign, sign)}-{kind}" if kind else sign for sign, kind in parts)
    return sentence._replace(tags=tuple(tags))


def _parts(tag: str) -> tuple[str, str]:
    """Return sign and kind of a tag; of a plain one ("O", "")."""
    match = ANY.fullmatch(tag)
    return (match[1], match[2]) if match else (OUTSIDE, "")
