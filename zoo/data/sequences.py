"""From a task's texts to sequences of ids, cut to what the model reads."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.config.recipe import Data, Recipe
from zoo.data import transformations as forms
from zoo.errors import OptionError, ZooWarning
from zoo.text import Tokenizer

# What is read of each example: a text; two texts; a context and several answers.
Input = Any


@dataclass(frozen=True)
class Sequences:
    """The input transformations of gpt1 (3.3) for one task and one tokenizer.

    Args:
        task: "classify", "entail", "similarity" or "choose".
        tokenizer: gives the ids of texts; its own start and end id are not used.
        specials: ids of start, delimiter and extract.
        longest: most ids of a sequence.
        reverse: read each text from its last word to its first.

    Raises:
        OptionError: no text has room between the special ids.
    """

    task: str
    tokenizer: Tokenizer
    specials: forms.Specials
    longest: int
    reverse: bool = False

    def __post_init__(self) -> None:
        least = forms.AROUND_ONE + 1 if self.task == "classify" else forms.AROUND_TWO + 2
        if self.longest < least:
            raise OptionError(
                f"sequences of {self.longest} tokens have no room for text",
                f"'{self.task}' needs {least} or more: raise data.max_length, or the context",
            )

    def encode(self, inputs: Sequence[Input], what: str = "") -> list[list[np.ndarray]]:
        """Return the sequences of each example, int32 [ids] each; warns once of what it cuts.

        Args:
            inputs: a text, two texts, or (context, answers) each.
            what: the warning calls an example, with its number from 1; "" tells how it begins,
                where the numbers are not those that a user knows.
        """
        cuts: dict[int, str] = {}
        found = []
        for number, each in enumerate(inputs, start=1):
            texts = self._texts(each)
            cut, told = self._cut(texts)
            if told:
                cuts[number] = told
            found.append([np.array(ids, dtype=np.int32) for ids in self._transformed(cut)])
        if cuts:
            number, told = next(iter(cuts.items()))
            name = f"{what} {number}" if what else f"what begins '{_start(inputs[number - 1])}'"
            more = f"; {len(cuts) - 1} more of {len(inputs)} are cut" if len(cuts) > 1 else ""
            warnings.warn(
                f"{name} is longer than the {self.longest} tokens that are read: {told}{more}",
                ZooWarning,
                stacklevel=4,
            )
        return found

    def _texts(self, example: Input) -> list[list[int]]:
        """Return the ids of each text of an example, in their order."""
        if self.task == "classify":
            texts = [example]
        elif self.task == "choose":
            texts = [example[0], *example[1]]
        else:
            texts = [*example]
        return [self.tokenizer.encode(text) for text in texts]

    def _cut(self, texts: list[list[int]]) -> tuple[list[list[int]], str]:
        """Return the texts as long as they may be, and what was cut where, "" if nothing was."""
        lengths = [len(ids) for ids in texts]
        around = forms.AROUND_ONE if self.task == "classify" else forms.AROUND_TWO
        room = self.longest - around
        if self.task == "classify":
            kept = [min(lengths[0], room)]
        elif self.task == "choose":
            context, answers = forms.context_room(lengths[0], lengths[1:], room)
            kept = [context, *answers]
        else:
            kept = [*forms.shared_room(lengths[0], lengths[1], room)]
        told = [
            f"the {name} was cut after '...{self.tokenizer.decode(ids[:count])[-30:]}'"
            if count
            else f"the {name} was left out"
            for name, ids, count in zip(self._names(len(texts)), texts, kept, strict=True)
            if count < len(ids)
        ]
        return [ids[:count] for ids, count in zip(texts, kept, strict=True)], ", ".join(told)

    def _names(self, count: int) -> list[str]:
        if self.task == "classify":
            return ["text"]
        if self.task == "choose":
            return ["context", *(f"answer {i}" for i in range(count - 1))]
        return ["premise", "hypothesis"] if self.task == "entail" else ["first", "second"]

    def _transformed(self, texts: list[list[int]]) -> list[list[int]]:
        if self.reverse:
            texts = [ids[::-1] for ids in texts]
        if self.task == "classify":
            return forms.classification(texts[0], self.specials)
        if self.task == "choose":
            return forms.choice(texts[0], texts[1:], self.specials)
        made = forms.entailment if self.task == "entail" else forms.similarity
        return made(texts[0], texts[1], self.specials)


def _start(example: Input, most: int = 30) -> str:
    text: str = example if isinstance(example, str) else example[0]
    return text if len(text) <= most else text[:most] + "..."


def of_recipe(recipe: Recipe, tokenizer: Tokenizer) -> Sequences | None:
    """Return how a recipe's texts become training sequences; None if its model reads plain texts.

    A model that reads sequences has the argument `context`, the most ids of one, and its special
    ids come right after the vocabulary.
    """
    arguments = recipe.resolved().model.arguments
    if recipe.task in ("translate", "generate") or "context" not in arguments:
        return None
    first, data = arguments["vocabulary"], recipe.data
    # A batch is no longer than the longest bucket, and would lose the start of what is.
    longest = min(arguments["context"], recipe.train.buckets[-1])
    specials = forms.Specials(first, first + 1, first + 2)
    return Sequences(recipe.task, tokenizer, specials, _shorter(longest, data), data.reverse)


def of_model(task: str, model: Any, tokenizer: Tokenizer, data: Data) -> Sequences:
    """Return how texts become sequences for a model with `context` and `specials`."""
    longest = _shorter(model.context, data)
    specials = forms.Specials(*model.specials)
    return Sequences(task, tokenizer, specials, longest, data.reverse)


def _shorter(longest: int, data: Data) -> int:
    return longest if data.max_length is None else min(longest, data.max_length)
