"""How good outputs are, measured with the field's own tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def translation(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return corpus BLEU and chrF of sacreBLEU with their signatures.

    Args:
        outputs: one text for each sentence.
        references: one or more for each sentence; sentences may differ in their number.
    """
    from sacrebleu.metrics import BLEU, CHRF

    most = max(len(each) for each in references)
    # sacreBLEU wants one list per reference number, with None where a sentence has no more.
    streams = [[each[i] if i < len(each) else None for each in references] for i in range(most)]
    measured: dict[str, Any] = {}
    for name, metric in (("bleu", BLEU()), ("chrf", CHRF())):
        measured[name] = round(metric.corpus_score(list(outputs), streams).score, 4)
        key = "signature" if name == "bleu" else "chrf_signature"
        measured[key] = str(metric.get_signature())
    return measured


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities [rows, classes] of logits [rows, classes]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def classification(
    probabilities: np.ndarray, truth: Sequence[str], labels: Sequence[str]
) -> dict[str, Any]:
    """Return how well labels were told.

    Args:
        probabilities: float [texts, labels].
        truth: the true label of each text.

    Returns:
        "accuracy" and "macro_f1", the mean of the F1 scores of those labels that are in the truth
        or were given, both in percent; "loss", the mean of -log P of the true labels, in nats;
        "confusion", for each true label how often each label was given; "texts".
    """
    true = np.array([labels.index(label) for label in truth])
    given = probabilities.argmax(axis=1)
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (true, given), 1)
    hits, seen = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    f1 = 2 * hits[seen > 0] / seen[seen > 0]
    chosen = np.maximum(probabilities[np.arange(len(true)), true], 1e-300)
    return {
        "accuracy": 100.0 * float(np.mean(true == given)),
        "macro_f1": 100.0 * float(f1.mean()),
        "loss": -float(np.log(chosen).mean()),
        "confusion": {
            label: dict(zip(labels, map(int, row), strict=True))
            for label, row in zip(labels, confusion, strict=True)
        },
        "texts": len(truth),
    }


def choice(probabilities: np.ndarray, places: np.ndarray) -> dict[str, Any]:
    """Return how well answers were chosen.

    Args:
        probabilities: float [questions, answers].
        places: of the right answers, int [questions].

    Returns:
        "accuracy" in percent; "loss", the mean of -log P of the right answers, in nats; "texts".
    """
    chosen = np.maximum(probabilities[np.arange(len(places)), places], 1e-300)
    return {
        "accuracy": 100.0 * float(np.mean(probabilities.argmax(axis=1) == places)),
        "loss": -float(np.log(chosen).mean()),
        "texts": len(places),
    }


def regression(found: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Return how well numbers were told.

    Args:
        found: float [texts].
        truth: float [texts].

    Returns:
        "pearson" and "spearman", the correlations times 100, as papers write them, and 0 where
        either side is all one number; "loss", the mean squared error; "texts".
    """
    return {
        "pearson": 100.0 * pearson(found, truth),
        "spearman": 100.0 * pearson(ranks(found), ranks(truth)),
        "loss": float(np.mean((found - truth) ** 2)),
        "texts": len(truth),
    }


def pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Return Pearson's correlation of two arrays [rows]; 0 where one of them is constant."""
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale > 0 else 0.0


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value from 1, float [rows]; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
