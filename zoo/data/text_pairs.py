"""Pairs of texts: whether the second follows the first (bert2018, section 3.1, task 2), or whether
both are in their order (albert2019, section 3.1).

Long texts are read in pieces of whole sentences. A piece is cut in two between two of them, anew in
each pass. Half of the time the pair stays so, label 0. Otherwise, label 1, "next" takes a second
text from another document, and "order" swaps the two. A piece of a single sentence has no second
text of its own: "next" gives it a foreign one, and to "order" it is a text without label.

Other than in the papers' code, the rest of a piece whose second text is replaced is not read again
in the same pass, pieces end before a sentence that does not fit, so that nothing is cut off a pair,
and no piece is short at random.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from zoo.data.batches import IGNORED, Batch
from zoo.data.encoded import Ragged
from zoo.data.masking import MaskedBatches

Kind = Literal["next", "order"]
# A pair has a start and two ends.
SPECIAL = 3
# Labels: the second text follows the first, or it does not.
FOLLOWS, ELSEWHERE = 0, 1


@dataclass(frozen=True)
class Piece:
    """Sentences that follow each other, and the number of their document."""

    sentences: list[np.ndarray]  # int32 [ids] each, without start and end
    document: int


def pieces_of(texts: Ragged, starts: Ragged, longest: int) -> list[Piece]:
    """Return texts in pieces of whole sentences that fit a pair of `longest` ids.

    Args:
        texts: from the start id to the end id.
        starts: where each sentence of a text begins.
    """
    room = longest - SPECIAL
    found = []
    for document in range(len(texts)):
        ids = np.asarray(texts[document], dtype=np.int32)[:-1]
        bounds = [*np.asarray(starts[document]).tolist(), len(ids)]
        sentences: list[np.ndarray] = []
        filled = 0
        for first, last in itertools.pairwise(bounds):
            for at in range(first, last, room):  # a sentence that is too long becomes several
                part = ids[at : min(at + room, last)]
                if filled + len(part) > room:
                    found.append(Piece(sentences, document))
                    sentences, filled = [], 0
                sentences.append(part)
                filled += len(part)
        if sentences:
            found.append(Piece(sentences, document))
    return found


@dataclass(frozen=True)
class Pairs(Sequence[np.ndarray]):
    """Pieces of texts as pairs; as a sequence, the pieces' ids.

    Attributes:
        pieces: those of a document one after another.
        kind: what label 1 means, see this file's beginning.
        longest: the most ids of a pair.
        start_id, end_id: begin a pair and end each text.
    """

    pieces: Sequence[Piece]
    kind: Kind
    longest: int
    start_id: int
    end_id: int

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, index: Any) -> Any:
        return np.concatenate(self.pieces[index].sentences)

    def pair(self, index: int, random: np.random.Generator) -> tuple[np.ndarray, int]:
        """Return a piece as int32 ids and its label; IGNORED is the label of a single text."""
        sentences = self.pieces[index].sentences
        cut = int(random.integers(1, len(sentences))) if len(sentences) > 1 else 1
        changed = random.random() < 0.5
        first, second = (
            np.concatenate([np.zeros(0, np.int32), *part])
            for part in (sentences[:cut], sentences[cut:])
        )
        if self.kind == "next" and (changed or not len(second)):
            second = self._foreign(index, self.longest - SPECIAL - len(first), random)
            changed = True
        elif changed:
            first, second = second, first
        both = [part for part in (first, second) if len(part)]
        ids = [np.array([self.start_id])]
        for part in both:
            ids += [part, np.array([self.end_id])]
        label = (ELSEWHERE if changed else FOLLOWS) if len(both) > 1 else IGNORED
        return np.concatenate(ids).astype(np.int32), label

    def _foreign(self, index: int, room: int, random: np.random.Generator) -> np.ndarray:
        """Return sentences of another document, at most `room` ids; none if there is no other."""
        own = self.pieces[index].document
        first, last = index, index + 1
        while first > 0 and self.pieces[first - 1].document == own:
            first -= 1
        while last < len(self) and self.pieces[last].document == own:
            last += 1
        others = len(self) - (last - first)
        if not others:
            return np.zeros(0, np.int32)
        other = int(random.integers(others))
        sentences = self.pieces[other if other < first else other + last - first].sentences
        begin = int(random.integers(len(sentences)))
        ids: np.ndarray = np.concatenate(sentences[begin:])[: max(room, 0)]
        return ids


class TextPairBatches(MaskedBatches):
    """Batches of pairs of texts with hidden tokens and a label each.

    Args: as `MaskedBatches`, with the pairs in place of the texts.
    """

    def __init__(self, pairs: Pairs, **options: Any) -> None:
        self.pairs = pairs
        self._drawn = lru_cache(maxsize=2)(self._pair)
        super().__init__(pairs, longest=pairs.longest, **options)

    def _pair(self, step: int) -> list[tuple[np.ndarray, int]]:
        """Return ids and labels of the pairs of a step."""
        random = np.random.default_rng((self.seed, step, 2))
        return [self.pairs.pair(member, random) for member in self.members_of(step)]

    def texts_of(self, step: int) -> list[np.ndarray]:
        return [ids for ids, _ in self._drawn(step)]

    def batch(self, step: int) -> Batch:
        """Return the batch of `MaskedBatches`, whose labels are {"words", "pairs"}.

        "words" is int32 [rows, places] as there, "pairs" int32 [rows].
        """
        inputs, words = super().batch(step)
        pairs = np.array([label for _, label in self._drawn(step)], dtype=np.int32)
        return inputs, {"words": words, "pairs": pairs}
