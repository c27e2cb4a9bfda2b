"""Classification: label a text; scored by accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from zoo import finite
from zoo.config.recipe import Recipe
from zoo.data import sequences
from zoo.data.encoded import Encoded, Ragged, text_ids, training_ids
from zoo.data.examples import Example, each_text
from zoo.data.sequences import Form, Sequences, Specials
from zoo.errors import DataError, InputError, item_names
from zoo.models.contracts import SequenceClassifier
from zoo.tasks import metrics, unknown
from zoo.tasks.base import Task, Tokenizers, check_examples
from zoo.tasks.reading import classifier_logits
from zoo.text.typography import is_blank


class Classify(Task):
    """Classify texts with a built classifier, see `zoo.tasks.reading.classifier_logits`.

    A sequence classifier reads a text as a sequence, see `zoo.data.sequences`.

    Attributes:
        form: how an example's texts become sequences.
        names: the names of these texts in messages.
    """

    name = "classify"
    trainer = "zoo.training.trainers:ClassifierTrainer"
    quick_limit = 1000
    form: ClassVar[Form] = sequences.ONE_TEXT
    names: ClassVar[Sequence[str]] = ("text",)

    # Examples --------------------------------------------------------------------------------

    @classmethod
    def encode_examples(
        cls, examples: Sequence[Example], tokenizers: Tokenizers, recipe: Recipe
    ) -> Encoded:
        """Encode texts as ids, or as the sequences that the model reads, and their labels.

        Labels are places in `data.labels`, places of answers, or numbers.
        """
        inputs, data = [given for given, _ in examples], recipe.data
        if not inputs:
            raise DataError("there are no texts", "give at least one")
        encoder = sequences.of_recipe(cls.form, cls.names, recipe, tokenizers[0])
        if encoder is None:
            longest = recipe.train.buckets[-1]
            ids = training_ids(tokenizers[0], inputs, data.max_length, data.reverse, longest)
        else:
            ids = [sequence for parts in encoder.encode(inputs) for sequence in parts]
        return Encoded.texts(Ragged.of(ids), cls.encode_labels([e[1] for e in examples], recipe))

    @classmethod
    def sides(cls, given: Any, wanted: Any) -> Iterator[tuple[str, str, int]]:
        texts = list(each_text(given))
        names = [f"the {name}" for name in cls.names]
        names += [f"answer {i}" for i in range(len(texts) - len(names))]
        for name, text in zip(names, texts, strict=True):
            yield name if len(texts) > 1 else "", text, 0

    @classmethod
    def encode_labels(cls, labels: Sequence[Any], recipe: Recipe) -> np.ndarray:
        """Encode labels as their places, int32 [examples]."""
        return np.array([recipe.data.labels.index(label) for label in labels], dtype=np.int32)

    # The verbs -------------------------------------------------------------------------------

    @property
    def labels(self) -> list[str]:
        """The classes, in the order of the model's logits."""
        return self.data.labels

    def encode(self, texts: Sequence[Any]) -> list[Any]:
        """Encode each text as the model reads it: int32 [ids], or a list of several sequences.

        Raises:
            InputError: an empty text, one of which nothing is known, or an input of the wrong kind,
                by its number.
        """
        self.check_known(texts)
        return [parts[0] if len(parts) == 1 else parts for parts in self._sequences(texts)]

    def encode_sources(self, texts: Sequence[Any]) -> list[Any]:
        return [
            ids.tolist() if isinstance(ids, np.ndarray) else [part.tolist() for part in ids]
            for ids in self.encode(texts)
        ]

    def check(self, given: Any, name: str) -> Any:
        """Return an input as the task reads it.

        Args:
            name: the input's name in messages.

        Raises:
            InputError: an input of the wrong kind, or with an empty text.
        """
        return self.check_text(given, name)

    def check_text(self, value: Any, name: str) -> str:
        """Return a text of an input; raise the same errors as `check`."""
        hint = f"give {self.spec().example}"
        if not isinstance(value, str):
            raise InputError(f"{name} is {type(value).__name__}, not text", hint)
        if is_blank(value):
            raise InputError(f"{name} is empty", hint)
        return value

    def check_known(self, texts: Sequence[Any]) -> None:
        """Check that the tokenizer knows the texts of inputs; see `zoo.tasks.unknown`.

        Raises:
            InputError: see `encode`.
        """
        noun = self.spec().input
        reading = unknown.Reading(noun, len(texts))
        names = item_names(noun, len(texts))
        checked = [self.check(given, name) for given, name in zip(texts, names, strict=True)]
        for number, (given, name) in enumerate(zip(checked, names, strict=True), start=1):
            for part, text, _ in self.sides(given, None):
                about = f"{part} of {name}" if part else name
                reading.check(self.tokenizer, text, self.data.language, about, number)
        reading.warn()

    def _sequences(self, texts: Sequence[Any]) -> list[list[np.ndarray]]:
        noun, tokenizer, data = self.spec().input, self.tokenizer, self.data
        names = item_names(noun, len(texts))
        checked = [self.check(given, name) for given, name in zip(texts, names, strict=True)]
        if not isinstance(self.model, SequenceClassifier):
            return [[text_ids(tokenizer, text, None, data.reverse)] for text in checked]
        longest = sequences.longest_of_model(self.model.context, data)
        specials = Specials(*self.model.specials)
        return Sequences(
            self.form, self.name, self.names, tokenizer, specials, longest, data.reverse
        ).encode(checked, noun)

    def predict(
        self,
        texts: Sequence[Any],
        *,
        scores: bool = False,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> list[Any]:
        """Return the most probable label of each text, or the task's own kind of answer.

        Args:
            scores: return a dict of all labels and probabilities instead, the most probable first;
                the probabilities of equal answers to a question are added.
            batch_size: texts read together.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Raises:
            InputError: see `encode`.
        """
        texts = list(texts)
        self.check_known(texts)
        rows = self.outputs(texts, batch_size, progress)
        return [self.answer(text, row, scores) for text, row in zip(texts, rows, strict=True)]

    def classes(self, given: Any) -> Sequence[str]:
        """Return an input's possible answers, in the order of its probabilities."""
        return self.labels

    def outputs(self, texts: Sequence[Any], batch_size: int | None, progress: bool) -> np.ndarray:
        """Return the numbers behind the answers: the probabilities of each text's classes."""
        if not len(texts):
            return np.zeros((0, len(self.labels)))
        return metrics.softmax(self.logits(texts, batch_size, progress))

    def answer(self, given: Any, row: np.ndarray, scores: bool) -> Any:
        """Return the answer to one input by its row of `outputs`."""
        classes = self.classes(given)
        if not scores:
            return classes[int(row.argmax())]
        totals: dict[str, float] = {}
        for name, probability in zip(classes, row, strict=False):
            totals[name] = totals.get(name, 0.0) + float(probability)
        return dict(sorted(totals.items(), key=lambda item: -item[1]))

    def probabilities(
        self, texts: Sequence[Any], *, batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        """Return the probability of each label: float64 [texts, labels].

        For questions, of each answer; a question with fewer answers has zeros at the end.
        """
        self.check_known(texts)
        return self.outputs(texts, batch_size, progress)

    def logits(
        self, texts: Sequence[Any], batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        """Return the logits of each text: float64 [texts, classes]."""
        rows, texts_as_read = self.batch_size(batch_size), self._sequences(texts)
        table = classifier_logits(self.model, texts_as_read, self.tokenizer.pad_id, rows, progress)
        if len(table):
            finite.check(self.model, table.max(axis=1))  # -inf stands for an answer that lacks
        return table

    def evaluate(
        self, examples: Sequence[Example], *, batch_size: int | None = None, progress: bool = False
    ) -> dict[str, Any]:
        """Compare the model's answers with the true ones.

        Args:
            examples: (text, label) pairs; for questions the label is the place of the right answer,
                from 0; for models of numbers it is a number.

        Returns:
            The dict of `metrics.classification`, for questions of `metrics.choice`, for numbers of
            `metrics.regression`.

        Raises:
            DataError: no examples, or a label that the model does not have.
        """
        self.check_truths(examples)
        inputs = [given for given, _ in examples]
        rows = self.outputs(inputs, batch_size, progress)
        return self.measure(rows, [truth for _, truth in examples])

    def check_truths(self, examples: Sequence[tuple[Any, Any]]) -> None:
        """Raise DataError without examples, or for an answer that the model could not give."""
        check_examples(examples)
        for number, (given, truth) in enumerate(examples, start=1):
            self.check_truth(f"row {number}", given, truth)

    def check_truth(self, where: str, given: Any, truth: Any) -> None:
        """Raise DataError unless the model could give this answer."""
        if truth not in self.labels:
            raise DataError(
                f"{where}: the model has no label '{truth}'",
                f"its labels are {', '.join(self.labels)}",
            )

    def measure(self, rows: np.ndarray, truths: Sequence[Any]) -> dict[str, Any]:
        """Return the metrics of `outputs` given the true answers."""
        return metrics.classification(rows, truths, self.labels)

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Return the first text of each of up to four labels."""
        firsts: dict[Any, Any] = {}
        for text, label in examples:
            firsts.setdefault(label, text)
        return list(firsts.values())[:4]

    def golden_scores(self, texts: Sequence[Any], outputs: Sequence[Any]) -> np.ndarray:
        pairs = zip(texts, outputs, strict=True)
        places = [list(self.classes(given)).index(output) for given, output in pairs]
        return np.log(self.probabilities(texts)[np.arange(len(texts)), places])

    def golden_logits(self, text: Any, output: Any) -> np.ndarray:
        return self.logits([text])
