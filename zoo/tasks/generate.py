"""Language modelling: a text in, what follows it out; scored by perplexity."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import compiling
from zoo.config.recipe import Recipe
from zoo.data import columns, corpora
from zoo.data.encoded import Encoded, Ragged, left_padded, text_ids
from zoo.data.examples import Example
from zoo.decoding import sampling, search
from zoo.errors import DataError, InputError, NotSupported, OptionError, check_count
from zoo.tasks import likelihood, unknown
from zoo.tasks.base import Task, Tokenizers, check_examples, listed_texts
from zoo.tasks.batching import LENGTHS, ROWS, bucket, with_progress

# A prompt is padded to the next of these lengths; of a longer one, the words before the last piece
# are read first, piece by piece.
PROMPTS = (8, 16, 32, 64)
PIECE = PROMPTS[-1]

# An end that no model writes.
NO_END = -1

# Words of a prompt for golden outputs.
GOLDEN_WORDS = 8


class Generate(Task):
    """A model and its tokenizer as a writer of texts.

    The model is a built language model; with a `context` it reads no more than so many tokens.
    """

    name = "generate"
    trainer = "zoo.training.trainers:NextTokenTrainer"
    adapts = True

    # Examples --------------------------------------------------------------------------------

    @classmethod
    def read(
        cls, recipe: Recipe, data: Any, targets: Iterable[Any] | None = None, *, fresh: bool = False
    ) -> list[Example]:
        """Return the texts of a user's examples, which have no labels."""
        if targets is not None:
            raise DataError(
                "a language model is trained on texts alone, and there are labels",
                'leave them out, or train a classifier on them with task="classify"',
            )
        return [Example(text) for text in columns.read_texts(data)]

    @classmethod
    def load(cls, recipe: Recipe, split: str, folder: Path | None = None) -> list[Example]:
        """Return the texts of one split of the recipe's corpus; to train on, of all its corpora.

        Tokenizers of words between white space read line by line, as word-level perplexities are
        compared; to others an article is one text.
        """
        further = recipe.data.also if split == "train" else []
        data = [recipe.data, *(recipe.data.model_copy(update=dict(also)) for also in further)]
        whole = not recipe.tokenizer.spec.by_line
        texts: list[Example] = []
        for i, corpus in enumerate(data):
            texts += corpora.load(
                corpus, split, labelled=False, whole=whole, seed=recipe.seed,
                folder=None if i else folder,
            )  # fmt: skip
        return texts

    @classmethod
    def encode_examples(
        cls, examples: Sequence[Example], tokenizers: Tokenizers, recipe: Recipe
    ) -> Encoded:
        """Return texts as ids, each from the start id to the end id."""
        if not examples:
            raise DataError("there are no texts", "give at least one")
        data = recipe.data
        ids = [text_ids(tokenizers[0], text, data.max_length, data.reverse) for text, _ in examples]
        return Encoded.texts(Ragged.of(ids))

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return each text as the model is trained to read it, from the start id to the end id."""
        return [text_ids(self.tokenizer, text, None, self.data.reverse) for text in texts]

    def encode_sources(self, texts: Sequence[Any]) -> list[Any]:
        return [ids.tolist() for ids in self.encode(texts)]

    @property
    def context(self) -> int | None:
        """Most tokens that the model reads; None is no limit."""
        return self.model.context

    # The verbs -------------------------------------------------------------------------------

    def predict(
        self,
        texts: Sequence[str],
        *,
        max_length: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        num_return: int = 1,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> list[Any]:
        """Continue texts; the result is in their order, each whole, with the text that was given.

        A result is what the tokenizer makes of the given words and the new ones together, so that
        it reads as one text; a given word that the model does not know is the unknown word in it,
        which the model itself never writes. A text ends where the model ends it, or breaks off
        after `max_length`; a model without an end, as GPT, always goes on so far.

        Without temperature, top_k, top_p and seed the most probable words follow. With any of them
        words are drawn, and the same call with the same seed gives the same texts on one backend.
        Texts of similar length are decoded together.

        Args:
            max_length: most tokens of a result, given ones and the end included; None allows the
                given ones and the recipe's `max_extra`, as far as the model's context goes.
            temperature, top_k, top_p: see `zoo.decoding.sampling.Sampler`; None draws at
                temperature 1 from all words.
            seed: None is another one in each call.
            beam_size: None is 1: a beam finds what is most probable, which in open text is dull.
            length_penalty, batch_size: None takes the recipe's.
            num_return: with more than 1 each result is a list of texts: the best of the beam, best
                first, or so many that are drawn.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Raises:
            InputError: a text that the model cannot take.
            OptionError: an option out of its range, a `max_length` that a text fills already, or a
                beam that is to draw.
            NotSupported: the model reads texts from the last word to the first.
        """
        if self.data.reverse:
            raise NotSupported(
                "this model reads a text from its last word to its first and cannot continue it",
                "predict with the model of the other direction; score and evaluate take this one",
            )
        sampler = _sampler(temperature, top_k, top_p, seed)
        check_count("num_return", num_return)
        copies = 1 if sampler is None else num_return
        given = self._words(texts)
        limits = self._limits(given, max_length)
        first = [] if self.tokenizer.open_ended else [self.tokenizer.start_id]
        prompts = [[*first, *words] for words in given]
        found = self._decode(
            [prompt for prompt in prompts for _ in range(copies)],
            np.repeat(limits, copies),
            sampler,
            1 if beam_size is None else beam_size,
            self.options.length_penalty if length_penalty is None else length_penalty,
            num_return if sampler is None else 1,
            batch_size,
            progress,
        )
        results = []
        for number, words in enumerate(given):
            following = [ids for each in found[number * copies :][:copies] for ids in each]
            results.append([self.tokenizer.decode([*words, *ids]) for ids in following])
        return results if num_return > 1 else [each[0] for each in results]

    def scored(self, texts: Any, targets: Any) -> tuple[bool, list[list[str]]]:
        """Return whether it is one text that is scored, and the texts."""
        if targets is not None:
            raise InputError("a language model scores one text", "leave the target out")
        one, listed = listed_texts(texts)
        return one, [listed]

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Return the natural log-probability of each text, end included: float64 [texts].

        Raises:
            InputError: a text that the model cannot take.
        """
        start, end = self.tokenizer.start_id, self.tokenizer.end_id
        step = -1 if self.data.reverse else 1
        sequences = [np.array([start, *words[::step], end]) for words in self._words(texts)]
        return likelihood.log_probabilities(self.model, sequences)

    def evaluate(
        self,
        examples: Sequence[tuple[str, str]],
        *,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> dict[str, Any]:
        """Measure how well the model predicts texts, read one after another as one stream.

        Args:
            examples: (text, "") each.
            batch_size: parts that the stream is read in; with 1 every word has all before it.

        Returns:
            "perplexity" per word, a word being what stands between white space, and the end of each
            line; "perplexity_per_token", over what the tokenizer makes of them, and its "loss" in
            nats; "bits_per_character"; the numbers of "words", "tokens" and "characters"; the share
            of "unknown" tokens.

        Raises:
            DataError: there is no example.
        """
        check_examples(examples)
        texts = [text for text, _ in examples]
        ids = np.concatenate(self.encode(texts))
        rows = self.options.batch_size if batch_size is None else batch_size
        check_count("batch_size", rows)
        loss = likelihood.stream_loss(self.model, ids, rows, progress)
        tokens = len(ids) - 1
        words = sum(len(text.split()) + text.count("\n") + 1 for text in texts)
        characters = sum(len(text) + 1 for text in texts)
        return {
            "perplexity": float(np.exp(loss * tokens / words)),
            "perplexity_per_token": float(np.exp(loss)),
            "loss": loss,
            "bits_per_character": loss * tokens / characters / float(np.log(2.0)),
            "words": words,
            "tokens": tokens,
            "characters": characters,
            "unknown": round(float(np.mean(ids == self.tokenizer.unk_id)), 4),
        }

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[tuple[str, str]]) -> list[str]:
        """Return the prompts that a model trained on this is remembered by: first few words."""
        words = [text.split()[:GOLDEN_WORDS] for text, _ in examples]
        return [" ".join(each) for each in words if each][:4]

    def golden_scores(self, texts: Sequence[str], outputs: Sequence[str]) -> np.ndarray:
        """Return log P of each output, float64 [texts]."""
        return self.score(outputs)

    def golden_logits(self, text: str, output: str) -> np.ndarray:
        """Return the logits [positions, vocabulary] of the words after those of a text."""
        ids = text_ids(self.tokenizer, text, None, self.data.reverse)
        return keras.ops.convert_to_numpy(self.model(ids[None], training=False))[0]

    # Arrays ----------------------------------------------------------------------------------

    def _words(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text's words, without start and end.

        Raises:
            InputError: an empty text or one of unknown characters only, by its number; one of
                unknown words only is warned of.
        """
        tokenizer, encoded = self.tokenizer, []
        for number, text in enumerate(texts, start=1):
            name = "the text" if len(texts) == 1 else f"text {number}"
            ids = tokenizer.encode(text)
            if not ids or not text.strip():  # a line break may be a word
                raise InputError(f"{name} is empty", "give at least one word")
            unknown.check(tokenizer, ids, text, name, self.data.language)
            encoded.append(ids)
        return encoded

    def _limits(self, given: Sequence[Sequence[int]], max_length: int | None) -> np.ndarray:
        """Return how many tokens may follow the words of each text, int [texts].

        Raises:
            InputError: a text that fills the model's context already.
            OptionError: a `max_length` beyond it, or one that a text fills already.
        """
        counts = np.array([len(words) for words in given], dtype=int)
        name = "the text" if len(given) == 1 else "text {}"
        longest = self.context
        if longest is not None and counts.max(initial=0) >= longest:
            number = int(np.argmax(counts >= longest))
            raise InputError(
                f"{name.format(number + 1)} has {counts[number]} tokens, and the model reads no "
                f"more than {longest}, new ones included",
                "give its last part",
            )
        if max_length is None:
            room = self.options.max_extra if longest is None else longest - counts
            return np.minimum(np.full(len(given), self.options.max_extra), room)
        check_count("max_length", max_length)
        if longest is not None and max_length > longest:
            raise OptionError(
                f"max_length is {max_length}", f"the model reads no more than {longest} tokens"
            )
        if counts.max(initial=0) >= max_length:
            number = int(np.argmax(counts >= max_length))
            raise OptionError(
                f"max_length is {max_length} and {name.format(number + 1)} has {counts[number]} "
                "tokens already",
                "max_length counts the given ones too: leave room for at least one more",
            )
        return max_length - counts

    def _decode(
        self,
        prompts: Sequence[Sequence[int]],
        limits: np.ndarray,
        sampler: sampling.Sampler | None,
        beam_size: int,
        length_penalty: float,
        num_return: int,
        batch_size: int | None,
        progress: bool,
    ) -> list[list[list[int]]]:
        """Return the ids that follow each prompt, best first, without the end.

        Args:
            prompts: the start id, if there is one, and at least one word each.
            limits: int [prompts], how many tokens may follow.
        """
        tokenizer = self.tokenizer
        end_id = NO_END if tokenizer.open_ended else tokenizer.end_id
        size = self.options.batch_size if batch_size is None else batch_size
        check_count("batch_size", size)
        lengths = np.array([len(prompt) for prompt in prompts], dtype=int)
        order = np.argsort(-lengths, kind="stable")  # the longest first
        batches = [order[first : first + size] for first in range(0, len(order), size)]
        seeds = np.random.SeedSequence(sampler.seed if sampler else 0).generate_state(len(batches))
        found: list[list[list[int]]] = [[] for _ in prompts]
        for number, part in enumerate(with_progress(batches, progress)):
            rows = min(bucket(len(part), ROWS), size)
            # Rows that only fill up repeat the last one and may not go beyond one step.
            chosen = np.concatenate([part, np.repeat(part[-1:], rows - len(part))])
            allowed = np.where(np.arange(rows) < len(part), limits[chosen], 1)
            decoded = search.decode(
                self.model,
                self._read([prompts[i] for i in chosen]),
                start_id=np.array([prompts[i][-1] for i in chosen]),
                end_id=end_id,
                pad_id=tokenizer.pad_id,
                max_length=int(limits[part].max()),
                limits=allowed,
                beam_size=beam_size,
                length_penalty=length_penalty,
                num_return=num_return,
                complete=False,
                forbidden_id=tokenizer.unk_id,
                # Batches draw apart, or equal prompts in two of them would go on alike.
                sampler=sampler and dataclasses.replace(sampler, seed=int(seeds[number])),
            )
            for row, index in enumerate(part):
                there = np.isfinite(decoded.scores[row])
                found[index] = [
                    _before_end(ids[: limits[index]], end_id) for ids in decoded.ids[row][there]
                ]
        return found

    def _read(self, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return what the model's `start` takes: of long prompts, the last piece and the state.

        A recurrent model's state has read whatever stands before that piece, in pieces of one
        shape; a model with a context gets the whole prompts.
        """
        counts = np.array([len(prompt) - 1 for prompt in prompts])  # `step` gets the last token
        if self.context is not None:  # it looks back itself, at all of the prompt
            width = min(bucket(int(counts.max()), LENGTHS), self.context)
            rows = [np.array(each) for each in prompts]
            return {"tokens": left_padded(rows, width + 1, self.tokenizer.pad_id)}
        width = bucket(int(counts.max()), PROMPTS)
        tokens = left_padded([np.array(each) for each in prompts], width + 1, self.tokenizer.pad_id)
        state = self.model.initial_state(len(prompts))
        piece = min(width, PIECE)
        for end in range(piece, width + 1, piece):
            inputs = {
                # One more, which is not read: it is the next piece's first.
                "tokens": tokens[:, end - piece : end + 1],
                "lengths": (np.clip(counts - (width - end), 0, piece) + 1).astype(np.int32),
                "state": state,
            }
            if end < width:
                state = compiling.run(_state_after, self.model, None, inputs)
        return inputs


def _sampler(
    temperature: float | None, top_k: int | None, top_p: float | None, seed: int | None
) -> sampling.Sampler | None:
    """Return how to draw, or None if nothing asks for it."""
    if temperature is None and top_k is None and top_p is None and seed is None:
        return None
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
    return sampling.Sampler(1.0 if temperature is None else temperature, top_k, top_p, seed)


def _before_end(ids: np.ndarray, end_id: int) -> list[int]:
    ends = np.flatnonzero(ids == end_id)
    return ids[: ends[0]].tolist() if len(ends) else ids.tolist()


# Compiled -----------------------------------------------------------------------------------------


def _state_after(model: keras.Model, options: None, arrays: dict) -> Any:
    return model.start(arrays, 0)[1]
