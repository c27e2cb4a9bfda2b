"""Language modelling: continue a text; scored by perplexity."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo import finite
from zoo.data import corpora
from zoo.data.encoded import text_ids
from zoo.data.examples import Example
from zoo.decoding import sampling, search
from zoo.errors import InputError, NotSupported, OptionError, check_count, item_names
from zoo.tasks import likelihood, perplexity, unknown
from zoo.tasks import prompts as prompting
from zoo.tasks.base import check_examples, listed_texts
from zoo.tasks.batching import decode_by_length
from zoo.tasks.dynamic import Dynamic
from zoo.tasks.texts import Texts

# -1 means that there is no end token.
NO_END = -1

# Words of a prompt for golden outputs.
GOLDEN_WORDS = 8


class Generate(Texts):
    """Write and score texts with a built language model, which may have a limited `context`."""

    name = "generate"
    trainer = "zoo.training.trainers:NextTokenTrainer"
    adapts = True
    quick_limit = 100

    # The ids of texts --------------------------------------------------------------------

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Encode each text as the model reads it in training, from the start id to the end id."""
        return [text_ids(self.tokenizer, text, None, self.data.reverse) for text in texts]

    def encode_sources(self, texts: Sequence[Any]) -> list[Any]:
        unknown.encode(self.tokenizer, texts, self.data.language)
        return [ids.tolist() for ids in self.encode(texts)]

    @property
    def context(self) -> int | None:
        """The most tokens that the model reads; None means no limit."""
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
        """Continue texts; return prompt and continuation as one text, in the texts' order.

        The tokenizer decodes the words of the prompt and the new ones together; a prompt with a
        word or character that the model does not know is returned as it was given. The model never
        writes the unknown word.
        A text stops at the end token or at `max_length`; models without an end token, such as GPT,
        always reach `max_length`. A model of characters that end, such as those of names, writes a
        whole text after the prompt "".

        Without temperature, top_k, top_p and seed, the most probable words follow. With any of
        them, words are sampled; one seed gives the same texts on one backend.

        Args:
            max_length: most tokens of a result, prompt and end token included; None allows the
                recipe's `max_extra` new ones, within the model's context.
            temperature, top_k, top_p: see `zoo.decoding.sampling.Sampler`; None samples at
                temperature 1 from all words.
            seed: None takes another one in each call.
            beam_size: None is 1: a beam finds the most probable text, which in open text is dull.
            length_penalty, batch_size: None takes the recipe's.
            num_return: with more than 1 each result is a list of texts: samples, or the best of
                the beam, best first.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Raises:
            InputError: an invalid text.
            OptionError: an invalid option, a text that fills `max_length`, or a beam with sampling.
            NotSupported: the model reads texts backwards.
        """
        if self.data.reverse:
            raise NotSupported(
                "this model reads a text from its last word to its first and cannot continue it",
                "predict with the model of the other direction; score and evaluate take this one",
            )
        sampler = sampling.sampler(temperature, top_k, top_p, seed)
        check_count("num_return", num_return)
        copies = 1 if sampler is None else num_return
        separate = self.tokenizer.kind == "characters" and not self.tokenizer.open_ended
        words = unknown.encode(self.tokenizer, texts, self.data.language, none=separate)
        limits = self._limits(words, max_length)
        first = [] if self.tokenizer.open_ended else [self.tokenizer.start_id]
        prompts = [[*first, *ids] for ids in words]
        continuations = self._decode(
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
        for number, prompt in enumerate(words):
            own = [ids for best in continuations[number * copies :][:copies] for ids in best]
            results.append([self._continued(texts[number], prompt, ids) for ids in own])
        return results if num_return > 1 else [best[0] for best in results]

    def _continued(self, text: str, prompt: Sequence[int], ids: Sequence[int]) -> str:
        """Return a prompt and what follows it as one text, without the unknown sign."""
        decode = self.tokenizer.decode
        whole = decode([*prompt, *ids])
        if self.tokenizer.unk_id not in prompt or not self.tokenizer.unknown_parts(text):
            return whole
        start = decode(prompt)
        if whole.startswith(start):
            return text.rstrip() + whole[len(start) :]
        return f"{text.rstrip()} {decode(ids)}"

    def scored(self, texts: Any, targets: Any) -> tuple[bool, list[list[str]]]:
        if targets is not None:
            raise InputError("a language model scores one text", "leave the target out")
        one, listed = listed_texts(texts)
        return one, [listed]

    def score(self, texts: Sequence[str]) -> np.ndarray:
        words = unknown.encode(self.tokenizer, texts, self.data.language)
        log_p = likelihood.log_probabilities(self.model, [self._started(ids) for ids in words])
        finite.check(self.model, log_p)
        return log_p

    def _started(self, words: Sequence[int]) -> np.ndarray:
        """Return the ids that a text is scored as: its words between the start and the end."""
        step = -1 if self.data.reverse else 1
        return np.array([self.tokenizer.start_id, *words[::step], self.tokenizer.end_id], np.int32)

    def corpus_options(self, corpus: str) -> dict[str, Any]:
        source = corpora.CORPORA.get(corpus) or corpora.CORPORA.get(self.data.corpus)
        return {"stream": True} if source is not None and source.stream else {}

    def evaluate(
        self,
        examples: Sequence[Example],
        *,
        stream: bool = False,
        batch_size: int | None = None,
        progress: bool = False,
        dynamic: Dynamic | None = None,
    ) -> dict[str, Any]:
        """Measure perplexity: exp(-log P / words), log P the sum of every text's `score`.

        Args:
            examples: (text, "") pairs.
            stream: read the texts as one, each after those before it, as papers read WikiText-2.
            batch_size: texts, or parts of the stream, that go through the model together; the
                values do not depend on it.
            dynamic: how to learn from each piece of the texts once it is predicted; the model
                stays as it is.

        Returns:
            "perplexity" per word, where words are split at whitespace, and the end of each text is
            one, and each line break that the tokenizer reads; "perplexity_per_token", of the
            tokenizer's tokens with the ends, and its "loss" in nats; "bits_per_character"; the
            counts "words", "tokens" and "characters", a text's without white space around it (for a
            tokenizer of characters: all of them) and with its end; the share of "unknown" tokens.
            With the recipe's `evaluate.skip_unknown`, unknown words count in "unknown" alone.

        Raises:
            DataError: no examples.
            PredictionError: the model's output is NaN or infinite.
        """
        check_examples(examples)
        texts = [text for text, _ in examples]
        sequences = self.sequences(texts)
        log_p = self.log_probabilities(
            sequences, stream=stream, batch_size=batch_size, progress=progress, dynamic=dynamic
        )
        skipped = 0
        if self.options.skip_unknown:
            labels = np.concatenate([ids[1:] for ids in self._joined(sequences, stream)])
            unknown_ones = labels == self.tokenizer.unk_id
            log_p, skipped = np.where(unknown_ones, 0.0, log_p), int(unknown_ones.sum())
        measured = perplexity.measure(self.tokenizer, texts, sequences, log_p, skipped)
        if dynamic is None:
            return measured
        dynamic.check(measured["perplexity"])
        return {**measured, "dynamic": vars(dynamic)}

    def sequences(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return each text as it is scored, from the start id to the end id: int32 [tokens]."""
        return [self._started(self.tokenizer.encode(text)) for text in texts]

    def _joined(self, sequences: Sequence[np.ndarray], stream: bool) -> list[np.ndarray]:
        """Return the sequences as they are read: for a stream one, of all of them."""
        if not stream:
            return list(sequences)
        # An end that is also the start of the next text stands there once.
        rest = sequences[1:]
        if self.tokenizer.start_id == self.tokenizer.end_id:
            rest = [ids[1:] for ids in rest]
        return [np.concatenate([sequences[0], *rest])]

    def log_probabilities(
        self,
        sequences: Sequence[np.ndarray],
        *,
        stream: bool = False,
        batch_size: int | None = None,
        progress: bool = False,
        dynamic: Dynamic | None = None,
    ) -> np.ndarray:
        """Return log P of each token of `sequences`, float64; 0 of starts within a stream."""
        rows, start = self.batch_size(batch_size), self.tokenizer.start_id
        given = start if stream and start != self.tokenizer.end_id else None
        read = self._joined(sequences, stream)
        if dynamic is not None:
            each = dynamic.log_probabilities(self.model, read, progress, given)
        elif stream:
            each = [likelihood.stream_log_probabilities(self.model, read[0], rows, progress, given)]
        else:
            each = likelihood.token_log_probabilities(self.model, read, rows, progress)
        log_p = np.concatenate(each)
        finite.check(self.model, log_p)
        return log_p

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[tuple[str, str]]) -> list[str]:
        """Return the first words of the first four texts; a model of reversed text has none."""
        if self.data.reverse:
            return []
        prompts = [" ".join(text.split()[:GOLDEN_WORDS]) for text, _ in examples]
        return [prompt for prompt in prompts if prompt][:4]

    def golden_scores(self, texts: Sequence[str], outputs: Sequence[str]) -> np.ndarray:
        return self.score(outputs)

    def golden_logits(self, text: str, output: str) -> np.ndarray:
        """Return the logits [positions, vocabulary] of the word after each word of a text."""
        ids = self.encode([text])[0]
        return keras.ops.convert_to_numpy(self.model(ids[None], training=False))[0]

    # Arrays ----------------------------------------------------------------------------------

    def _limits(self, words: Sequence[Sequence[int]], max_length: int | None) -> np.ndarray:
        """Return how many tokens may follow the words of each text, int [texts].

        Raises:
            InputError: a text fills the model's context.
            OptionError: `max_length` exceeds the context, or a text fills it.
        """
        counts = np.array([len(ids) for ids in words], dtype=int)
        names = item_names("text", len(words))
        longest = self.context
        if longest is not None and counts.max(initial=0) >= longest:
            number = int(np.argmax(counts >= longest))
            raise InputError(
                f"{names[number]} has {counts[number]} tokens, and the model reads no more than "
                f"{longest}, new ones included",
                "give its last part",
            )
        if max_length is None:
            room = self.options.max_extra if longest is None else longest - counts
            return np.minimum(np.full(len(words), self.options.max_extra), room)
        check_count("max_length", max_length)
        if longest is not None and max_length > longest:
            raise OptionError(
                f"max_length is {max_length}", f"the model reads no more than {longest} tokens"
            )
        if counts.max(initial=0) >= max_length:
            number = int(np.argmax(counts >= max_length))
            raise OptionError(
                f"max_length is {max_length} and {names[number]} has {counts[number]} tokens "
                "already",
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
        """Return the ids that follow each prompt, best first, without the end token.

        Args:
            prompts: the start id, if there is one, and at least one word.
            limits: how many tokens may follow each prompt, int [prompts].
        """
        tokenizer = self.tokenizer
        end_id = NO_END if tokenizer.open_ended else tokenizer.end_id
        seeds = np.random.SeedSequence(sampler.seed if sampler else 0).generate_state(len(prompts))

        def decode(batch: int, indices: np.ndarray, allowed: np.ndarray) -> search.Decoded:
            return search.decode(
                self.model,
                prompting.inputs(
                    self.model, [np.array(prompts[i]) for i in indices], tokenizer.pad_id
                ),
                start_id=np.array([prompts[i][-1] for i in indices]),
                end_id=end_id, pad_id=tokenizer.pad_id, forbidden_ids=(tokenizer.unk_id,),
                max_length=int(allowed.max()), limits=allowed, complete=False,
                beam_size=beam_size, length_penalty=length_penalty, num_return=num_return,
                # A seed for each batch: equal prompts in two batches would go on alike.
                sampler=sampler and dataclasses.replace(sampler, seed=int(seeds[batch])),
            )  # fmt: skip

        lengths = np.array([len(prompt) for prompt in prompts], dtype=int)
        outputs = decode_by_length(decode, lengths, limits, self.batch_size(batch_size), progress)
        return [
            [_before_end(ids[:limit], end_id) for ids in best]
            for best, limit in zip(outputs, limits, strict=True)
        ]


def _before_end(ids: np.ndarray, end_id: int) -> list[int]:
    ends = np.flatnonzero(ids == end_id)
    return ids[: ends[0]].tolist() if len(ends) else ids.tolist()
