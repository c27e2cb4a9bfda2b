"""All errors for users. Each says what is wrong and what to do next."""

from __future__ import annotations

import difflib
import operator
import os
from collections.abc import Iterable
from typing import SupportsIndex


class ZooError(Exception):
    """Base class of all errors of this package.

    Args:
        message: one sentence that names the problem.
        hint: the next step, if there is one.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UnknownName(ZooError):
    """A model, weights tag, size, recipe or task that does not exist."""


class RecipeError(ZooError):
    """A recipe or a change to one that cannot be read."""


class DataError(ZooError):
    """A file or table of examples that cannot be read."""


class BundleError(ZooError):
    """A folder that is not a bundle, or a damaged bundle."""


class HubError(ZooError):
    """A file of the hub that cannot be fetched or has unexpected content, or a refused upload."""


class HubUnreachable(HubError):
    """A hub that cannot be reached or fails, when a file is not in the cache."""


class InputError(ZooError):
    """An invalid text or input of a model."""


class OptionError(ZooError):
    """An option with an invalid value."""


class TrainingError(ZooError):
    """A training run that had to stop."""


class CheckpointError(TrainingError):
    """A checkpoint that cannot be written or read."""


class PredictionError(ZooError):
    """An output of a model that is NaN or infinite."""


class NotSupported(ZooError):
    """A verb that this kind of model does not support."""


class ZooWarning(UserWarning):
    """A result that differs from the request."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, as in "1 column" and "2 columns"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def item_names(noun: str, count: int) -> list[str]:
    """Return "the text" for one item, "text 1", "text 2" and so on for several."""
    return [f"the {noun}"] if count == 1 else [f"{noun} {i}" for i in range(1, count + 1)]


def check_count(name: str, value: object) -> None:
    """Raise OptionError unless an option is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise OptionError(f"{name} is {value!r}", f"{name} is a whole number")
    if operator.index(value) < 1:
        raise OptionError(f"{name} is {value}", f"{name} is at least 1")


def check_path(name: str, value: object) -> None:
    """Raise OptionError unless an option is a path."""
    if not isinstance(value, (str, os.PathLike)):
        raise OptionError(f"{name} is {value!r}", f"{name} is the path of a folder")
    try:
        possible = b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise OptionError(
            f"{name} is {os.fspath(value)!r}", "no file can have this name: choose another"
        )


def unwritable(text: str, nul: bool = True) -> str:
    """Return what keeps a text from being stored: a lone surrogate or, with `nul`, a NUL; or ""."""
    if nul and "\0" in text:
        return f"a NUL character at position {text.index(chr(0))}"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as failure:
        return f"a lone surrogate at position {failure.start}, {text[failure.start]!r}"
    return ""


def check_text(
    name: str, text: str, error: type[ZooError] = InputError, *, nul: bool = True
) -> None:
    """Raise `error` for a text with a lone surrogate or, with `nul`, a NUL.

    Args:
        name: what the text is, as in "text 2".
    """
    if not (problem := unwritable(text, nul)):
        return
    cure = "take it out: text.replace('\\0', '')"
    if "surrogate" in problem:
        cure = (
            "it is half a character: read the text in its own encoding, or take it out: "
            "text.encode('utf-8', 'ignore').decode()"
        )
    raise error(f"{name} has {problem}", cure)


def did_you_mean(name: object, choices: Iterable[str]) -> str:
    """Return a hint that names the nearest choice, if any, and all valid ones."""
    valid = sorted(choices)
    near = difflib.get_close_matches(str(name), valid, n=1, cutoff=0.5)
    listed = "valid choices: " + ", ".join(valid) if valid else "there is none"
    return f"did you mean '{near[0]}'? {listed}" if near else listed
