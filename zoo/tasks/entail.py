"""Textual entailment: a premise and a hypothesis in, a label out (gpt1, section 3.3)."""

from __future__ import annotations

from zoo.tasks.classify import Classify


class Entail(Classify):
    """A model that reads the premise, then the hypothesis, and tells how they stand.

    Inputs are (premise, hypothesis); the verbs are those of a classifier of texts.
    """

    name = "entail"
