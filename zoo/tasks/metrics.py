"""How good outputs are, measured with the field's own tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


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
