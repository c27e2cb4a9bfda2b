"""Windows through a model that finds answers, the best spans of a context, and the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo import finite
from zoo.data.spans import Window
from zoo.models.contracts import SpanFinder
from zoo.tasks.batching import FINER, read_by_length
from zoo.tasks.metrics import squad_exact_match, squad_f1


class Span(NamedTuple):
    """A part of a context: its first and last piece, and the log-probability of the answer.

    `first` is -1 for no answer.
    """

    first: int
    last: int
    log_p: float


def span_logits(
    model: SpanFinder,
    windows: Sequence[np.ndarray],
    pad_id: int,
    rows: int = 32,
    progress: bool = False,
) -> list[np.ndarray]:
    """Return the logits of each window's tokens: float64 [2, time] each, starts and ends.

    Args:
        windows: int32 [time] each.
        rows: windows read together; their lengths are similar.

    Raises:
        PredictionError: a logit is NaN or infinite.
    """
    found: list[np.ndarray] = [np.zeros(0)] * len(windows)
    for i, values in read_by_length(_logits, model, windows, pad_id, rows, progress, FINER):
        found[i] = values[:, : len(windows[i])].astype(np.float64)
        finite.check(model, found[i].sum(axis=1))
    return found


def _logits(model: SpanFinder, options: None, arrays: dict) -> Any:
    return model.span_logits(arrays["tokens"], training=False)


def best_spans(
    windows: Sequence[Window],
    logits: Sequence[np.ndarray],
    longest: int,
    count: int = 1,
    threshold: float | None = None,
    visible: np.ndarray | None = None,
) -> list[Span]:
    """Return the most probable spans of a context, the best first.

    The score of a span is S T_i + E T_j, j >= i (bert2018, section 4.2), its probability the
    softmax over all spans that are allowed, of all windows. No answer has the score S C + E C, the
    lowest of all windows.

    Args:
        windows: those of one context.
        logits: float [2, time] of each.
        longest: the most pieces of an answer.
        count: how many spans to return; fewer if there are fewer.
        threshold: tau of section 4.3, which the score of an answer has to exceed that of none by;
            None forbids no answer.
        visible: bool [pieces of the context], those that an answer may start and end with; None is
            all.
    """
    scores, firsts, lasts, maxima, sums = [], [], [], [], []
    for window, rows in zip(windows, logits, strict=True):
        size = len(window.own)
        starts, ends = rows[:, window.offset : window.offset + size]
        seen = True if visible is None else visible[window.first : window.first + size]
        starts = np.where(window.own & seen, starts, -np.inf)
        ends = np.where(seen, ends, -np.inf)
        wide = min(longest, size)
        beyond = np.concatenate([ends, np.full(wide - 1, -np.inf)])
        total = starts[:, None] + np.lib.stride_tricks.sliding_window_view(beyond, wide)
        flat = total.ravel()  # [size * wide]: start by start, each end in turn
        keep = min(count, flat.size)
        top = np.argpartition(-flat, keep - 1)[:keep]
        top = top[np.isfinite(flat[top])]
        scores.append(flat[top])
        firsts.append(window.first + top // wide)
        lasts.append(window.first + top // wide + top % wide)
        highest = max(float(flat.max()), -1e300)  # a window may decide no start
        maxima.append(highest)
        sums.append(float(np.exp(flat - highest).sum()))
    every = np.concatenate(scores)
    first, last = np.concatenate(firsts), np.concatenate(lasts)
    if threshold is not None:
        none = min(float(rows[:, 0].sum()) for rows in logits) + threshold
        every = np.concatenate([[none], every])  # on a tie there is no answer
        first, last = (np.concatenate([[-1], places]) for places in (first, last))
        maxima.append(none)
        sums.append(1.0)
    highest = max(maxima)
    weights = np.exp(np.array(maxima) - highest)
    total_log = highest + float(np.log((weights * np.array(sums)).sum()))
    order = np.argsort(-every, kind="stable")[:count]
    return [Span(int(first[i]), int(last[i]), float(every[i] - total_log)) for i in order]


def measured(predicted: Sequence[str], truth: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return the metrics of SQuAD, which are those of its official programs.

    A question without an answer counts as in version 2.0: "" is right, and all else is wrong. With
    such questions the other answers are compared as version 2.0 does, too.

    Args:
        predicted: the answer to each question, "" for none.
        truth: the right answers to each, [] for none.

    Returns:
        "f1" and "exact_match" in percent, the means over questions of the best of the right
        answers; "questions", and if there are some without an answer their number
        "without_answer", with "f1_with_answer" and "f1_without_answer".
    """
    second = not all(truth)
    rows = [
        [best(text, answers, second) for best in (squad_f1, squad_exact_match)]
        for text, answers in zip(predicted, truth, strict=True)
    ]
    f1, exact = (100.0 * np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    found: dict[str, Any] = {
        "f1": float(f1.mean()), "exact_match": float(exact.mean()), "questions": len(rows)
    }  # fmt: skip
    if second:
        without = np.array([not answers for answers in truth])
        found["without_answer"] = int(without.sum())
        found["f1_without_answer"] = float(f1[without].mean())
        if not without.all():
            found["f1_with_answer"] = float(f1[~without].mean())
    return found
