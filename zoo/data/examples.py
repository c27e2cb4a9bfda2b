"""Examples of a task: the input of a model and its expected output."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.errors import DataError, OptionError


class Example(NamedTuple):
    """One example of a task.

    Attributes:
        given: a text, two texts, or a context with its answers.
        wanted: a target text, a label or a number, the place of the right answer; "" for a language
            model, which learns the text itself.
    """

    given: Any
    wanted: Any = ""


def each_text(given: Any) -> Iterator[str]:
    """Yield the texts of an input: one, two, or a context and its answers."""
    if isinstance(given, str):
        yield given
    else:
        for part in given:
            yield from each_text(part)


def sentence_key(text: str) -> str:
    """Return the words of a text in lower case, which versions of one sentence share."""
    return re.sub(r"\W+", " ", text.lower()).strip()


def with_references(pairs: Iterable[tuple[str, str]]) -> list[Example]:
    """Return each distinct source with all of its targets, in the order of first occurrence."""
    targets: dict[str, list[str]] = {}
    for source, target in pairs:
        targets.setdefault(source, []).append(target)
    return [Example(*item) for item in targets.items()]


def held_out(count: int, share: float, seed: int) -> np.ndarray:
    """Choose validation rows among `count`, at least one and not all: bool [count]."""
    chosen = np.zeros(count, dtype=bool)
    number = min(max(1, round(share * count)), count - 1)
    chosen[np.random.default_rng((seed, 0)).permutation(count)[:number]] = True
    return chosen


def drawn(labels: list[str], count: int, seed: int) -> list[int]:
    """Sample the indices of `count` rows, in order, about equally many of each label.

    Smaller samples of one seed are part of larger ones.
    """
    order = np.random.default_rng((seed, 1)).permutation(len(labels))
    turns: dict[str, int] = {}
    ranked = []
    for place, index in enumerate(order):
        turn = turns[labels[index]] = turns.get(labels[index], 0) + 1
        ranked.append((turn, place, int(index)))
    return sorted(index for _, _, index in sorted(ranked)[:count])


def some(rows: list[Example], limit: int | None, seed: int) -> list[Example]:
    """Sample at most `limit` rows, about equally many of each label."""
    if limit is None or limit >= len(rows):
        return rows
    labels = [wanted if isinstance(wanted, str) else "" for _, wanted in rows]
    return [rows[i] for i in drawn(labels, limit, seed)]


def split(
    examples: Sequence[Example],
    share: float,
    seed: int,
    name: str = "text",
    by_label: bool = False,
) -> tuple[list[Example], list[Example]]:
    """Split examples for training and validation; examples with the same input stay together.

    Args:
        name: the name of an input in messages.
        by_label: hold out the same share of each label. A label of one example stays in training,
            any other in both if its share allows it.

    Raises:
        OptionError: the share is not between 0 and 1.
        DataError: all examples have the same input.
    """
    if not 0 < share < 1:
        raise OptionError(
            f"validation={share} is no share of the examples",
            "give a number between 0 and 1, or the examples to validate on",
        )
    inputs = list(dict.fromkeys(given for given, _ in examples))
    if len(inputs) < 2:
        raise DataError(
            f"one {name} alone cannot be split into training and validation",
            "give more examples, or others to validate on: validation=[...]",
        )
    count = min(max(1, round(share * len(inputs))), len(inputs) - 1)
    order = [inputs[i] for i in np.random.default_rng(seed).permutation(len(inputs))]
    validation = _of_each_label(examples, order, count) if by_label else {*order[:count]}
    training = [example for example in examples if example[0] not in validation]
    return training, [example for example in examples if example[0] in validation]


def _of_each_label(examples: Sequence[Example], order: Sequence[Any], count: int) -> set[Any]:
    """Choose inputs to validate on, of each label in proportion and never the last one of a label.

    Args:
        order: all inputs, shuffled.
        count: how many to choose; fewer where labels have too few inputs, but one at least.
    """
    labels: dict[Any, set[str]] = {}
    for given, label in examples:
        labels.setdefault(given, set()).add(label)
    by_label: dict[str, list[Any]] = {}
    for given in order:
        by_label.setdefault(min(labels[given]), []).append(given)
    names = sorted(by_label)
    share = count / len(order)
    wanted = {name: share * len(by_label[name]) for name in names}
    numbers = {name: min(int(wanted[name]), len(by_label[name]) - 1) for name in names}
    # What is left goes to the labels that are furthest below their share.
    while sum(numbers.values()) < count:
        free = [name for name in names if numbers[name] < len(by_label[name]) - 1]
        if not free:
            break
        numbers[max(free, key=lambda name: wanted[name] - numbers[name])] += 1
    chosen = [given for name in names for given in by_label[name][: numbers[name]]]
    # An input may have several labels: each must be in training too.
    held = {*chosen}
    left = Counter(label for given in labels if given not in held for label in labels[given])
    kept = []
    for given in chosen:
        if all(left[label] for label in labels[given]):
            kept.append(given)
        else:
            left.update(labels[given])
    return {*(kept or order[:1])}
