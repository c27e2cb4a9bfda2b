"""Translation: sentences in one language in, sentences in another out; scored by BLEU."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from zoo import finite
from zoo.config.languages import column_names
from zoo.config.recipe import Recipe
from zoo.data import columns, training_pairs
from zoo.data.encoded import Encoded, Ragged, padded
from zoo.data.examples import Example, with_references
from zoo.data.matching import Roles
from zoo.decoding import search
from zoo.errors import (
    DataError,
    InputError,
    NotSupported,
    ZooWarning,
    check_count,
    counted,
    item_names,
)
from zoo.models.contracts import Aligner
from zoo.tasks import forcing, metrics, unknown
from zoo.tasks.base import Task, Tokenizers, check_examples, listed_texts
from zoo.tasks.batching import LENGTHS, bucket, decode_by_length
from zoo.text import Tokenizer
from zoo.text.tokenizer import PAD_ID


@dataclass(frozen=True)
class Alignment:
    """The attention of a translation.

    Attributes:
        matrix: float32 [target, source], the attention of the decoder's last layer, the mean over
            its heads. Each row sums to 1.
        source: the source's pieces, the end token last.
        target: the target's pieces, the end token last.
    """

    matrix: np.ndarray
    source: list[str]
    target: list[str]


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
        row, languages = cls.spec(), (recipe.data.source, recipe.data.target)
        synonyms = {
            role: (*row.synonyms[role], *column_names(language))
            for role, language in zip(row.columns[0], languages, strict=True)
        }
        return Roles((*row.columns, languages), synonyms, languages=True)

    @classmethod
    def read(
        cls,
        recipe: Recipe,
        data: Any,
        targets: Iterable[Any] | None = None,
        *,
        fresh: bool = False,
        table: columns.TableOptions = columns.PLAIN,
    ) -> list[Example]:
        """Read (source, target) pairs; the two languages may name the columns too."""
        return columns.read_pairs(data, targets, cls.roles(recipe), table)

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
    def learned_texts(cls, examples: Iterable[Example]) -> list[tuple[str, ...]]:
        return [(source, target) for source, target in examples]

    @classmethod
    def encode_examples(
        cls, examples: Sequence[Example], tokenizers: Tokenizers, recipe: Recipe
    ) -> Encoded:
        """Encode pairs, the end id last on each side; leave out pairs that are too long.

        `data.reverse_source` reverses each source but for its end id.
        """
        data = recipe.data
        assert data.max_length is not None  # checked when the recipe is read
        longest = min(data.max_length, recipe.train.buckets[-1])
        sources, targets = [], []
        for source, target in examples:
            left = source_ids(tokenizers[0], tokenizers[0].encode(source), data.reverse_source)
            right = [*tokenizers[1].encode(target), tokenizers[1].end_id]
            if len(left) <= longest and len(right) <= longest:
                # Arrays: millions of pairs would not fit into memory as lists.
                sources.append(np.array(left, dtype=np.int32))
                targets.append(np.array(right, dtype=np.int32))
        if not sources:
            raise DataError(
                f"no rows: no pair has at most {longest} pieces on both sides",
                "raise data.max_length and train.buckets",
            )
        return Encoded.pairs(Ragged.of(sources), Ragged.of(targets))

    # Text to arrays --------------------------------------------------------------------------

    def encode_sources(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode each source, the end id last, cut to the model's longest source.

        Warns of a cut source and of a text of unknown words.

        Raises:
            InputError: an empty text or one without a known character, by its number.
        """
        tokenizer, longest = self.source_tokenizer, self._longest
        encoded = unknown.encode(tokenizer, texts, self.data.source)
        for i, name in enumerate(item_names("text", len(texts))):
            ids = encoded[i]
            if longest is not None and len(ids) + 1 > longest:
                encoded[i] = ids[: longest - 1]
                warnings.warn(
                    f"{name} has {len(ids) + 1} pieces, the model was built for {longest}; "
                    f"cut after '...{tokenizer.decode(encoded[i])[-30:]}'",
                    ZooWarning,
                    stacklevel=3,
                )
        return [source_ids(tokenizer, ids, self.data.reverse_source) for ids in encoded]

    def _encode_targets(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode each target, the end id last.

        Raises:
            InputError: a target is longer than the model was built for.
        """
        tokenizer = self.target_tokenizer
        longest = self._longest
        encoded = [[*tokenizer.encode(text), tokenizer.end_id] for text in texts]
        for number, ids in enumerate(encoded, start=1):
            if longest is not None and len(ids) > longest:
                raise InputError(
                    f"target {number} has {len(ids)} pieces, the model was built for {longest}",
                    "split it into sentences",
                )
        return encoded

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
        progress: bool = False,
    ) -> list[Any]:
        """Translate texts, in their order.

        Args:
            beam_size, length_penalty, batch_size: None takes the recipe's.
            max_length: most pieces of an output, end token included; None allows the source's
                length plus the recipe's `max_extra`.
            num_return: with more than 1 each result is a list of texts, the best first.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Raises:
            InputError: an invalid text.
            OptionError: an invalid option.
        """
        encoded = self.encode_sources(texts)
        outputs = self._decode(
            encoded, beam_size, length_penalty, max_length, batch_size, num_return, progress
        )
        decode = self.target_tokenizer.decode
        if num_return == 1:
            return [decode(ids[0]) for ids in outputs]
        return [[decode(ids) for ids in best] for best in outputs]

    def scored(self, texts: Any, targets: Any) -> tuple[bool, list[list[str]]]:
        """Return whether it is a single pair, and the sources and targets.

        Raises:
            InputError: targets are missing, or their number is not that of the sources.
        """
        one, sources = listed_texts(texts)
        if targets is None:
            raise InputError("there is no target", "a translator scores a target given its source")
        one_target, listed = listed_texts(targets)
        if one != one_target or len(sources) != len(listed):
            raise InputError(
                f"{counted(len(sources), 'source')}, but {counted(len(listed), 'target')}",
                "give two texts, or two lists of equal length",
            )
        return one, [sources, listed]

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> np.ndarray:
        """Return the natural log-probability of each target given its source: float64 [texts].

        It includes the end token.
        """
        pairs = list(zip(self.encode_sources(sources), self._encode_targets(targets), strict=True))
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
        return Alignment(
            matrix, self.source_tokenizer.pieces(source), self.target_tokenizer.pieces(ids)
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
    ) -> dict[str, Any]:
        """Translate the sources and compare them with their references, one or more each.

        Args:
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
        outputs = self.predict(
            sources,
            beam_size=beam_size,
            length_penalty=length_penalty,
            batch_size=batch_size,
            progress=progress,
        )
        measured = metrics.translation(outputs, references, self.data.target)
        measured["sentences"] = len(sources)
        measured["beam_size"] = self.options.beam_size if beam_size is None else beam_size
        if length_penalty is None:
            length_penalty = self.options.length_penalty
        measured["length_penalty"] = length_penalty
        if likelihood:
            firsts = [targets[0] for targets in references]
            pieces = sum(len(ids) for ids in self._encode_targets(firsts))
            measured["loss"] = -float(self.score(sources, firsts).sum()) / pieces
            measured["perplexity"] = float(np.exp(measured["loss"]))
        return measured

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
        return [source for source, _ in examples[:4]]

    def golden_scores(self, texts: Sequence[str], outputs: Sequence[str]) -> np.ndarray:
        return self.score(texts, outputs)

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
        lengths = np.array([len(ids) for ids in encoded])
        limits = lengths + options.max_extra if max_length is None else lengths * 0 + max_length
        longest = self._longest
        limits = limits if longest is None else np.minimum(limits, longest)

        def decode(batch: int, indices: np.ndarray, allowed: np.ndarray) -> search.Decoded:
            sources = [encoded[i] for i in indices]
            width = self._bucket(int(lengths[indices].max()))
            return search.decode(
                self.model, {"source": padded(sources, width, self.source_tokenizer.pad_id)},
                start_id=tokenizer.start_id, end_id=tokenizer.end_id, pad_id=tokenizer.pad_id,
                max_length=int(allowed.max()), limits=allowed, num_return=num_return,
                beam_size=options.beam_size if beam_size is None else beam_size,
                length_penalty=options.length_penalty if length_penalty is None else length_penalty,
                # The zoo's models give padding no probability worth a search. Marian's start with
                # its padding and fairseq's leave it untrained: both libraries forbid it.
                forbidden_id=None if tokenizer.pad_id == PAD_ID else tokenizer.pad_id,
            )  # fmt: skip

        return [
            [ids[: int(np.argmax(ids == tokenizer.end_id)) + 1].tolist() for ids in best]
            for best in decode_by_length(decode, lengths, limits, size, progress)
        ]


def source_ids(tokenizer: Tokenizer, ids: Sequence[int], reverse: bool = False) -> list[int]:
    """Return a source as a model reads it: its pieces, reversed on request, then the end id."""
    return [*(reversed(ids) if reverse else ids), tokenizer.end_id]
