"""Texts with hidden tokens, for masked language models (bert2018, section 3.1 and appendix A.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from zoo.data.batches import IGNORED, Batch, check_rows
from zoo.data.encoded import Ragged, padded

# The share of a text's tokens that are to be guessed; the share of these that the mask stands for,
# and the share that a random token does. The rest stay as they are.
SHARE, MASKED, RANDOM = 0.15, 0.8, 0.1


@dataclass(frozen=True)
class Hiding:
    """How tokens are hidden.

    Attributes:
        mask_id: stands for a hidden token.
        vocabulary: number of tokens, of which a random one is drawn.
        kept: ids that are never hidden, as those of start and end.
    """

    mask_id: int
    vocabulary: int
    kept: tuple[int, ...]

    def hide(
        self, ids: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a text with hidden tokens, their places and what stood there: int32 each.

        15 % of all tokens are to be guessed, at least one. Four fifths of them become the mask, a
        tenth random tokens, and a tenth stay.
        """
        candidates = np.flatnonzero(~np.isin(ids, self.kept))
        count = min(most_hidden(len(ids)), len(candidates))
        places = np.sort(random.choice(candidates, count, replace=False)).astype(np.int32)
        truth = ids[places].astype(np.int32)
        draw = random.random(count)
        others = random.integers(0, self.vocabulary, count)
        shown = np.where(draw < MASKED, self.mask_id, truth)
        shown = np.where((draw >= MASKED) & (draw < MASKED + RANDOM), others, shown)
        hidden = ids.astype(np.int32)
        hidden[places] = shown
        return hidden, places, truth


def most_hidden(length: int) -> int:
    """Return how many tokens of a text of that length are hidden at most."""
    return max(1, round(SHARE * length))


def pieces(texts: Ragged, longest: int) -> list[np.ndarray]:
    """Return texts in pieces of at most `longest` ids, start and end included: int32 [ids] each.

    Args:
        texts: from the start id to the end id.
    """
    room = longest - 2
    found = []
    for number in range(len(texts)):
        ids = np.asarray(texts[number], dtype=np.int32)
        found += [
            np.concatenate([ids[:1], ids[first : min(first + room, len(ids) - 1)], ids[-1:]])
            for first in range(1, len(ids) - 1, room)
        ]
    return found


class MaskedBatches:
    """Batches of texts with hidden tokens, padded on the right to the longest text.

    Each pass shuffles the texts and hides other tokens; texts that do not fill a batch are left out
    of it. A batch is a pure function of (seed, step).

    Args:
        texts: from the start id to the end id, int32 [ids] each.
        rows: texts of a batch.
        hiding: how tokens are hidden.
        pad_id: id of padding.
        seed: decides order and hidden places.

    Raises:
        DataError: there are fewer texts than a batch holds.
    """

    def __init__(
        self, texts: Sequence[np.ndarray], *, rows: int, hiding: Hiding, pad_id: int, seed: int
    ) -> None:
        check_rows(len(texts), rows, "pieces of text")
        self.texts = texts
        self.rows = rows
        self.hiding = hiding
        self.pad_id = pad_id
        self.seed = seed
        self.length = max(map(len, texts))
        self.places = most_hidden(self.length)
        self.per_pass = len(texts) // rows
        self._order = lru_cache(maxsize=2)(self._draw)
        self._hidden = lru_cache(maxsize=2)(self._hide)

    def _draw(self, number: int) -> np.ndarray:
        """Return the order of the texts in a pass."""
        return np.random.default_rng((self.seed, number, 0)).permutation(len(self.texts))

    def _hide(self, step: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return the rows of a step, hidden."""
        number, index = divmod(step, self.per_pass)
        members = self._order(number)[index * self.rows : (index + 1) * self.rows]
        random = np.random.default_rng((self.seed, step, 1))
        return [self.hiding.hide(self.texts[member], random) for member in members]

    def batch(self, step: int) -> Batch:
        """Return ({"tokens", "places"}, labels) of a step.

        Tokens are int32 [rows, longest text]; places and labels, the tokens that stood there, are
        int32 [rows, places]. Where a shorter text has fewer of them, places are 0 and labels -1,
        which the loss leaves out.
        """
        tokens, places, labels = zip(*self._hidden(step), strict=True)
        return {
            "tokens": padded(tokens, self.length, self.pad_id),
            "places": padded(places, self.places, 0),
        }, padded(labels, self.places, IGNORED)

    def tokens(self, step: int) -> int:
        """Return how many hidden tokens the batch of a step trains on."""
        return sum(len(places) for _, places, _ in self._hidden(step))
