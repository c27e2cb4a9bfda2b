"""Translation: sentences in one language in, sentences in another out; scored by BLEU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops

from zoo import finite
from zoo.config.languages import column_names
from zoo.config.recipe import Recipe
from zoo.data import training_pairs
from zoo.data.encoded import Encoded, padded
from zoo.data.examples import Example, with_references
from zoo.data.matching import Roles
from zoo.decoding import search
from zoo.errors import (
    DataError,
    InputError,
    NotSupported,
    OptionError,
    check_count,
    item_names,
)
from zoo.models.contracts import Aligner
from zoo.tasks import forcing, lengths, metrics, paragraphs, unknown
from zoo.tasks.base import Task, Tokenizers, check_examples
from zoo.tasks.batching import LENGTHS, bucket, decode_by_length
from zoo.tasks.forcing import Alignment
from zoo.text.typography import is_blank


class Translate(Task):
    """Translate texts with a built translator; the two languages may share one tokenizer."""

    name = "translate"
    trainer = "zoo.training.trainers:SequenceToSequenceTrainer"
    # A low constant rate, so that the model forgets little: a tenth of the peak in the zoo's small
    # recipes.
    finetuning = {"schedule.name": "constant", "schedule.warmup": 0, "schedule.peak": 1e-4}
    quick_limit = 100
    quick_options = {"beam_size": 1}

    # Examples --------------------------------------------------------------------------------

    @classmethod
    def roles(cls, recipe: Recipe, fresh: bool = False) -> Roles:
        """Return the columns of pairs, which the two languages may name too."""
        row, languages = cls.spec(), (recipe.data.source, recipe.data.target)
        synonyms = {
            role: (*row.synonyms[role], *column_names(language))
            for role, language in zip(row.columns[0], languages, strict=True)
        }
        return Roles((*row.columns, languages), synonyms, languages=True)

    @classmethod
    def training_parts(
        cls, recipe: Recipe, training: list[Example], held_out: Sequence[Example]
    ) -> list[list[Example]]:
        return training_pairs.load(
            recipe, training, held_out, lambda data: cls.load_part(recipe, data, "train")
        )

    @classmethod
    def as_measured(cls, examples: list[Example]) -> list[Example]:
        """Return each distinct source with all of its targets as references."""
        return with_references(examples)

    @classmethod
    def count_seen(cls, training: Sequence[Example], test: Sequence[Example]) -> int:
        """Count the test sources with a reference that is a training target."""
        targets = {target for _, target in training}
        return sum(any(target in targets for target in references) for _, references in test)

    @classmethod
    def sides(cls, given: Any, wanted: Any) -> Iterator[tuple[str, str, int]]:
        yield "the source", given, 0
        if isinstance(wanted, str):  # and no references
            yield "the target", wanted, 1

    @classmethod
    def learned_texts(cls, examples: Iterable[Example]) -> list[tuple[str, ...]]:
        return [(source, target) for source, target in examples]

    @classmethod
    def encode_examples(
        cls, examples: Sequence[Example], tokenizers: Tokenizers, recipe: Recipe
    ) -> Encoded:
        return training_pairs.encode(examples, tokenizers, recipe)

    # Text to arrays --------------------------------------------------------------------------

    def encode_sources(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode each source, the end id last, cut to the model's longest source.

        Warns of unknown characters, of a cut source and of one longer than those of training.

        Raises:
            InputError: an empty text, or one of which nothing is known, by its number.
        """
        names = item_names("text", len(texts))
        return self._sources(self._known(texts), names)

    def _known(self, texts: Sequence[str]) -> list[list[int]]:
        return unknown.encode(self.source_tokenizer, texts, self.data.source)

    def _sources(self, encoded: Sequence[list[int]], names: Sequence[str]) -> list[list[int]]:
        """Return the ids of sources as the model reads them; warn of those that are too long."""
        tokenizer, longest = self.source_tokenizer, self._longest
        named = list(zip(names, encoded, strict=True))
        lengths.warn(tokenizer, named, longest, self.trained_length)
        kept = [ids if longest is None else ids[: longest - 1] for ids in encoded]
        return [training_pairs.source_ids(tokenizer, ids, self.data.reverse_source) for ids in kept]

    def _encode_targets(self, texts: Sequence[str], rows: bool = False) -> list[list[int]]:
        """Encode each target, the end id last; an empty one is its end alone.

        Raises:
            InputError: a target is longer than the model was built for, or nothing of it is known.
        """
        tokenizer, longest = self.target_tokenizer, self._longest
        names = item_names("target", len(texts))
        reading = unknown.Reading("target", len(texts), rows)
        encoded: list[list[int]] = []
        for number, (name, text) in enumerate(zip(names, texts, strict=True), start=1):
            about = (self.data.target, name, number)
            encoded.append([] if is_blank(text) else reading.encode(tokenizer, text, *about))
            if longest is not None and len(encoded[-1]) + 1 > longest:
                raise InputError(
                    f"target {number} has {len(encoded[-1]) + 1} pieces, the model was built for "
                    f"{longest}",
                    "split it into sentences",
                )
        reading.warn()
        lengths.warn(tokenizer, list(zip(names, encoded, strict=True)), None, self.trained_length)
        return [[*ids, tokenizer.end_id] for ids in encoded]

    # The verbs -------------------------------------------------------------------------------

    def predict(
        self,
        texts: Sequence[str],
        *,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        max_length: int | None = None,
        batch_size: int | None = None,
        num_return: int = 1,
        split_sentences: bool | None = None,
        progress: bool = False,
    ) -> list[Any]:
        """Translate texts, in their order.

        Args:
            beam_size, length_penalty, batch_size: None takes the recipe's.
            max_length: most pieces of an output, or of each sentence's, end token included; None
                allows the source's length plus the recipe's `max_extra`.
            num_return: with more than 1 each result is a list of texts, the best first.
            split_sentences: translate a text sentence by sentence and keep its line breaks; None
                does so unless num_return is more than 1.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Raises:
            InputError: an invalid text.
            OptionError: an invalid option, or several outputs for split texts.
        """
        if split_sentences and num_return != 1:
            raise OptionError(
                f"split_sentences is set and num_return is {num_return}",
                "the n best outputs are those of whole texts: leave one of them out",
            )
        options = (beam_size, length_penalty, max_length, batch_size, num_return, progress)
        split = num_return == 1 if split_sentences is None else split_sentences
        outputs = self._translate(texts, self._known(texts), "text", split, options)
        return [best[0] for best in outputs] if num_return == 1 else outputs

    def _translate(
        self,
        texts: Sequence[str],
        encoded: Sequence[list[int]],
        noun: str,
        split: bool,
        options: tuple[Any, ...],
    ) -> list[list[str]]:
        """Return the translations of each text, best first; see `predict` and `_decode`."""
        names = item_names(noun, len(texts))

        def decode(encoded: Sequence[list[int]], names: Sequence[str]) -> list[list[str]]:
            outputs = self._decode(self._sources(encoded, names), *options)
            return [[self.target_tokenizer.decode(ids) for ids in best] for best in outputs]

        if not split:
            return decode(encoded, names)
        joined = paragraphs.translate(
            texts, self.source_tokenizer, (self.data.source, self.data.target),
            lambda sentences, places: [
                best[0] for best in decode(sentences, [names[place] for place in places])
            ],
        )  # fmt: skip
        return [[text] for text in joined]

    def scored(self, texts: Any, targets: Any) -> tuple[bool, list[list[str]]]:
        return forcing.listed_pairs(texts, targets)

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> np.ndarray:
        """Return the natural log-probability of each target given its source: float64 [texts].

        It includes the end token.
        """
        return self._score(self.encode_sources(sources), self._encode_targets(targets))

    def _score(self, sources: Sequence[list[int]], targets: Sequence[list[int]]) -> np.ndarray:
        pairs = list(zip(sources, targets, strict=True))
        log_p = forcing.log_probabilities(self.model, pairs, self._tokenizers, self._bucket)
        finite.check(self.model, log_p)
        return log_p

    def align(self, text: str, target: str | None = None) -> Alignment:
        """Return the attention to each source piece at each target piece.

        Args:
            target: the text to align with; None takes the model's own translation.

        Raises:
            NotSupported: the translator has no attention.
        """
        if not isinstance(self.model, Aligner):
            raise NotSupported(
                "this translator does not look back at the source while it writes: it has no "
                "attention to show",
                "align and the picture of attention need one that has, as bahdanau2015 and "
                "vaswani2017",
            )
        source = self.encode_sources([text])[0]
        if target is None:
            ids = self._decode([source], None, None, None, None, 1, False)[0][0]
        else:
            ids = self._encode_targets([target])[0]
        length = self._bucket(max(len(source), len(ids)))
        matrix = forcing.attention(self.model, (source, ids), self._tokenizers, length)
        finite.check(self.model, matrix)
        reverse = self.data.reverse_source
        return Alignment(
            matrix,
            unknown.pieces(self.source_tokenizer, source, text, reverse),
            unknown.pieces(self.target_tokenizer, ids, target or ""),
        )

    def evaluate(
        self,
        examples: Sequence[tuple[str, Sequence[str]]],
        *,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        batch_size: int | None = None,
        progress: bool = False,
        likelihood: bool = False,
        split_sentences: bool = False,
    ) -> dict[str, Any]:
        """Translate the sources and compare them with their references, one or more each.

        Args:
            split_sentences: translate sentence by sentence; without it sources are read whole, as
                published numbers are.
            likelihood: also measure the first references: "loss", nats per target piece with the
                end token, and "perplexity".

        Returns:
            "bleu" and "chrf" with their sacreBLEU signatures, "sentences", "beam_size" and
            "length_penalty".

        Raises:
            DataError: no examples, or one without a reference.
        """
        check_examples(examples)
        sources = [source for source, _ in examples]
        references = [list(targets) for _, targets in examples]
        for number, targets in enumerate(references, start=1):
            if not targets:
                raise DataError(f"example {number} has no reference", "give it one or leave it out")
        outputs = self.translate_rows(
            sources, beam_size=beam_size, length_penalty=length_penalty, batch_size=batch_size,
            split_sentences=split_sentences, progress=progress,
        )  # fmt: skip
        measured = metrics.translation(outputs, references, self.data.target)
        measured["sentences"] = len(sources)
        measured["beam_size"] = self.options.beam_size if beam_size is None else beam_size
        if length_penalty is None:
            length_penalty = self.options.length_penalty
        measured["length_penalty"] = length_penalty
        if likelihood:
            firsts = self._encode_targets([targets[0] for targets in references], rows=True)
            encoded = [self.source_tokenizer.encode(source) for source in sources]
            read = self._sources(encoded, item_names("row", len(sources)))
            measured["loss"] = -float(self._score(read, firsts).sum()) / sum(map(len, firsts))
            measured["perplexity"] = float(np.exp(measured["loss"]))
        return measured

    def translate_rows(
        self,
        sources: Sequence[str],
        *,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        batch_size: int | None = None,
        split_sentences: bool = False,
        progress: bool = False,
    ) -> list[str]:
        """Translate the sources of rows, whole unless told; unlike `predict`, refuse none."""
        encoded = [self.source_tokenizer.encode(source) for source in sources]
        options = (beam_size, length_penalty, None, batch_size, 1, progress)
        translated = self._translate(sources, encoded, "row", split_sentences, options)
        return [best[0] for best in translated]

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
        return [source for source, _ in examples[:4]]

    def golden_scores(self, texts: Sequence[str], outputs: Sequence[str]) -> np.ndarray:
        # The model's own words are not refused, whatever it wrote before it had learned much.
        tokenizer = self.target_tokenizer
        targets = [[*tokenizer.encode(output), tokenizer.end_id] for output in outputs]
        return self._score(self.encode_sources(texts), targets)

    def golden_logits(self, text: str, output: str) -> np.ndarray:
        """Return the logits [positions, vocabulary] of the output's pieces and its end token."""
        tokenizer = self.target_tokenizer
        inputs = {
            "source": np.array(self.encode_sources([text]), dtype=np.int32),
            "target": np.array([[tokenizer.start_id, *tokenizer.encode(output)]], dtype=np.int32),
        }
        return ops.convert_to_numpy(self.model(inputs, training=False))[0]

    # Arrays ----------------------------------------------------------------------------------

    @property
    def _tokenizers(self) -> Tokenizers:
        return self.source_tokenizer, self.target_tokenizer

    @property
    def _longest(self) -> int | None:
        """The most pieces of a text for this model, end token included; None means no limit."""
        return self.model.max_length

    def _bucket(self, length: int) -> int:
        """Return the padded length of a batch whose longest row has `length` ids."""
        padded_length = bucket(length, LENGTHS)
        return padded_length if self._longest is None else min(padded_length, self._longest)

    def _decode(
        self,
        encoded: Sequence[Sequence[int]],
        beam_size: int | None,
        length_penalty: float | None,
        max_length: int | None,
        batch_size: int | None,
        num_return: int,
        progress: bool,
    ) -> list[list[list[int]]]:
        """Return the ids of each source's translations, best first, up to the end token."""
        options, tokenizer = self.options, self.target_tokenizer
        size = self.batch_size(batch_size)
        if max_length is not None:
            check_count("max_length", max_length)
        counts = np.array([len(ids) for ids in encoded], dtype=int)
        limits = counts + options.max_extra if max_length is None else counts * 0 + max_length
        longest = self._longest
        limits = limits if longest is None else np.minimum(limits, longest)

        def decode(batch: int, indices: np.ndarray, allowed: np.ndarray) -> search.Decoded:
            sources = [encoded[i] for i in indices]
            width = self._bucket(int(counts[indices].max()))
            return search.decode(
                self.model, {"source": padded(sources, width, self.source_tokenizer.pad_id)},
                start_id=tokenizer.start_id, end_id=tokenizer.end_id, pad_id=tokenizer.pad_id,
                max_length=int(allowed.max()), limits=allowed, num_return=num_return,
                beam_size=options.beam_size if beam_size is None else beam_size,
                length_penalty=options.length_penalty if length_penalty is None else length_penalty,
                forbidden_ids=tokenizer.forbidden_ids,
            )  # fmt: skip

        return [
            [ids[: int(np.argmax(ids == tokenizer.end_id)) + 1].tolist() for ids in best]
            for best in decode_by_length(decode, counts, limits, size, progress)
        ]
