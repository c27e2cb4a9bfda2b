"""Read how sentence-transformers makes vectors of a network's states.

modules.json lists the steps, each with its folder; 1_Pooling/config.json says which states are
pooled; sentence_bert_config.json how many pieces are read. Without modules.json the states are
averaged, as sentence-transformers does with a plain network.

Files of one checkpoint may name different lengths: all-MiniLM-L6-v2's tokenizer.json cuts at 128,
sentence_bert_config.json says 256, and tokenizer_config.json and config.json 512. The second is the
one that sentence-transformers obeys, and so does this.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.convert.facts import missing, read_json
from zoo.errors import BundleError

MODULES, LENGTH = "modules.json", "sentence_bert_config.json"
# The modes of pooling that the model has, by their names in 1_Pooling/config.json.
POOLING = {"mean_tokens": "mean", "cls_token": "first", "mean": "mean", "cls": "first"}
MODE = "pooling_mode"


@dataclass(frozen=True)
class Sentences:
    """How vectors are made of states."""

    pooling: str = "mean"  # see `zoo.models.bert2018_tasks.Embedder`
    normalized: bool = False  # whether vectors get the length 1
    max_length: int | None = None  # most pieces that are read, start and end included


def configurations(folder: Path) -> list[str]:
    """Return the names of the files in subfolders that `read` needs; raise BundleError as it does.

    Those of steps that it refuses are among them, so that it can name them.
    """
    steps = _steps(folder) if (folder / MODULES).is_file() else []
    return [f"{place}/config.json" for kind, place in steps if kind == "Pooling" and place]


def read(folder: Path, lowercase: bool) -> Sentences:
    """Read the files of sentence-transformers in a folder, if it has any.

    Args:
        lowercase: whether the tokenizer reads capitals as small letters.

    Raises:
        BundleError: a file is missing or no valid JSON; or vectors are made in a way that the zoo
            does not have, which the message names.
    """
    if not (folder / MODULES).is_file():
        return Sentences()
    steps = _steps(folder)
    kinds = [kind for kind, _ in steps]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise BundleError(
            f"{folder / MODULES} lists the steps {', '.join(kinds) or 'none'}",
            "vectors are made by Transformer, Pooling and perhaps Normalize; a checkpoint with "
            "other steps, such as Dense, cannot be read",
        )
    pooling = _pooling(folder / steps[1][1] / "config.json")
    longest = None
    if (folder / LENGTH).is_file():
        config = read_json(folder / LENGTH)
        longest = config.get("max_seq_length")
        if longest is not None and (type(longest) is not int or longest < 3):
            raise BundleError(
                f"{folder / LENGTH}: max_seq_length is {longest!r}", "copy the checkpoint again"
            )
        if config.get("do_lower_case") and not lowercase:
            raise BundleError(
                f"{folder / LENGTH} lower-cases texts that its tokenizer reads with capitals",
                "set do_lower_case in tokenizer_config.json, if the vocabulary has no capitals",
            )
    return Sentences(pooling, len(kinds) == 3, longest)


def _steps(folder: Path) -> list[tuple[str, str]]:
    """Return kind and folder of each step in modules.json."""
    path = folder / MODULES
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        steps = [(str(step["type"]).rpartition(".")[2], str(step["path"])) for step in content]
        if outside := [place for _, place in steps if set(place) & {*"/\\:"} or place == ".."]:
            raise ValueError(f"'{outside[0]}' is no folder in it")
        return steps
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} is no list of steps: {error!r}", "copy it again") from None


def _pooling(path: Path) -> str:
    """Return the mode of pooling in a configuration."""
    if not path.is_file():
        raise missing(path)
    config = read_json(path)
    modes = _modes(config)
    if len(modes) != 1 or modes[0] not in POOLING:
        raise BundleError(
            f"{path} pools states by {' and '.join(modes) or 'nothing'}",
            "only the mean of all states and the state of the first token can be read",
        )
    return POOLING[modes[0]]


def _modes(config: dict[str, Any]) -> list[str]:
    """Return the modes that a configuration turns on, in its newer form or the older one."""
    if MODE in config:
        return str(config[MODE]).split("+")
    return [
        name.removeprefix(f"{MODE}_")
        for name, on in config.items()
        if name.startswith(f"{MODE}_") and on is True
    ]
