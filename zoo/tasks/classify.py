"""Classification: a text in, its label out; scored by accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo import compiling
from zoo.data.document_batches import left_padded
from zoo.data.prepare_texts import text_ids
from zoo.errors import DataError, InputError, check_count
from zoo.recipe import Data, Evaluate
from zoo.tasks import metrics
from zoo.tasks.batching import ROWS, bucket, with_progress
from zoo.text import Tokenizer

# Ids that each row reads in one piece.
PIECE = 64


class Classify:
    """A model, its tokenizer and its labels as a classifier of texts.

    Args:
        model: a built classifier with `nothing_read`, `read` and `decide`.
        tokenizer: its tokenizer; `target_tokenizer` is the same one.
        options: how to measure where a call does not say.
        data: its labels, and how texts were given to the model in training.
    """

    def __init__(
        self,
        model: keras.Model,
        tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        options: Evaluate,
        data: Data,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.options = options
        self.data = data

    @property
    def labels(self) -> list[str]:
        """The classes, in the order of the model's logits."""
        return self.data.labels

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the ids of each whole text, from the start id to the end id.

        Raises:
            InputError: an empty text, by its number.
        """
        encoded = []
        for number, text in enumerate(texts, start=1):
            if not text.strip():
                name = "the text" if len(texts) == 1 else f"text {number}"
                raise InputError(f"{name} is empty", "give at least one word")
            encoded.append(text_ids(self.tokenizer, text, None, self.data.reverse))
        return encoded

    def predict(
        self,
        texts: Sequence[str],
        *,
        scores: bool = False,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> list[Any]:
        """Return the most probable label of each text.

        Args:
            scores: return all labels with their probabilities instead, the most probable first.
            batch_size: texts read together.
            progress: show a bar while there is more than one batch and stderr is a terminal.

        Raises:
            InputError: an empty text.
        """
        found = self.probabilities(texts, batch_size=batch_size, progress=progress)
        if not scores:
            return [self.labels[i] for i in found.argmax(axis=1)]
        return [
            {self.labels[i]: float(row[i]) for i in np.argsort(-row, kind="stable")}
            for row in found
        ]

    def probabilities(
        self, texts: Sequence[str], *, batch_size: int | None = None, progress: bool = False
    ) -> np.ndarray:
        """Return the probability of each label: float64 [texts, labels]."""
        rows = self.options.batch_size if batch_size is None else batch_size
        check_count("batch_size", rows)
        found = logits(self.model, self.encode(texts), self.tokenizer.pad_id, rows, progress)
        return metrics.softmax(found)

    def evaluate(
        self,
        examples: Sequence[tuple[str, str]],
        *,
        batch_size: int | None = None,
        progress: bool = False,
    ) -> dict[str, Any]:
        """Compare the labels that the model gives to texts with their true ones.

        Args:
            examples: (text, label) each.

        Returns:
            "accuracy" and "macro_f1" in percent, "loss" in nats a text, "confusion" (for each true
            label, how often each label was given), "texts".

        Raises:
            DataError: there is no example, or a label that the model does not have.
        """
        if not examples:
            raise DataError("there are no rows to evaluate", "give at least one text")
        for number, (_, label) in enumerate(examples, start=1):
            if label not in self.labels:
                raise DataError(
                    f"row {number}: the model has no label '{label}'",
                    f"its labels are {', '.join(self.labels)}",
                )
        found = self.probabilities(
            [text for text, _ in examples], batch_size=batch_size, progress=progress
        )
        return metrics.classification(found, [label for _, label in examples], self.labels)

    # Golden outputs --------------------------------------------------------------------------

    def golden_inputs(self, examples: Sequence[tuple[str, str]]) -> list[str]:
        """Return what a model is remembered by: the first text of each of up to four labels."""
        firsts: dict[str, str] = {}
        for text, label in examples:
            firsts.setdefault(label, text)
        return list(firsts.values())[:4]

    def golden_scores(self, texts: Sequence[str], outputs: Sequence[str]) -> np.ndarray:
        """Return log P of each label, float64 [texts]."""
        found = self.probabilities(texts)
        chosen = [self.labels.index(label) for label in outputs]
        return np.log(found[np.arange(len(texts)), chosen])

    def golden_logits(self, text: str, output: str) -> np.ndarray:
        """Return the logits [1, classes] of a text."""
        return logits(self.model, self.encode([text]), self.tokenizer.pad_id)


def logits(
    model: keras.Model,
    texts: Sequence[np.ndarray],
    pad_id: int,
    rows: int = 32,
    progress: bool = False,
) -> np.ndarray:
    """Return the logits of whole documents, float64 [texts, classes].

    Documents are read in pieces of one shape, with the state carried from piece to piece, so that
    one of any length is read to its end and nothing is compiled for another length. Those of
    similar length are read together.

    Args:
        texts: int32 [ids] each.
    """
    lengths = np.array([len(each) for each in texts])
    order = np.argsort(-lengths, kind="stable")  # the longest first
    parts = [order[first : first + rows] for first in range(0, len(order), rows)]
    found: list[np.ndarray] = [np.zeros(0)] * len(texts)
    for part in with_progress(parts, progress):
        count = min(bucket(len(part), ROWS), rows)
        width = PIECE * -(-int(lengths[part].max()) // PIECE)
        chosen = [texts[i] for i in part]
        chosen += [chosen[-1]] * (count - len(chosen))
        tokens = left_padded(chosen, width, pad_id)
        pooled = np.broadcast_to(np.arange(width) >= width - model.kept, tokens.shape)
        carry: Any = {
            name: ops.convert_to_numpy(each) for name, each in model.nothing_read(count).items()
        }
        for first in range(0, width, PIECE):
            piece = slice(first, first + PIECE)
            arrays = {"tokens": tokens[:, piece], "pooled": pooled[:, piece], "carry": carry}
            carry = compiling.run(_read, model, None, arrays)
        decided = ops.convert_to_numpy(compiling.run(_decide, model, None, {"carry": carry}))
        for row, index in enumerate(part):
            found[index] = decided[row].astype(np.float64)
    return np.stack(found) if found else np.zeros((0, model.arguments["classes"]))


def _read(model: keras.Model, options: None, arrays: dict) -> Any:
    return model.read(arrays["tokens"], arrays["carry"], pooled=arrays["pooled"])


def _decide(model: keras.Model, options: None, arrays: dict) -> Any:
    return model.decide(arrays["carry"])
