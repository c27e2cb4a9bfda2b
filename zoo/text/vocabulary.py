"""Vocabularies of words: counted, checked, and kept as JSON with a word on each line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import BundleError, DataError, OptionError


def check(words: Sequence[str], special: Sequence[str]) -> None:
    """Raise BundleError unless words begin with the special ones and none occurs twice."""
    if tuple(words[: len(special)]) != tuple(special) or len(set(words)) < len(words):
        listed = ", ".join(special).replace("\n", "\\n")
        raise BundleError(
            f"a vocabulary begins with {listed} and has each word once",
            "make it with `zoo prepare`",
        )


def ordered(counts: Mapping[str, int]) -> list[str]:
    """Return counted words, the most frequent first; of equal ones the first in code order."""
    return sorted(counts, key=lambda word: (-counts[word], word))


def most_frequent(counts: Counter[str], special: Sequence[str], vocabulary: int) -> list[str]:
    """Return the special words and then the most frequent ones, `vocabulary` in all or fewer.

    Args:
        counts: how often each word occurs. Special ones among them are not counted.
        special: what the vocabulary begins with.
        vocabulary: number of entries, the special ones included. A text that has fewer different
            words gives all that it has.

    Raises:
        DataError: if there is no word.
        OptionError: if `vocabulary` leaves no room for a word.
    """
    if vocabulary <= len(special):
        raise OptionError(
            f"a vocabulary of {vocabulary} has no room for words beside its {len(special)} "
            "special ones",
            "raise tokenizer.vocabulary",
        )
    found = [word for word in ordered(counts) if word not in special]
    if not found:
        raise DataError(
            "no vocabulary can be made: the text has no words", "give text to learn it from"
        )
    return [*special, *found[: vocabulary - len(special)]]


def read(
    path: Path | str,
    *keys: str,
    optional: Sequence[str] = (),
    lists: Sequence[str] = (),
    merges: bool = False,
) -> dict[str, Any]:
    """Return what `write` wrote: "words", a list of text, and a text for each of `keys`.

    Args:
        optional: further keys, of which a text is "" if it was not written.
        lists: keys of further lists of text.
        merges: whether there are "merges", a list of texts of two pieces, returned as pairs.

    Raises:
        BundleError: if the file is no vocabulary.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        found = {key: content[key] for key in keys} | {"words": list(content["words"])}
        found |= {key: content.get(key, "") for key in optional}
        texts = [found[key] for key in (*keys, *optional)] + found["words"]
        for key in lists:
            found[key] = list(content[key])
            texts += found[key]
        if not all(isinstance(each, str) for each in texts):
            raise TypeError("not text")
        if merges:
            pairs = (each.split(" ") for each in content["merges"])
            found["merges"] = [(first, second) for first, second in pairs]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} is no vocabulary", "fetch the bundle again") from error
    return found


def write(path: Path | str, content: Mapping[str, str | list[str]]) -> None:
    """Write words, and what belongs to them, as JSON."""
    text = json.dumps(content, ensure_ascii=False, indent=0) + "\n"
    Path(path).write_text(text, encoding="utf-8", newline="\n")
