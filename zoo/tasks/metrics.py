"""The metrics of the tasks."""

from __future__ import annotations

import functools
import itertools
import re
import string
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.config.languages import (
    CHINESE,
    JAPANESE,
    KOREAN,
    OTHERS_WITHOUT_SPACES,
    base_code,
)
from zoo.errors import ZooWarning

# How BLEU cuts a language that other sacreBLEU tokenizers than "13a" fit, by ISO 639 codes. "char"
# takes each character as a word; sacreBLEU has nothing else for a language written without spaces
# that needs no download.
CUTS = {"zh": CHINESE, "ja-mecab": JAPANESE, "ko-mecab": KOREAN, "char": OTHERS_WITHOUT_SPACES}
# The extra of sacreBLEU that installs a tokenizer, and the language's name.
EXTRAS = {"ja-mecab": ("ja", "Japanese"), "ko-mecab": ("ko", "Korean")}


def translation(
    outputs: Sequence[str], references: Sequence[Sequence[str]], language: str = ""
) -> dict[str, Any]:
    """Return corpus BLEU and chrF of sacreBLEU with their signatures.

    Args:
        outputs: one text for each sentence.
        references: one or more for each sentence; their number may differ.
        language: of the texts, as in "fr" or "zh-CN"; see `bleu_tokenizer`.
    """
    from sacrebleu.metrics import BLEU, CHRF

    # sacreBLEU wants one list per reference number, with None where a sentence has no more.
    streams = [*map(list, itertools.zip_longest(*references))]
    measured: dict[str, Any] = {}
    bleu = BLEU(tokenize=bleu_tokenizer(language))
    for name, metric in (("bleu", bleu), ("chrf", CHRF())):
        measured[name] = round(metric.corpus_score(list(outputs), streams).score, 4)
        key = "signature" if name == "bleu" else "chrf_signature"
        measured[key] = str(metric.get_signature())
    return measured


def bleu_tokenizer(language: str) -> str:
    """Return the name of the sacreBLEU tokenizer that cuts a language into words.

    "zh" for Chinese, "ja-mecab" and "ko-mecab" for Japanese and Korean where they are installed,
    else "char"; "char" for Thai, Lao, Khmer, Burmese and Tibetan; "13a" for all others.

    Args:
        language: a code, perhaps with a script or region: "zh-CN", "zh_Hant", "ja-JP".
    """
    code = base_code(language)
    name = next((name for name, codes in CUTS.items() if code in codes), "13a")
    return "char" if name in EXTRAS and not _installed(name) else name


@functools.cache
def _installed(name: str) -> bool:
    """Return whether a tokenizer of MeCab works here; warn once that it does not."""
    from sacrebleu.metrics import BLEU

    try:
        BLEU(tokenize=name)
    except Exception as error:  # RuntimeError if missing, AssertionError for another dictionary
        extra, language = EXTRAS[name]
        reason = "is not installed" if isinstance(error, RuntimeError) else f"fails ({error})"
        warnings.warn(
            f"BLEU of {language} is measured by characters: sacreBLEU's {name} {reason}; "
            f'pip install "sacrebleu[{extra}]"',
            ZooWarning,
            stacklevel=4,
        )
        return False
    return True


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities [rows, classes] of logits [rows, classes]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return natural log-probabilities [rows, classes] of logits [rows, classes]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    found: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


def classification(
    probabilities: np.ndarray, truth: Sequence[str], labels: Sequence[str]
) -> dict[str, Any]:
    """Return the metrics of a classifier.

    Args:
        probabilities: float [texts, labels].
        truth: the true label of each text.

    Returns:
        "accuracy" and "macro_f1", the mean F1 score of the labels in the truth or the predictions,
        both in percent; "loss", the mean of -log P of the true labels, in nats; "confusion", for
        each true label how often each label was predicted; "texts".
    """
    true = np.array([labels.index(label) for label in truth])
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (true, predicted), 1)
    hits, seen = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    f1 = 2 * hits[seen > 0] / seen[seen > 0]
    return {
        "accuracy": 100.0 * float(np.mean(true == predicted)),
        "macro_f1": 100.0 * float(f1.mean()),
        "loss": mean_loss(probabilities, true),
        "confusion": {
            label: dict(zip(labels, map(int, row), strict=True))
            for label, row in zip(labels, confusion, strict=True)
        },
        "texts": len(truth),
    }


def choice(probabilities: np.ndarray, places: np.ndarray) -> dict[str, Any]:
    """Return the metrics of multiple choice.

    Args:
        probabilities: float [questions, answers].
        places: places of the right answers, int [questions].

    Returns:
        "accuracy" in percent; "loss", see `mean_loss`; "texts".
    """
    return {
        "accuracy": 100.0 * float(np.mean(probabilities.argmax(axis=1) == places)),
        "loss": mean_loss(probabilities, places),
        "texts": len(places),
    }


def mean_loss(probabilities: np.ndarray, places: np.ndarray) -> float:
    """Return the mean of -log P of the right class of each row, in nats."""
    chosen = np.maximum(probabilities[np.arange(len(places)), places], 1e-300)
    return -float(np.log(chosen).mean())


def regression(predicted: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Return the metrics of a model of numbers.

    Args:
        predicted, truth: float [texts].

    Returns:
        "pearson" and "spearman", the correlations times 100, as papers write them, and 0 where
        either side is constant; "loss", the mean squared error; "texts".
    """
    return {
        "pearson": 100.0 * pearson(predicted, truth),
        "spearman": 100.0 * pearson(ranks(predicted), ranks(truth)),
        "loss": float(np.mean((predicted - truth) ** 2)),
        "texts": len(truth),
    }


def pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Return Pearson's correlation of two arrays [rows]; 0 if one of them is constant."""
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale > 0 else 0.0


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value from 1, float [rows]; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


PUNCTUATION = str.maketrans("", "", string.punctuation)
ARTICLES = re.compile(r"\b(a|an|the)\b")


def squad_words(text: str) -> list[str]:
    """Return the words of an answer as SQuAD compares them: no capitals, punctuation, articles."""
    return ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split()


def squad_exact_match(predicted: str, answers: Sequence[str], second: bool = False) -> float:
    """Return 1.0 if an answer has the words of a right one, else 0.0.

    Args:
        answers: the right ones; none if "" is right.
        second: compare as the program of SQuAD 2.0, which leaves out right answers without words.
    """
    words = squad_words(predicted)
    return float(any(words == right for right in _right_words(answers, second)))


def squad_f1(predicted: str, answers: Sequence[str], second: bool = False) -> float:
    """Return the F1 score of an answer's words and those of the nearest right one.

    An answer without words has the score 0 in version 1.1, and in 2.0 the score 1 where none has.

    Args: see `squad_exact_match`.
    """
    words = squad_words(predicted)
    best = 0.0
    for right in _right_words(answers, second):
        common = sum((Counter(words) & Counter(right)).values())
        f1 = 2 * common / (len(words) + len(right)) if common else 0.0
        best = max(best, float(words == right) if second and not (words and right) else f1)
    return best


def _right_words(answers: Sequence[str], second: bool) -> list[list[str]]:
    """Return the words of each right answer."""
    found = [squad_words(answer) for answer in answers]
    return ([words for words in found if words] or [[]]) if second or not found else found
