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
        kept: ids that are never hidden, as those of start and end, nor drawn.
        starts: bool [vocabulary], whether a token begins a word; with it the tokens of a word are
            hidden together. None hides single tokens.
        ngrams: the most words, or tokens, that are hidden in a row.
    """

    mask_id: int
    vocabulary: int
    kept: tuple[int, ...]
    starts: np.ndarray | None = None
    ngrams: int = 1

    def hide(
        self, ids: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a text with hidden tokens, their places and what stood there: int32 each.

        15 % of all tokens are to be guessed, at least one; of whole words and n-grams no more than
        that, none if each word has more. Four fifths of them become the mask, a tenth random
        tokens, and a tenth stay.
        """
        if self.starts is None and self.ngrams == 1:
            candidates = np.flatnonzero(~np.isin(ids, self.kept))
            count = min(most_hidden(len(ids)), len(candidates))
            places = np.sort(random.choice(candidates, count, replace=False)).astype(np.int32)
        else:
            places = self.places_of_words(ids, random)
        truth = ids[places].astype(np.int32)
        draw = random.random(len(places))
        others = random.integers(0, self.vocabulary, len(places))
        others = np.where(np.isin(others, self.kept), self.mask_id, others)
        shown = np.where(draw < MASKED, self.mask_id, truth)
        shown = np.where((draw >= MASKED) & (draw < MASKED + RANDOM), others, shown)
        hidden = ids.astype(np.int32)
        hidden[places] = shown
        return hidden, places, truth

    def places_of_words(self, ids: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return the places of hidden words or n-grams, int32, rising.

        As in albert2019's code: n words from a random one on, n with P ~ 1 / n (section 4.1); fewer
        where they are too many for the 15 %; none that overlap. As in bert2018's for n = 1. Other
        than there, an n-gram ends with its text.
        """
        runs = self.words(ids)
        places = [(run, word) for run in range(len(runs)) for word in range(len(runs[run]))]
        count = min(most_hidden(len(ids)), sum(len(word) for run in runs for word in run))
        found: set[int] = set()
        for index in random.permutation(len(places)):
            if len(found) >= count:
                break
            run, first = places[index]
            words = runs[run][first : first + self.ngrams]
            p = 1.0 / np.arange(1, len(words) + 1)
            n = int(random.choice(len(words), p=p / p.sum())) + 1
            for shorter in range(n, 0, -1):
                chosen = [place for word in words[:shorter] for place in word]
                if len(found) + len(chosen) <= count:
                    break
            else:
                continue
            if found.isdisjoint(chosen):
                found.update(chosen)
        return np.array(sorted(found), dtype=np.int32)

    def words(self, ids: np.ndarray) -> list[list[list[int]]]:
        """Return the places of each word, or token, of each part between tokens that are kept."""
        runs: list[list[list[int]]] = [[]]
        for place, token in enumerate(ids.tolist()):
            if token in self.kept:
                runs.append([])
            elif runs[-1] and self.starts is not None and not self.starts[token]:
                runs[-1][-1].append(place)
            else:
                runs[-1].append([place])
        return [run for run in runs if run]


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
        longest: the most ids of a text; None is that of the longest one.

    Raises:
        DataError: there are fewer texts than a batch holds.
    """

    def __init__(
        self,
        texts: Sequence[np.ndarray],
        *,
        rows: int,
        hiding: Hiding,
        pad_id: int,
        seed: int,
        longest: int | None = None,
    ) -> None:
        check_rows(len(texts), rows, "pieces of text")
        self.texts = texts
        self.rows = rows
        self.hiding = hiding
        self.pad_id = pad_id
        self.seed = seed
        self.length = longest or max(map(len, texts))
        self.places = most_hidden(self.length)
        self.per_pass = len(texts) // rows
        self._order = lru_cache(maxsize=2)(self._draw)
        self._hidden = lru_cache(maxsize=2)(self._hide)

    def _draw(self, number: int) -> np.ndarray:
        """Return the order of the texts in a pass."""
        return np.random.default_rng((self.seed, number, 0)).permutation(len(self.texts))

    def members_of(self, step: int) -> np.ndarray:
        """Return the indices of a step's texts."""
        number, index = divmod(step, self.per_pass)
        return self._order(number)[index * self.rows : (index + 1) * self.rows]

    def _hide(self, step: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return the rows of a step, hidden."""
        random = np.random.default_rng((self.seed, step, 1))
        return [self.hiding.hide(text, random) for text in self.texts_of(step)]

    def texts_of(self, step: int) -> list[np.ndarray]:
        """Return the texts of a step."""
        return [self.texts[member] for member in self.members_of(step)]

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
