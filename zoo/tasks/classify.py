"""Classification: a text in, its label out; scored by accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from zoo.config.recipe import Recipe
from zoo.data import columns, sequences
from zoo.data.encoded import Encoded, Ragged, text_ids
from zoo.data.examples import Example
from zoo.data.sequences import Form, Sequences, Specials
from zoo.errors import DataError, InputError, check_count
from zoo.models.contracts import SequenceClassifier
from zoo.tasks import metrics
from zoo.tasks.base import Task, Tokenizers, check_examples
from zoo.tasks.reading import classifier_logits


class Classify(Task):
    """A model, its tokenizer and its labels as a classifier of texts.

    The model is a built classifier, see `classifier_logits`; one of sequences reads a
    text as a sequence, see `zoo.data.sequences`.

    Attributes:
        form: how an example's texts become sequences.
        names: what a message calls these texts.
    """

    name = "classify"
    trainer = "zoo.training.trainers:ClassifierTrainer"
    form: ClassVar[Form] = sequences.ONE_TEXT
    names: ClassVar[Sequence[str]] = ("text",)

    # Examples --------------------------------------------------------------------------------

    @classmethod
    def read(
        cls, recipe: Recipe, data: Any, targets: Iterable[Any] | None = None, *, fresh: bool = False
    ) -> list[Example]:
        return columns.read_pairs(data, targets, columns=cls.spec().columns)

    @classmethod
    def encode_examples(
        cls, examples: Sequence[Example], tokenizers: Tokenizers, recipe: Recipe
    ) -> Encoded:
        """Return texts as ids, or as the sequences that the model reads, and their labels.

        Labels are places in `data.labels`, or of answers, or numbers.
        """
        inputs, data = [given for given, _ in examples], recipe.data
        if not inputs:
            raise DataError("there are no texts", "give at least one")
        made = sequences.of_recipe(cls.form, cls.names, recipe, tokenizers[0])
        if made is None:
            ids = [text_ids(tokenizers[0], text, data.max_length, data.reverse) for text in inputs]
        else:
            ids = [each for parts in made.encode(inputs) for each in parts]
        return Encoded.texts(Ragged.of(ids), cls.encode_labels([e[1] for e in examples], recipe))

    @classmethod
    def encode_labels(cls, labels: Sequence[Any], recipe: Recipe) -> np.ndarray:
        """Return what the model should give: the places of labels, int32 [examples]."""
        return np.array([recipe.data.labels.index(label) for label in labels], dtype=np.int32)

    # The verbs -------------------------------------------------------------------------------

    @property
    def labels(self) -> list[str]:
        """The classes, in the order of the model's logits."""
        return self.data.labels

    def encode(self, texts: Sequence[Any]) -> list[Any]:
        """Return what the model reads of each text, int32 [ids], or a list of these if several.

        Raises:
            InputError: an empty text, or what is no input of this task, by its number.
        """
        return [each[0] if len(each) == 1 else each for each in self._sequences(texts)]

    def encode_sources(self, texts: Sequence[Any]) -> list[Any]:
        return [
            ids.tolist() if isinstance(ids, np.ndarray) else [part.tolist() for part in ids]
            for ids in self.encode(texts)
        ]

    def check(self, given: Any, name: str) -> Any:
        """Return one input as the task reads it.

        Args:
            name: what a message calls it.

        Raises:
            InputError: it is of another form, or a text in it is empty.
        """
        return self.check_text(given, name)

    def check_text(self, value: Any, name: str) -> str:
        """Return a text of an input; raises what `check` does."""
        hint = f"give {self.spec().example}"
        if not isinstance(value, str):
            raise InputError(f"{name} is {type(value).__name__}, not text", hint)
        if not value.strip():
            raise InputError(f"{name} is empty", hint)
        return value

    def _sequences(self, texts: Sequence[Any]) -> list[list[np.ndarray]]:
        called, tokenizer, data = self.spec().input, self.tokenizer, self.data
        names = (
            [f"the {called}"]
            if len(texts) == 1
            else [f"{called} {number}" for number in range(1, len(texts) + 1)]
        )
        checked = [self.check(given, name) for given, name in zip(texts, names, strict=True)]
        if not isinstance(self.model, SequenceClassifier):
            return [[text_ids(tokenizer, text, None, data.reverse)] for text in checked]
        longest = sequences.longest_of_model(self.model.context, data)
        specials = Specials(*self.model.specials)
        return Sequences(
            self.form, self.name, self.names, tokenizer, specials, longest, data.reverse
        ).encode(checked, called)

    def predict(
        self,
        texts: Sequence[Any],
        *,
        scores: bool = False,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> list[Any]:
        """Return the most probable label of each text, or what else the task answers.

        Args:
            scores: return all labels with their probabilities instead, the most probable first;
                those of equal answers to a question are added.
            batch_size: texts read together.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Raises:
            InputError: see `encode`.
        """
        texts = list(texts)
        rows = self.outputs(texts, batch_size, progress)
        return [self.answer(text, row, scores) for text, row in zip(texts, rows, strict=True)]

    def classes(self, given: Any) -> Sequence[str]:
        """Return what an input may be answered with, in the order of its probabilities."""
        return self.labels

    def outputs(self, texts: Sequence[Any], batch_size: int | None, progress: bool) -> np.ndarray:
        """Return what answers are made of: the probabilities of each text's classes."""
        return self.probabilities(texts, batch_size=batch_size, progress=progress)

    def answer(self, given: Any, row: np.ndarray, scores: bool) -> Any:
        """Return the answer to one input, made of its row of `outputs`."""
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

        Of the answers to questions: a question with fewer than another has zeros at the end.
        """
        if not len(texts):
            return np.zeros((0, len(self.labels)))
        return metrics.softmax(self.logits(texts, batch_size, progress))

    def logits(
        self, texts: Sequence[Any], batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        """Return the logits of each text: float64 [texts, classes]."""
        rows = self.options.batch_size if batch_size is None else batch_size
        check_count("batch_size", rows)
        read, pad_id = self._sequences(texts), self.tokenizer.pad_id
        return classifier_logits(self.model, read, pad_id, rows, progress)

    def evaluate(
        self,
        examples: Sequence[tuple[Any, Any]],
        *,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> dict[str, Any]:
        """Compare the model's answers with the true ones.

        Args:
            examples: (text, label) each; the place of the right answer of a question, from 0, or a
                number where the model gives numbers.

        Returns:
            "accuracy" and "macro_f1" in percent, "loss" in nats a text, "confusion" (for each true
            label, how often each label was given), "texts"; of questions all but the second and
            the fourth; of numbers "pearson" and "spearman", the correlations times 100, "loss", the
            mean squared error, and "texts".

        Raises:
            DataError: there is no example, or an answer that the model does not have.
        """
        check_examples(examples)
        for number, (given, truth) in enumerate(examples, start=1):
            self.check_truth(f"row {number}", given, truth)
        rows = self.outputs([given for given, _ in examples], batch_size, progress)
        return self.measure(rows, [truth for _, truth in examples])

    def check_truth(self, where: str, given: Any, truth: Any) -> None:
        """Raise DataError unless the model could give this answer."""
        if truth not in self.labels:
            raise DataError(
                f"{where}: the model has no label '{truth}'",
                f"its labels are {', '.join(self.labels)}",
            )

    def measure(self, rows: np.ndarray, truths: Sequence[Any]) -> dict[str, Any]:
        """Return the metrics of `outputs` beside the true answers."""
        return metrics.classification(rows, truths, self.labels)

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Return what a model is remembered by: the first text of each of up to four labels."""
        firsts: dict[Any, Any] = {}
        for text, label in examples:
            firsts.setdefault(label, text)
        return list(firsts.values())[:4]

    def golden_scores(self, texts: Sequence[Any], outputs: Sequence[Any]) -> np.ndarray:
        """Return log P of each answer, float64 [texts]."""
        pairs = zip(texts, outputs, strict=True)
        places = [list(self.classes(given)).index(output) for given, output in pairs]
        return np.log(self.probabilities(texts)[np.arange(len(texts)), places])

    def golden_logits(self, text: Any, output: Any) -> np.ndarray:
        """Return the logits [1, classes] of a text."""
        return self.logits([text])
