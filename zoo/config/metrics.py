"""The metrics, one row each: their names, formats and better direction. Imports no Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class MetricSpec(NamedTuple):
    """How to present one number of metrics.json."""

    label: str  # its name in tables and figures
    unit: str = ""  # text after the value
    digits: int = 1  # after the point
    higher: bool = True  # whether a higher value is better
    card: str = ""  # longer name for model cards, with {piece} or {loss_unit}; "" is the label
    per_piece: bool = False  # whether it is a mean over pieces and so depends on the tokenizer
    indexed: bool = False  # whether the hub's index shows it beside the main metric
    tabled: bool = False  # whether the README's table shows it beside the main metric
    references: bool = False  # whether it compares written texts with references
    rest_of: str = ""  # the metric that it and this add up to 100 with

    @property
    def column(self) -> str:
        """The label with its unit, for a column or an axis."""
        return f"{self.label}{self.unit}"

    def shown(self, value: float) -> str:
        """Return a value as text, such as "BLEU 45.1"."""
        return f"{self.label} {value:.{self.digits}f}{self.unit}"


METRICS: dict[str, MetricSpec] = {
    "bleu": MetricSpec("BLEU", references=True),
    "chrf": MetricSpec("chrF", indexed=True, tabled=True, references=True),
    "accuracy": MetricSpec("accuracy", " %"),
    "error": MetricSpec("test error", " %", higher=False, rest_of="accuracy"),
    "macro_f1": MetricSpec("macro F1", " %", card="macro F1 (%)", indexed=True, tabled=True),
    "perplexity": MetricSpec(
        "perplexity", higher=False, card="perplexity per {piece}", per_piece=True
    ),
    "perplexity_per_token": MetricSpec("perplexity per token", higher=False, indexed=True),
    "bits_per_character": MetricSpec("bits per character", digits=3, higher=False, indexed=True),
    "f1": MetricSpec("F1", card="F1 (%)"),
    "exact_match": MetricSpec("exact match", card="exact match (%)", indexed=True, tabled=True),
    "f1_strict": MetricSpec("strict F1", card="F1 of entities, strict IOB2 (%)", indexed=True),
    "micro_precision": MetricSpec("precision", card="precision of entities (%)", indexed=True),
    "micro_recall": MetricSpec("recall", card="recall of entities (%)", indexed=True),
    "pearson": MetricSpec("Pearson"),
    "spearman": MetricSpec("Spearman", indexed=True),
    "loss": MetricSpec("loss", higher=False, card="validation loss ({loss_unit})", per_piece=True),
}


def derived(measured: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that follow from others, such as "error" from "accuracy"."""
    return {
        name: 100.0 - measured[row.rest_of]
        for name, row in METRICS.items()
        if row.rest_of in measured
    }


def spec(name: str) -> MetricSpec:
    """Return a metric's row; an unknown number gets its name as label."""
    return METRICS.get(name, MetricSpec(name.replace("_", " ")))
