"""What tests give to models: sentence pairs, examples for each task, changes for quick updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from zoo.config import catalog
from zoo.config.recipe import Recipe
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.pretrained import Pretrained

PAIRS = [
    ("Go.", "Va !"),
    ("I am cold.", "J'ai froid."),
    ("I am hungry.", "J'ai faim."),
    ("She is at home.", "Elle est chez elle."),
    ("He is at work.", "Il est au travail."),
    ("We are going home.", "Nous rentrons chez nous."),
    ("The cat sleeps.", "Le chat dort."),
    ("The dog eats.", "Le chien mange."),
    ("The cat eats a fish.", "Le chat mange un poisson."),
    ("The house is red.", "La maison est rouge."),
    ("The car is blue.", "La voiture est bleue."),
    ("I like red cars.", "J'aime les voitures rouges."),
    ("You like fish.", "Tu aimes le poisson."),
    ("Do you like cats?", "Aimes-tu les chats ?"),
    ("Where is the dog?", "Où est le chien ?"),
    ("Where are we going?", "Où allons-nous ?"),
    ("Today it is raining.", "Aujourd'hui il pleut."),
    ("Tomorrow I will work.", "Demain je travaillerai."),
    ("I am going to work today.", "Je vais travailler aujourd'hui."),
    ("Thank you very much.", "Merci beaucoup."),
]
TEXTS = ["I am cold.", "The cat sleeps.", "Where is the dog?"]
TARGETS = ["J'ai froid.", "Le chat dort.", "Où est le chien ?"]
GOOD_PAIRS = list(zip(TEXTS, TARGETS, strict=True))
# Two updates of any model on the pairs' examples.
QUICK: dict[str, dict[str, Any]] = {
    "translate": {"train.buckets": [40], "data.max_length": 40, "train.batch_tokens": 160},
    "generate": {"train.bptt": 10, "train.batch_sentences": 4},
    "fill": {"data.max_length": 10, "train.batch_sentences": 4},
    "classify": {"train.buckets": [20], "train.batch_sentences": 8, "schedule.unfreeze_every": 1},
}
UPDATES = {"train.updates": 2, "train.updates_per_epoch": 1, "train.jit": False}


def quick(pretrained: Pretrained) -> dict[str, Any]:
    recipe = pretrained.recipe
    changes = UPDATES | QUICK[recipe.task]
    if recipe.task == "classify" and recipe.schedule.unfreeze_every is None:
        changes["schedule.unfreeze_every"] = None
    if recipe.task == "classify" and "context" in recipe.model.arguments:
        changes["train.buckets"] = [recipe.model.arguments["context"]]  # nothing is cut
    return changes


def can_be_finetuned(pretrained) -> bool:
    """A model that counted once cannot."""
    return bool(catalog.entry(pretrained.recipe.paper).finetune)


def good(pretrained: Pretrained) -> list[Any]:
    """Return three examples of the model's task."""
    return examples(pretrained.recipe, GOOD_PAIRS)


def asked(pretrained: Pretrained) -> list[str]:
    """Return three inputs of `predict`: the texts, with a hidden word where the task needs one."""
    hidden = [text.replace(text.split()[1].strip(".?"), "[MASK]") for text in TEXTS]
    return hidden if pretrained.recipe.task == "fill" else TEXTS


def examples(made: Recipe, pairs: Sequence[tuple[str, str]] = PAIRS) -> list[Any]:
    """Return sentence pairs as examples of a recipe's task: pairs, texts, or texts with labels."""
    if made.task == "translate":
        return list(pairs)
    texts, labels = [source for source, _ in pairs], made.data.labels
    if made.task in ("generate", "fill"):
        return texts
    return [(text, labels[i % len(labels)]) for i, text in enumerate(texts)]


def refused(error: type[ZooError] | tuple[type[ZooError], ...], text: str):
    """Expect one error whose message or next step holds a text."""
    return pytest.raises(error, match=f"(?s){text}")
