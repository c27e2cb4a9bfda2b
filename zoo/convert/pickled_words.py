"""Read a list of words from a pickle without looking up anything that a pickle could run."""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

from zoo.convert.facts import missing
from zoo.errors import BundleError

# The instructions of a pickled list of text; all others are refused.
TEXT = {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
GET = {"GET", "BINGET", "LONG_BINGET"}
SKIPPED = {"PROTO", "FRAME"}
MARK = object()
HINT = "take the file that belongs to the weights"


def read_words(path: Path) -> list[str]:
    """Return the list of text in a pickle.

    Raises BundleError if the file is missing, damaged, or holds anything else.
    """
    try:
        words = _list(path.read_bytes())
    except FileNotFoundError:
        raise missing(path) from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        problem = f"{path} is no pickled list of words and was not read: {error}"
        raise BundleError(problem, HINT) from None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise BundleError(f"{path} is no pickled list of words", HINT)
    return words


def _list(content: bytes) -> Any:
    """Follow the known instructions; raise ValueError at any other."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for instruction, argument, _ in pickletools.genops(content):
        name = instruction.name
        if name in TEXT:
            stack.append(argument)
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "MARK":
            stack.append(MARK)
        elif name == "APPEND":
            word = stack.pop()
            stack[-1].append(word)
        elif name == "APPENDS":
            # The words since the last mark; every batch of words begins with one.
            first = max(i for i, item in enumerate(stack) if item is MARK)
            stack[first - 1].extend(stack[first + 1 :])
            del stack[first:]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in PUT and argument is not None:
            memo[int(argument)] = stack[-1]
        elif name in GET and argument is not None:
            stack.append(memo[int(argument)])
        elif name == "STOP":
            break
        elif name not in SKIPPED:
            raise ValueError(f"it holds the instruction {name}")
    return stack.pop()
