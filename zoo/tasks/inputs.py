"""What a user gives to a model whose inputs are not single texts: one of them, or many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zoo.config import tasks
from zoo.errors import InputError, counted
from zoo.tasks import batching


def listed(task: str, inputs: Any) -> tuple[bool, list[Any]]:
    """Return whether it is one input of a task, and a list of inputs.

    A text is one, and so is a tuple that begins with a text, where the task's inputs are tuples.

    Raises:
        InputError: it is neither one nor a list. What is in the list is looked at by `checked`,
            but for texts.
    """
    row = tasks.spec(task)
    kind, parts, example = row.input, row.parts, row.example
    if not parts:
        return batching.listed(inputs)
    if isinstance(inputs, tuple) and inputs and isinstance(inputs[0], str):
        return True, [inputs]
    if isinstance(inputs, (str, bytes, Mapping)) or not isinstance(inputs, Iterable):
        raise InputError(
            f"{type(inputs).__name__} is no {kind} ({', '.join(parts)})",
            f"give {example}, or a list of such {kind}s",
        )
    return False, list(inputs)


def scored(task: str, texts: Any, targets: Any) -> tuple[bool, list[list[str]]]:
    """Return whether it is one text that is scored, and texts, or sources and targets.

    Raises:
        InputError: targets are missing, surplus, or not as many as the sources.
    """
    one, sources = batching.listed(texts)
    if task != "translate":
        if targets is not None:
            raise InputError("a language model scores one text", "leave the target out")
        return one, [sources]
    if targets is None:
        raise InputError("there is no target", "a translator scores a target given its source")
    one_target, given = batching.listed(targets)
    if one != one_target or len(sources) != len(given):
        raise InputError(
            f"{counted(len(sources), 'source')}, but {counted(len(given), 'target')}",
            "give two texts, or two lists of equal length",
        )
    return one, [sources, given]


def checked(task: str, inputs: Sequence[Any]) -> list[Any]:
    """Return inputs as a task reads them: texts, tuples of two, or (context, (answer, ...)).

    Raises:
        InputError: one is of another form, or a text in it is empty; names its number, from 1.
    """
    row = tasks.spec(task)
    kind, parts, example = row.input, row.parts, row.example
    found: list[Any] = []
    for number, each in enumerate(inputs, start=1):
        name = f"the {kind}" if len(inputs) == 1 else f"{kind} {number}"
        if not parts:
            found.append(_text(each, name, example))
            continue
        if isinstance(each, (str, bytes, Mapping)) or not isinstance(each, Sequence):
            raise InputError(
                f"{name} is {type(each).__name__}, not ({', '.join(parts)})", f"give {example}"
            )
        if len(each) != 2:
            raise InputError(
                f"{name} has {len(each)} parts, not two: {' and '.join(parts)}", f"give {example}"
            )
        first = _text(each[0], f"the {parts[0]} of {name}", example)
        if task == "choose":
            found.append((first, _answers(each[1], name, example)))
        else:
            found.append((first, _text(each[1], f"the {parts[1]} of {name}", example)))
    return found


def _text(value: Any, name: str, example: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name} is {type(value).__name__}, not text", f"give {example}")
    if not value.strip():
        raise InputError(f"{name} is empty", f"give {example}")
    return value


def _answers(value: Any, name: str, example: str) -> tuple[str, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InputError(
            f"the answers of {name} are {type(value).__name__}, not a list", f"give {example}"
        )
    answers = tuple(_text(each, f"answer {i} of {name}", example) for i, each in enumerate(value))
    if len(answers) < 2:
        raise InputError(f"{name} has fewer than two answers", f"give {example}")
    return answers
