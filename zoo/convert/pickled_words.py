"""Lists of words in pickles, read word by word; what a pickle could run is never even looked up."""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

from zoo.errors import BundleError

# All that a list of text needs of the language of pickles; everything else is refused.
TEXT = {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
GET = {"GET", "BINGET", "LONG_BINGET"}
SKIPPED = {"PROTO", "FRAME"}
MARK = object()


def read_words(path: Path) -> list[str]:
    """Return the list of text in a pickle.

    Raises:
        BundleError: the file is missing, damaged, or holds anything else.
    """
    try:
        found = _list(path.read_bytes())
    except FileNotFoundError:
        raise BundleError(
            f"{path.parent} has no {path.name}", "copy the whole checkpoint"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BundleError(
            f"{path} is no pickled list of words and was not read: {error}",
            "take the file that belongs to the weights",
        ) from None
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise BundleError(
            f"{path} is no pickled list of words", "take the file that belongs to the weights"
        )
    return found


def _list(content: bytes) -> Any:
    """Follow the few instructions that are known; raise ValueError at any other."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for instruction, given, _ in pickletools.genops(content):
        name = instruction.name
        if name in TEXT:
            stack.append(given)
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "MARK":
            stack.append(MARK)
        elif name == "APPEND":
            word = stack.pop()
            stack[-1].append(word)
        elif name == "APPENDS":
            # Those since the last mark, of which there is one in each batch of words.
            first = max(i for i, each in enumerate(stack) if each is MARK)
            stack[first - 1].extend(stack[first + 1 :])
            del stack[first:]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in PUT and given is not None:
            memo[int(given)] = stack[-1]
        elif name in GET and given is not None:
            stack.append(memo[int(given)])
        elif name == "STOP":
            break
        elif name not in SKIPPED:
            raise ValueError(f"it holds the instruction {name}")
    return stack.pop()
