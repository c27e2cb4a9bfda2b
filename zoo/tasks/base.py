"""The base class of tasks: read, encode and measure examples.

Corpus file or a user's rows -> `Example` -> `encode_examples` -> `Encoded` -> batches -> trainer.
Class methods work without a model; an instance puts a model and its tokenizers behind the verbs. A
verb that a task does not support raises an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from zoo.config import tasks
from zoo.config.recipe import Data, Evaluate, Recipe
from zoo.data import columns, corpora
from zoo.data.encoded import Encoded
from zoo.data.examples import Example, each_text, some
from zoo.data.matching import Roles
from zoo.errors import (
    DataError,
    InputError,
    NotSupported,
    OptionError,
    check_count,
    check_text,
    item_names,
)
from zoo.tasks import unknown
from zoo.text import Tokenizer

Tokenizers = tuple[Tokenizer, Tokenizer]


class Task:
    """A model and its tokenizers behind a task's verbs.

    Args:
        model: a built model of the task's kind.
        source_tokenizer, target_tokenizer: the same one unless the task has two languages.
        options: defaults for measuring and decoding.
        data: how the model read texts in training, and its labels.
        trained_length: the most pieces of a text in training, end token included; None for any.

    Attributes:
        name: the name of the task's row in `zoo.config.tasks`.
        trainer: the class that trains its models: "module:Class".
        adapts: whether a model first trains on the texts of another task before it learns that one.
        finetuning: recipe keys that a fine-tuning run sets by default.
        quick_limit, quick_options: the most examples, and options of `evaluate`, to measure a model
            with after each epoch of a fine-tuning run.
    """

    name: ClassVar[str]
    trainer: ClassVar[str]
    adapts: ClassVar[bool] = False
    finetuning: ClassVar[Mapping[str, Any]] = {}
    quick_limit: ClassVar[int | None] = None
    quick_options: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self,
        model: keras.Model,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        options: Evaluate,
        data: Data,
        trained_length: int | None = None,
    ) -> None:
        self.model = model
        self.source_tokenizer = self.tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.options = options
        self.data = data
        self.trained_length = trained_length

    # Examples --------------------------------------------------------------------------------

    @classmethod
    def spec(cls) -> tasks.TaskSpec:
        """Return the task's row in `zoo.config.tasks`."""
        return tasks.spec(cls.name)

    @classmethod
    def roles(cls, recipe: Recipe, fresh: bool = False) -> Roles:
        """Return the columns that the task reads; for `fresh` see `read`."""
        row = cls.spec()
        known = () if fresh else recipe.data.labels
        return Roles(row.columns, row.synonyms, row.labels, known)

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
        """Read a user's examples, pairs of a text and what is wanted; columns are found by name.

        Args:
            fresh: read for a new model; of its recipe only the task is known.
            table: the columns' names, and how else to read a table.

        Raises:
            DataError, OptionError: see `zoo.data.columns`.
        """
        return columns.read_pairs(data, targets, cls.roles(recipe, fresh), table)

    @classmethod
    def load(cls, recipe: Recipe, split: str, folder: Path | None = None) -> list[Example]:
        """Read one split of the recipe's corpus.

        Args:
            folder: the corpus' folder; None looks in ZOO_DATA, then on the hub.

        Raises:
            UnknownName, DataError: see `zoo.data.corpora.load`; or the rows do not suit the task.
        """
        return cls.load_part(recipe, recipe.data, split, folder)

    @classmethod
    def load_part(
        cls, recipe: Recipe, data: Data, split: str, folder: Path | None = None
    ) -> list[Example]:
        """Read one split of one of the recipe's corpora; see `load`."""
        if data.path is not None:
            return cls.load_own(recipe, data, split, folder)
        corpus, suitable = data.corpus, cls.spec().rows
        rows = corpora.corpus(corpus).rows
        if rows not in suitable:
            raise DataError(
                f"each row of {corpus} is a {rows}",
                f"the task '{cls.name}' needs one with a {suitable[0]}: change data.corpus",
            )
        return corpora.load(data, split, seed=recipe.seed, folder=folder)

    @classmethod
    def training_parts(
        cls, recipe: Recipe, training: list[Example], held_out: Sequence[Example]
    ) -> list[list[Example]]:
        """Return the training examples as training reads them, one list for each corpus.

        Args:
            training: what `load` returned for the training split.
            held_out: validation and test examples.
        """
        return [training]

    @classmethod
    def load_own(
        cls, recipe: Recipe, data: Data, split: str, folder: Path | None = None
    ) -> list[Example]:
        """Read one split of a user's own corpus; see `zoo.data.corpora.own.load`."""
        row = cls.spec()
        rows = corpora.own.load(
            lambda path: cls.read(recipe, path), data, split, seed=recipe.seed, folder=folder,
            noun=row.given or row.input,
        )  # fmt: skip
        if row.labels not in ("none", "tags"):
            corpora.check_labels(data, split, rows)
        return rows

    @classmethod
    def load_test(
        cls, recipe: Recipe, split: str | None = None, folder: Path | None = None
    ) -> list[Example]:
        """Read the test examples: a fixed draw of `evaluate.limit` rows of a split."""
        rows = cls.load(recipe, split or recipe.evaluate.split, folder)
        return some(cls.as_measured(rows), recipe.evaluate.limit, seed=0)

    @classmethod
    def as_measured(cls, examples: list[Example]) -> list[Example]:
        """Return examples as `evaluate` takes them."""
        return examples

    @classmethod
    def count_seen(cls, training: Sequence[Example], test: Sequence[Example]) -> int:
        """Count the test examples that are also in the training examples."""
        return len({given for given, _ in training} & {given for given, _ in test})

    @classmethod
    def labels_in(cls, wanted: Any) -> Sequence[Any]:
        """Return the labels that an example has."""
        return (wanted,)

    @classmethod
    def labels_of(cls, examples: Sequence[Example]) -> list[str]:
        """Return the classes of examples, [] for examples with numbers or without labels."""
        if cls.spec().labels == "none":
            return []
        labels = sorted({each for _, wanted in examples for each in cls.labels_in(wanted)}, key=str)
        return [] if all(isinstance(label, float) for label in labels) else labels

    @classmethod
    def learned_texts(cls, examples: Iterable[Example]) -> list[tuple[str, ...]]:
        """Return the texts that tokenizers learn from: one a row, or one of each language."""
        return [(text,) for given, _ in examples for text in each_text(given)]

    @classmethod
    def encode_examples(
        cls, examples: Sequence[Example], tokenizers: Tokenizers, recipe: Recipe
    ) -> Encoded:
        """Encode examples as the ids that the recipe's model trains on.

        Raises:
            DataError: no example, or no example that fits.
        """
        raise NotImplementedError

    @classmethod
    def sides(cls, given: Any, wanted: Any) -> Iterator[tuple[str, str, int]]:
        """Yield the texts that the model reads of an example.

        Each with its name in messages, "" for the only one, and the place of its tokenizer, 0 for
        the source's and 1 for the target's.
        """
        for text in each_text(given):
            yield "", text, 0

    @classmethod
    def check_rows(
        cls, examples: Sequence[Any], tokenizers: Tokenizers, data: Data, where: str = ""
    ) -> None:
        """Check that the tokenizers know the texts of rows; see `zoo.tasks.unknown`.

        Args:
            where: what stands before a row's number in messages.

        Raises:
            InputError: a text is empty, or nothing of it is known, by the number of its row.
        """
        reading = unknown.Reading("row", len(examples), rows=True)
        languages = [*data.languages, "", ""]
        for number, example in enumerate(examples, start=1):
            for part, text, side in cls.sides(*example):
                name = f"{where}row {number}" + (f": {part}" if part else "")
                reading.check(tokenizers[side], text, languages[side], name, number)
        reading.warn()

    # The verbs -------------------------------------------------------------------------------

    def listed(self, inputs: Any) -> tuple[bool, list[Any]]:
        """Return whether `inputs` is a single input, and a list of inputs.

        A text is a single input; where inputs are tuples, so is a tuple that begins with a text.

        Raises:
            InputError: neither an input nor a list. `encode` checks the items of a list of tuples.
        """
        return listed(self.name, inputs)

    def with_context(self, texts: Any, context: Any) -> Any:
        """Return texts as inputs of the task, with the context that they are about, if any."""
        if context is not None:
            raise OptionError(
                f"a model for the task '{self.name}' has no option 'context'",
                "leave it out: it is for models that answer questions",
            )
        return texts

    def predict(self, texts: Sequence[Any]) -> list[Any]:
        """Return the task's answer to each input."""
        raise NotImplementedError

    def evaluate(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Measure the task's metrics on examples."""
        raise NotImplementedError

    def corpus_options(self, corpus: str) -> dict[str, Any]:
        """Return the options of `evaluate` on a corpus; any other name is one like the recipe's."""
        return {}

    def encode_sources(self, texts: Sequence[Any]) -> list[Any]:
        """Return the ids that the model reads for each input: one list, or several."""
        raise NotImplementedError

    def batch_size(self, value: int | None) -> int:
        """Return a checked batch size; None takes the recipe's."""
        size = self.options.batch_size if value is None else value
        check_count("batch_size", size)
        return size

    def probabilities(self, texts: Sequence[Any], *, batch_size: int | None = None) -> np.ndarray:
        """Return the probability of each label: float64 [texts, labels]."""
        raise NotSupported("this model is no classifier", "predict is for all models")

    def scored(self, texts: Any, targets: Any) -> tuple[bool, list[list[str]]]:
        """Return whether `texts` is a single text, and the arguments of `score`."""
        raise NotSupported("this model does not score texts", "predict(text, scores=True) does")

    def score(self, *texts: Any, **options: Any) -> np.ndarray:
        """Return the natural log-probability of each text, end included: float64 [texts]."""
        raise NotSupported("this model does not score texts", "predict(text, scores=True) does")

    def similarity(
        self, texts: Sequence[str], others: Sequence[str], *, batch_size: int | None = None,
        progress: bool = False,
    ) -> np.ndarray:  # fmt: skip
        """Return the cosines of the texts' vectors and the others': float32 [texts, others]."""
        raise NotSupported(
            "this model gives no vectors of texts", "zoo.load('bert2018.minilm') does"
        )

    def align(self, text: str, target: str | None = None) -> Any:
        """Return which source pieces the model looked at for each target piece."""
        raise NotSupported(
            f"a model for the task '{self.name}' reads one text and writes no translation of it, "
            "so there is nothing to align",
            "align and the picture of attention are for translators, as bahdanau2015 and "
            "vaswani2017",
        )

    def reads(self, given: Any) -> bool:
        """Return whether the model knows something of each text of an input."""
        texts = [(text, self.tokenizer.encode(text)) for _, text, _ in self.sides(given, None)]
        return all(unknown.is_legible(self.tokenizer, text, ids) for text, ids in texts)

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[Example]) -> list[Any]:
        """Choose a few inputs of which a bundle records the outputs."""
        raise NotImplementedError

    def golden_outputs(self, texts: Sequence[Any]) -> list[Any]:
        """Return the outputs that a bundle records: those of `predict`, without their scores."""
        return self.predict(texts)

    def golden_scores(self, texts: Sequence[Any], outputs: Sequence[Any]) -> np.ndarray:
        """Return the log-probability of each output, or the number itself: float64 [texts]."""
        raise NotImplementedError

    def golden_logits(self, text: Any, output: Any) -> np.ndarray:
        """Return the logits [positions, classes or words] of one output."""
        raise NotImplementedError


def check_examples(examples: Sequence[Any]) -> None:
    """Raise DataError if there are no examples."""
    if not examples:
        raise DataError("there are no rows to evaluate", "give at least one text")


def listed(task: str, inputs: Any) -> tuple[bool, list[Any]]:
    """Return whether `inputs` is a single input of a task, and a list; see `Task.listed`."""
    spec = tasks.spec(task)
    if not spec.parts:
        return listed_texts(inputs)
    if isinstance(inputs, tuple) and inputs and isinstance(inputs[0], str):
        _check_texts(spec.input, [inputs])
        return True, [inputs]
    if isinstance(inputs, (str, bytes, Mapping)) or not isinstance(inputs, Iterable):
        raise InputError(
            f"{type(inputs).__name__} is no {spec.input} ({', '.join(spec.parts)})",
            f"give {spec.example}, or a list of such {spec.input}s",
        )
    values = list(inputs)
    _check_texts(spec.input, values)
    return False, values


def _check_texts(noun: str, inputs: Sequence[Any]) -> None:
    """Raise InputError for an input with a text that is no Unicode text."""
    for name, value in zip(item_names(noun, len(inputs)), inputs, strict=True):
        for text in _texts_in(value):
            check_text(name, text)


def _texts_in(value: Any) -> Iterator[str]:
    """Yield the texts of an input, which is a text or holds them; others check its form."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _texts_in(part)


def listed_texts(texts: Any) -> tuple[bool, list[str]]:
    """Return whether `texts` is a single text, and a list of texts.

    Raises:
        InputError: neither a text nor a list of texts, or a text with a NUL or a lone surrogate.
    """
    if isinstance(texts, str):
        _check_texts("text", [texts])
        return True, [texts]
    if isinstance(texts, (bytes, Mapping)) or not isinstance(texts, Iterable):
        raise InputError(f"{type(texts).__name__} is no text", "give a text or a list of texts")
    values = list(texts)
    for number, text in enumerate(values, start=1):
        if not isinstance(text, str):
            raise InputError(f"text {number} is {type(text).__name__}, not text", "convert it")
    _check_texts("text", values)
    return False, values
