"""Vocabularies of words: counted, checked, and kept as JSON with one word per line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import BundleError, DataError, OptionError


def check(words: Sequence[str], special: Sequence[str]) -> None:
    """Raise BundleError unless words begin with the special ones and are all different."""
    if tuple(words[: len(special)]) != tuple(special) or len(set(words)) < len(words):
        listed = ", ".join(special).replace("\n", "\\n")
        raise BundleError(
            f"a vocabulary begins with {listed} and has each word once",
            "make it with `zoo prepare`",
        )


def ordered(counts: Mapping[str, int]) -> list[str]:
    """Return counted words, the most frequent first, equally frequent ones in code order."""
    return sorted(counts, key=lambda word: (-counts[word], word))


def most_frequent(counts: Counter[str], special: Sequence[str], vocabulary: int) -> list[str]:
    """Return the special words and then the most frequent ones.

    Args:
        counts: how often each word occurs; special words do not count.
        special: the first entries of the vocabulary.
        vocabulary: most entries, the special ones included; a short text gives fewer.

    Raises:
        DataError: `counts` is empty.
        OptionError: `vocabulary` leaves no room for a word.
    """
    if vocabulary <= len(special):
        raise OptionError(
            f"a vocabulary of {vocabulary} has no room for words beside its {len(special)} "
            "special ones",
            "raise tokenizer.vocabulary",
        )
    words = [word for word in ordered(counts) if word not in special]
    if not words:
        raise no_words()
    return [*special, *words[: vocabulary - len(special)]]


def no_words() -> DataError:
    """Return the error for a training text without words."""
    return DataError(
        "no vocabulary can be made: the text has no words", "give text to learn it from"
    )


def read(
    path: Path | str,
    *keys: str,
    optional: Sequence[str] = (),
    lists: Sequence[str] = (),
    merges: bool = False,
) -> dict[str, Any]:
    """Read the file of `write`: "words", a list of text, and a text for each of `keys`.

    Args:
        optional: further keys, whose text is "" if the file lacks it.
        lists: keys of further lists of text.
        merges: read "merges", a list of texts of two pieces, as pairs.

    Raises:
        BundleError: the file is not such a vocabulary.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        parts = {key: content[key] for key in keys}
        parts |= {key: content.get(key, "") for key in optional}
        texts = list(parts.values())
        for key in ("words", *lists):
            parts[key] = list(content[key])
            texts += parts[key]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("not text")
        if merges:
            pairs = (merge.split(" ") for merge in content["merges"])
            parts["merges"] = [(first, second) for first, second in pairs]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} is no vocabulary", "fetch the bundle again") from error
    return parts


def write(path: Path | str, content: Mapping[str, str | list[str]]) -> None:
    """Write words and their companions as JSON."""
    text = json.dumps(content, ensure_ascii=False, indent=0) + "\n"
    Path(path).write_text(text, encoding="utf-8", newline="\n")
