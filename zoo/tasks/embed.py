"""Give each text a vector, near that of a text of like meaning (Sentence-BERT, Reimers and
Gurevych, EMNLP 2019); scored by how cosines of pairs rank with people's scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from zoo import finite
from zoo.config.recipe import Recipe
from zoo.data import columns, sequences
from zoo.data.cells import number_of, plain_value, two_texts
from zoo.data.examples import Example, each_text
from zoo.errors import DataError, InputError
from zoo.models.contracts import Embedder
from zoo.tasks import metrics
from zoo.tasks.base import Task, check_examples
from zoo.tasks.batching import read_by_length
from zoo.tasks.entail import Entail

# Vectors of fewer numbers than this have no direction.
SHORTEST = 1e-12


class Embed(Entail):
    """Turn texts into vectors; examples are ((text, text), score) pairs.

    Training compares a pair's cosine, times the model's `scale`, with its score by the mean squared
    error (Sentence-BERT, section 3, the regression objective).
    """

    name = "embed"
    trainer = "zoo.training.cosines:CosineTrainer"
    finetuning = {"model.arguments.scale": 1.0}
    form = sequences.APART
    names = ("text", "other text")

    # Examples --------------------------------------------------------------------------------

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
        """Read ((text, text), score) of each row; raise DataError for a score that is no number."""
        examples = []
        for where, names, cells in columns.read_rows(data, targets, cls.roles(recipe), table):
            value = plain_value(cells[-1], f"{where}: the {names[-1]}")
            score = number_of(value)
            if score is None:
                raise DataError(
                    f"{where}: the {names[-1]} is {value!r}, not a number",
                    "give the similarity of the two texts as a number in each row",
                )
            examples.append(Example(two_texts(where, names, cells), score))
        return examples

    @classmethod
    def encode_labels(cls, labels: Sequence[Any], recipe: Recipe) -> np.ndarray:
        """Return scores as float32 [examples].

        Raises:
            DataError: a score is beyond those that a cosine can reach.
        """
        scores = np.array(labels, dtype=np.float32)
        scale = float(recipe.resolved().model.arguments.get("scale", 1.0))
        if len(scores) and (most := float(np.abs(scores).max())) > scale:
            raise DataError(
                f"a score is {most:g}, and the model's go from {-scale:g} to {scale:g}",
                f"set model.arguments.scale to the score of two equal texts, as in {most:g}",
            )
        return scores

    @classmethod
    def sides(cls, given: Any, wanted: Any) -> Iterator[tuple[str, str, int]]:
        texts = list(each_text(given))
        for i, text in enumerate(texts):
            yield f"the {cls.names[i]}" if len(texts) > 1 else "", text, 0

    # The verbs -------------------------------------------------------------------------------

    def check(self, given: Any, name: str) -> Any:
        """Return a text, or two of an example; raise InputError for anything else."""
        if not isinstance(given, (tuple, list)):
            return self.check_text(given, name)
        if len(given) != 2:
            raise InputError(f"{name} has {len(given)} parts, not two texts", "give two texts")
        first, second = given
        return (
            self.check_text(first, f"the {self.names[0]} of {name}"),
            self.check_text(second, f"the {self.names[1]} of {name}"),
        )

    def predict(  # type: ignore[override]
        self, texts: Sequence[str], *, batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        """Return the vector of each text, float32 [texts, width].

        A longer text than the model reads is cut, with a warning.

        Args:
            batch_size: texts read together.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Raises:
            InputError: an empty text, or one of which nothing is known.
            PredictionError: the model's output is NaN or infinite.
        """
        texts = list(texts)
        self.check_known(texts)
        ids = [parts[0] for parts in self._sequences(texts)]
        return self._vectors(ids, batch_size, progress)

    def similarity(
        self,
        texts: Sequence[str],
        others: Sequence[str],
        *,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> np.ndarray:
        """Return the cosine of each text's vector and each other one's: float32 [texts, others].

        Equal texts are read once. Other arguments and errors are those of `predict`.
        """
        for side in (texts, others):
            self.check_known(side)
        distinct = list(dict.fromkeys([*texts, *others]))
        places = {text: i for i, text in enumerate(distinct)}
        ids = [parts[0] for parts in self._sequences(distinct)]
        vectors = _unit(self._vectors(ids, batch_size, progress))
        first, second = ([places[text] for text in side] for side in (texts, others))
        found: np.ndarray = vectors[first] @ vectors[second].T
        return found

    def _vectors(
        self, ids: Sequence[np.ndarray], batch_size: int | None, progress: bool
    ) -> np.ndarray:
        found = vectors_of(
            self.model, ids, self.tokenizer.pad_id, self.batch_size(batch_size), progress
        )
        if len(found):
            finite.check(self.model, found.sum(axis=1))
        return found

    def probabilities(
        self, texts: Sequence[Any], *, batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        return Task.probabilities(self, texts)

    def evaluate(
        self, examples: Sequence[Example], *, batch_size: int | None = None, progress: bool = False
    ) -> dict[str, Any]:
        """Compare the cosines of pairs with their scores, of whatever scale these are.

        Args:
            examples: ((text, text), score) pairs.

        Returns:
            "spearman" and "pearson", the correlations times 100; "pairs", their number.

        Raises:
            DataError: no examples, or a score that is no number.
        """
        check_examples(examples)
        for number, (_, score) in enumerate(examples, start=1):
            if not isinstance(score, (int, float)):
                raise DataError(
                    f"row {number}: the score '{score}' is no number",
                    "give the similarity of the two texts as a number",
                )
        pairs = [given for given, _ in examples]
        self.check_known(pairs)
        both = [ids for parts in self._sequences(pairs) for ids in parts]
        keys = [ids.tobytes() for ids in both]
        distinct = dict(zip(keys, both, strict=True))  # many texts stand in several pairs
        places = {key: i for i, key in enumerate(distinct)}
        vectors = _unit(self._vectors(list(distinct.values()), batch_size, progress))
        rows = vectors[[places[key] for key in keys]].reshape(len(pairs), 2, -1)
        cosines = (rows[:, 0] * rows[:, 1]).sum(axis=1, dtype=np.float64)
        measured = metrics.regression(cosines, np.array([score for _, score in examples]))
        return {
            "spearman": measured["spearman"],
            "pearson": measured["pearson"],
            "pairs": len(pairs),
        }

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[tuple[Any, Any]]) -> list[str]:
        """Return the first four texts of examples."""
        texts = (text for given, _ in examples for text in each_text(given))
        return list(dict.fromkeys(texts))[:4]

    def golden_scores(self, texts: Sequence[Any], outputs: Sequence[Any]) -> np.ndarray:
        """Return the cosine of each text and the first one: float64 [texts]."""
        found: np.ndarray = self.similarity(texts, texts[:1])[:, 0].astype(np.float64)
        return found

    def golden_logits(self, text: Any, output: Any) -> np.ndarray:
        """Return the vector of a text, [1, width]."""
        return self.predict([text])


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors [rows, width] as those of length 1."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: np.ndarray = vectors / np.maximum(lengths, SHORTEST)
    return unit


def vectors_of(
    model: Embedder,
    texts: Sequence[np.ndarray],
    pad_id: int,
    rows: int = 32,
    progress: bool = False,
) -> np.ndarray:
    """Return the vectors of texts, float32 [texts, width]; those of like length are read together.

    Args:
        texts: int32 [ids] each.
        rows: texts read together.
    """
    found = np.zeros((len(texts), model.width), dtype=np.float32)
    for i, vector in read_by_length(_embedded, model, texts, pad_id, rows, progress):
        found[i] = vector
    return found


def _embedded(model: Embedder, options: None, arrays: dict) -> Any:
    return model.embed(arrays["tokens"])
