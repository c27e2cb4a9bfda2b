"""Guess hidden words of a text (bert2018, section 3.1, task 1); scored by accuracy."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from zoo import compiling, finite
from zoo.config.recipe import Recipe
from zoo.data.encoded import Encoded, Ragged, padded, text_ids
from zoo.data.examples import Example
from zoo.data.masking import Hiding, pieces
from zoo.errors import InputError, OptionError, check_count, item_names
from zoo.models.contracts import Filler, Judge
from zoo.tasks import unknown
from zoo.tasks.base import Tokenizers, check_examples
from zoo.tasks.batching import LENGTHS, bucket, by_length, filled_up, with_progress
from zoo.tasks.metrics import log_softmax
from zoo.tasks.texts import Texts
from zoo.text import Tokenizer, sentences
from zoo.text.wordpiece import MASK, PREFIX

# Hidden places of a text are padded to the next of these numbers.
PLACES = (1, 2, 4, 8, 16, 32, 64, 128)
# Words that `predict(scores=True)` lists, if num_return does not say.
LISTED = 5
# Words of a golden input; the fourth is hidden.
GOLDEN_WORDS, GOLDEN_HIDDEN = 8, 3


class Hidden(NamedTuple):
    """A text with hidden tokens, their places, and what stood there: int32 each."""

    tokens: np.ndarray
    places: np.ndarray
    truth: np.ndarray


class Fill(Texts):
    """Guess the words at [MASK], each from all that is not hidden."""

    name = "fill"
    trainer = "zoo.training.masked:MaskedTrainer"
    quick_limit = 200

    @classmethod
    def encode_examples(
        cls, examples: Sequence[Example], tokenizers: Tokenizers, recipe: Recipe
    ) -> Encoded:
        """Encode whole texts; training reads them in pieces of `data.max_length`.

        For a second task they come in sentences: the column "sentences" has where each begins.
        """
        check_examples(examples)
        tokenizer = tokenizers[0]
        if recipe.train.second_task == "none":
            return Encoded.texts(Ragged.of([text_ids(tokenizer, text) for text, _ in examples]))
        language = recipe.data.language
        texts, starts = [], []
        for text, _ in examples:
            parts = [tokenizer.encode(part) for part in sentences.split(text, language)]
            parts = [part for part in parts if part]
            starts.append(1 + np.cumsum([0, *map(len, parts)])[:-1])
            texts.append([tokenizer.start_id, *itertools.chain(*parts), tokenizer.end_id])
        return Encoded({"tokens": Ragged.of(texts), "sentences": Ragged.of(starts)})

    # The ids of texts ------------------------------------------------------------------------

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Encode each text as the model reads it, from the start id to the end id."""
        return [text_ids(self.tokenizer, text) for text in texts]

    def encode_sources(self, texts: Sequence[Any]) -> list[Any]:
        unknown.encode(self.tokenizer, texts, self.data.language)
        return [ids.tolist() for ids in self.encode(texts)]

    def _hidden(self, texts: Sequence[str]) -> list[Hidden]:
        """Return texts with the places of [MASK].

        Raises:
            InputError: a text has no [MASK], is longer than the model's context, or empty.
        """
        unknown.encode(self.tokenizer, texts, self.data.language)
        found = []
        for name, ids in zip(item_names("text", len(texts)), self.encode(texts), strict=True):
            places = np.flatnonzero(ids == self.tokenizer.mask_id).astype(np.int32)
            if not len(places):
                raise InputError(
                    f"{name} has no {MASK}",
                    f'write {MASK} in place of a word, as in "The {MASK} sleeps."',
                )
            if len(ids) > self.model.context:
                raise InputError(
                    f"{name} has {len(ids)} tokens, and the model reads no more than "
                    f"{self.model.context}",
                    "give the part around the hidden word",
                )
            found.append(Hidden(ids, places, ids[places]))
        return found

    # The verbs -------------------------------------------------------------------------------

    def predict(
        self,
        texts: Sequence[str],
        *,
        scores: bool = False,
        num_return: int = 1,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> list[Any]:
        """Return each text with a word at every [MASK], the most probable one at each.

        A hidden place is guessed by itself: with several of them in a text, the words may not fit
        each other. The model never writes a special word.

        Args:
            scores: return the words at a place with their probabilities instead, a dict of the
                num_return best, 5 if that is 1; for a text with several places a list of dicts.
            num_return: with more than 1 each result is a list of texts, the best first; the text
                has one [MASK].
            batch_size: texts read together.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Raises:
            InputError: an empty text, one without [MASK] or of too many tokens.
            OptionError: num_return is more than 1 for a text with several places.
        """
        check_count("num_return", num_return)
        texts = list(texts)
        hidden = self._hidden(texts)
        if num_return > 1 and not scores:
            for name, each in zip(item_names("text", len(texts)), hidden, strict=True):
                if len(each.places) > 1:
                    raise OptionError(
                        f"num_return is {num_return}, and {name} has {len(each.places)} hidden "
                        "places",
                        "leave it out, or ask with scores=True",
                    )
        count = LISTED if scores and num_return == 1 else num_return
        return [
            self._answer(text, rows, count, scores)
            for text, rows in zip(texts, self._rows(hidden, batch_size, progress), strict=True)
        ]

    def _rows(
        self, hidden: Sequence[Hidden], batch_size: int | None, progress: bool
    ) -> list[np.ndarray]:
        """Return log P of each word at each place of texts: float64 [places, vocabulary] each."""
        unwritten = list(self.tokenizer.unwritten_ids)
        rows = self.batch_size(batch_size)
        found = place_logits(self.model, hidden, self.tokenizer.pad_id, rows, progress)
        for logits in found:
            logits[:, unwritten] = -np.inf
            logits[:, self.tokenizer.size :] = -np.inf  # rows of no piece, after a small text
        return [log_softmax(logits) for logits in found]

    def _answer(self, text: str, rows: np.ndarray, count: int, scores: bool) -> Any:
        """Return the answer to a text by log P of the words at its places."""
        best = [np.argsort(-row, kind="stable")[:count] for row in rows]
        words = [self.tokenizer.as_words(ids.tolist()) for ids in best]
        if scores:
            dicts = [
                dict(zip(each, np.exp(row[ids]).tolist(), strict=True))
                for each, ids, row in zip(words, best, rows, strict=True)
            ]
            return dicts if len(dicts) > 1 else dicts[0]
        if count > 1:
            return [filled(text, [word]) for word in words[0]]
        return filled(text, [each[0] for each in words])

    def evaluate(
        self, examples: Sequence[Example], *, batch_size: int | None = None, progress: bool = False
    ) -> dict[str, Any]:
        """Hide 15 % of the tokens of texts, always the same single ones, and guess them.

        Args:
            examples: (text, "") pairs; long texts are read in pieces as in training.

        Returns:
            "accuracy", the share of hidden tokens whose most probable guess is right, in percent;
            "loss", the mean of -log P in nats, and "perplexity" of it; the counts "hidden" and
            "texts". Each is per piece of the tokenizer.

        Raises:
            DataError: no examples.
            PredictionError: the model's output is NaN or infinite.
        """
        check_examples(examples)
        longest = min(self.data.max_length or self.model.context, self.model.context)
        ids = Ragged.of(self.encode([text for text, _ in examples]))
        texts = hidden(pieces(ids, longest), self.tokenizer)
        rows = self.batch_size(batch_size)
        log_p, right = guesses(self.model, texts, self.tokenizer.pad_id, rows, progress)
        loss = -float(log_p.mean())
        return {
            "accuracy": 100.0 * float(right.mean()),
            "perplexity": float(np.exp(loss)),
            "loss": loss,
            "hidden": len(right),
            "texts": len(examples),
        }

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[tuple[str, str]]) -> list[str]:
        """Return the first words of the first four texts that have enough, the fourth hidden."""
        starts = [text.split()[:GOLDEN_WORDS] for text, _ in examples]
        return [
            " ".join([*words[:GOLDEN_HIDDEN], MASK, *words[GOLDEN_HIDDEN + 1 :]])
            for words in starts
            if len(words) > GOLDEN_HIDDEN
        ][:4]

    def golden_scores(self, texts: Sequence[str], outputs: Sequence[str]) -> np.ndarray:
        """Return log P of the most probable word at each place, summed: float64 [texts]."""
        rows = self._rows(self._hidden(texts), None, False)
        return np.array([row.max(axis=1).sum() for row in rows])

    def golden_logits(self, text: str, output: str) -> np.ndarray:
        """Return the logits [places, vocabulary] of the hidden places of a text."""
        return place_logits(self.model, self._hidden([text]), self.tokenizer.pad_id, 1)[0]


def filled(text: str, words: Sequence[str]) -> str:
    """Return a text with words at its hidden places; a piece within a word joins the one before."""
    found = iter(words)

    def word(match: re.Match) -> str:
        before, piece = match.group(1), next(found)
        return piece.removeprefix(PREFIX) if piece.startswith(PREFIX) else before + piece

    return re.sub(rf"(\s*){re.escape(MASK)}", word, text)


def hiding(tokenizer: Tokenizer, whole_words: bool = False, ngrams: int = 1) -> Hiding:
    """Return how tokens of a tokenizer are hidden; raise OptionError if it has no mask.

    Args:
        whole_words, ngrams: those of a recipe's [train].
    """
    if tokenizer.mask_id < 0:
        raise OptionError(
            f"a tokenizer of kind '{tokenizer.kind}' has no word that hides others",
            "set tokenizer.kind to 'wordpiece' or 'albert'",
        )
    kept = (tokenizer.pad_id, tokenizer.start_id, tokenizer.end_id)
    starts = np.array([tokenizer.begins_word(piece) for piece in tokenizer.words])
    return Hiding(tokenizer.mask_id, tokenizer.size, kept, starts if whole_words else None, ngrams)


def hidden(texts: Sequence[np.ndarray], tokenizer: Tokenizer) -> list[Hidden]:
    """Return texts with single tokens hidden, the same ones at every call.

    Whatever training hides, so that models can be compared.
    """
    how = hiding(tokenizer)
    return [
        Hidden(*how.hide(ids, np.random.default_rng((0, number))))
        for number, ids in enumerate(texts)
    ]


def guesses(
    model: Filler, texts: Sequence[Hidden], pad_id: int, rows: int, progress: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return log P of what stood at the hidden places of texts, and whether it is the best guess.

    Both are of all places one after the other, float64 and bool [places].

    Args:
        rows: texts read together; their lengths are similar.
    """
    found = _each(_guessed, model, texts, pad_id, rows, progress)
    log_p, best = (np.concatenate(parts) for parts in zip(*found, strict=True))
    finite.check(model, log_p)
    return log_p.astype(np.float64), best == np.concatenate([each.truth for each in texts])


def place_logits(
    model: Filler, texts: Sequence[Hidden], pad_id: int, rows: int, progress: bool = False
) -> list[np.ndarray]:
    """Return the logits at the hidden places of texts: float64 [places, vocabulary] each.

    Args: see `guesses`.
    """
    found = [logits for (logits,) in _each(_filled, model, texts, pad_id, rows, progress)]
    for logits in found:
        finite.check(model, logits.max(axis=1))
    return [logits.astype(np.float64) for logits in found]


def judgements(model: Judge, texts: Sequence[Hidden], pad_id: int, rows: int) -> np.ndarray:
    """Return log P that two texts follow each other and that they do not: float64 [texts, 2].

    Args: see `guesses`.
    """
    found = _each(_judged, model, texts, pad_id, rows, False)
    return np.array([log_p[0] for (log_p,) in found], dtype=np.float64)


def _each(
    function: compiling.Traced,
    model: Any,
    texts: Sequence[Hidden],
    pad_id: int,
    rows: int,
    progress: bool,
) -> list[list[np.ndarray]]:
    """Return what a function of batches of texts gives for the places of each text."""
    batches = by_length([len(text.tokens) for text in texts], rows)
    found: list[list[np.ndarray]] = [[] for _ in texts]
    for batch in with_progress(batches, progress):
        chosen = filled_up([texts[i] for i in batch], rows)
        length = min(bucket(len(chosen[0].tokens), LENGTHS), model.context)
        count = bucket(max(len(each.places) for each in chosen), PLACES)
        arrays = {
            "tokens": padded([each.tokens for each in chosen], length, pad_id),
            "places": padded([each.places for each in chosen], count, 0),
            "truth": padded([each.truth for each in chosen], count, 0),
        }
        outputs = compiling.run(function, model, None, arrays)
        leaves = [ops.convert_to_numpy(output) for output in outputs]
        for row, index in enumerate(batch):
            found[index] = [leaf[row, : len(texts[index].places)] for leaf in leaves]
    return found


def _filled(model: Filler, options: None, arrays: dict) -> Any:
    return (model.fill(arrays["tokens"], arrays["places"]),)


def _guessed(model: Filler, options: None, arrays: dict) -> Any:
    logits = model.fill(arrays["tokens"], arrays["places"])
    log_p = ops.log_softmax(logits, axis=-1)
    chosen = ops.take_along_axis(log_p, arrays["truth"][:, :, None], axis=-1)[:, :, 0]
    return chosen, ops.argmax(logits, axis=-1)


def _judged(model: Judge, options: None, arrays: dict) -> Any:
    _, logits = model.fill_and_judge(arrays["tokens"], arrays["places"])
    log_p = ops.log_softmax(logits, axis=-1)[:, None]
    return (ops.repeat(log_p, arrays["places"].shape[1], axis=1),)  # at each place the same
