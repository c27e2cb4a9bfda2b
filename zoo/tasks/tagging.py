"""Logits of sentences of a tagger, and the metrics of tags."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo import finite
from zoo.config.tasks import mark_entities
from zoo.data.tagged import Window
from zoo.errors import NotSupported
from zoo.models.contracts import TokenClassifier
from zoo.tasks.batching import FINER, read_by_length
from zoo.tasks.metrics import log_softmax


def tag_logits(
    model: TokenClassifier,
    sentences: Sequence[Sequence[Window]],
    pad_id: int,
    rows: int = 32,
    progress: bool = False,
) -> list[np.ndarray]:
    """Return the logits of each sentence's words: float64 [words, classes] each.

    Args:
        sentences: the windows of each, see `zoo.data.tagged`.
        rows: windows read together; their lengths are similar.

    Raises:
        PredictionError: a logit is NaN or infinite.
    """
    flat = [window for windows in sentences for window in windows]
    found: list[np.ndarray] = [np.zeros(0)] * len(flat)
    ids = [window.ids for window in flat]
    for i, values in read_by_length(_logits, model, ids, pad_id, rows, progress, FINER):
        found[i] = values[flat[i].places].astype(np.float64)
        finite.check(model, found[i].max(axis=1))
    logits = iter(found)
    return [
        np.concatenate([np.zeros((0, model.classes)), *itertools.islice(logits, len(windows))])
        for windows in sentences
    ]


def _logits(model: TokenClassifier, options: None, arrays: dict) -> Any:
    return model(arrays["tokens"], training=False)


def measured(
    logits: Sequence[np.ndarray], truth: Sequence[Sequence[str]], labels: Sequence[str]
) -> dict[str, Any]:
    """Return the metrics of a tagger.

    Args:
        logits: float [words, labels] of each sentence.
        truth: the true tags of each, in IOB2 if they mark entities.

    Returns:
        "accuracy", the share of right tags in percent; "loss", the mean of -log P of the true ones,
        in nats; "words" and "sentences"; and for entities what `of_entities` returns.
    """
    places = {label: number for number, label in enumerate(labels)}
    true = np.array([places[tag] for tags in truth for tag in tags])
    log_p = log_softmax(np.concatenate(list(logits)))
    best = log_p.argmax(axis=1)
    found: dict[str, Any] = {
        "accuracy": 100.0 * float(np.mean(best == true)),
        "loss": -float(log_p[np.arange(len(true)), true].mean()),
        "words": len(true),
        "sentences": len(truth),
    }
    if mark_entities(labels):
        predicted = [[labels[int(i)] for i in rows.argmax(axis=1)] for rows in logits]
        found = of_entities(predicted, truth) | found
    return found


def seqeval() -> tuple[Any, Any]:
    """Return seqeval's module of metrics, and its scheme IOB2.

    It is an extra: it brings scikit-learn, and Keras starts more slowly where that is installed.

    Raises:
        NotSupported: it is not installed.
    """
    try:
        from seqeval.metrics import sequence_labeling as metrics
        from seqeval.scheme import IOB2
    except ImportError:
        raise NotSupported(
            "names are measured by the library seqeval, which is not installed",
            'pip install "paperzoo[tag]"',
        ) from None
    return metrics, IOB2


def of_entities(
    predicted: Sequence[Sequence[str]], truth: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Return seqeval's metrics of entities; it has to be installed, see `seqeval`.

    Returns:
        "f1", "micro_precision" and "micro_recall" in percent, of all entities together: an entity
        is right if its kind and both ends are; an I- that follows no entity of its kind begins
        one, as in conlleval. "f1_strict": such an I- marks nothing (IOB2). "kinds": for each kind
        "f1", "precision", "recall", and the number of true "entities".
    """
    metrics, scheme = seqeval()
    predicted, truth = [list(tags) for tags in predicted], [list(tags) for tags in truth]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of kinds that were never predicted, or never true
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            truth, predicted, average="micro", zero_division=0
        )
        strict = metrics.f1_score(truth, predicted, mode="strict", scheme=scheme, zero_division=0)
        tags = {tag for sentences in (truth, predicted) for words in sentences for tag in words}
        kinds = sorted({tag[2:] for tag in tags if mark_entities([tag])})
        by_kind = [
            list(values)
            for values in metrics.precision_recall_fscore_support(
                truth, predicted, average=None, zero_division=0
            )
        ] if kinds else [[]] * 4  # fmt: skip
    return {
        "f1": 100.0 * float(f1),
        "f1_strict": 100.0 * float(strict),
        "micro_precision": 100.0 * float(precision),
        "micro_recall": 100.0 * float(recall),
        "kinds": {
            kind: {
                "f1": 100.0 * float(of_f1), "precision": 100.0 * float(of_precision),
                "recall": 100.0 * float(of_recall), "entities": int(count),
            }
            for kind, of_precision, of_recall, of_f1, count in zip(kinds, *by_kind, strict=True)
        },
    }  # fmt: skip
