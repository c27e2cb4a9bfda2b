"""A revision and the sha256 of every file, written into the registry."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

import tomli_w

from zoo.config import catalog
from zoo.errors import HubError, OptionError, RecipeError
from zoo.files import sha256
from zoo.hub import client, download, names, records


def pin(reference: str, revision: str | None = None) -> Path:
    """Fetch weights of the registry, write their commit and hashes into it, return its file.

    The hashes are of what arrived and was as the hub reports. Whoever pins says so to all others,
    so look at the repository first. Only the table of these weights changes.

    Args:
        revision: a commit, branch or tag; None is where the default branch is now.

    Raises:
        UnknownName: there is no such paper or weights.
        OptionError: they have no repository, or are pinned already and no revision is named.
        HubError: they cannot be fetched, or the registry cannot be written.
    """
    found, tag = catalog.split_reference(reference)
    weights = catalog.weights(found, tag)
    name = f"{found.name}.{tag}"
    if weights.hub is None:
        raise OptionError(f"{name} is not on the hub", "weights with `hub` can be pinned")
    if weights.revision is not None and revision is None:
        raise OptionError(
            f"{name} is pinned to {weights.revision} already", "name the new one with --revision"
        )
    wanted = names.Source(name, weights.hub, revision)
    commit = wanted.commit or client.listing(weights.hub, revision).commit
    download.fetch(names.Source(name, weights.hub, commit))
    record = records.read(weights.hub, commit)
    if record is None:
        raise HubError(f"the cache cannot be written, so {name} cannot be pinned", "set HF_HOME")
    hashes = {each: sha256(record.folder / each) for each in sorted(record.files)}
    path = catalog.data_root() / "registry" / f"{found.name}.toml"
    _write(path, tag, weights, commit, hashes)
    catalog.refresh()
    return path


def _write(
    path: Path, tag: str, weights: catalog.Weights, commit: str, hashes: dict[str, str]
) -> None:
    text = path.read_text(encoding="utf-8")
    if tag not in tomllib.loads(text).get("weights", {}):  # it was found by a pattern
        table = tomli_w.dumps({"weights": {tag: weights.model_dump(exclude_defaults=True)}})
        text = f"{text.rstrip()}\n\n{table}"
    changed = edited(text, tag, commit, hashes)
    wanted = tomllib.loads(text)
    wanted["weights"][tag] |= {"revision": commit, "sha256": hashes}
    if tomllib.loads(changed) != wanted:
        raise RecipeError(
            f"{path} is written in a way that cannot be edited",
            f'write revision = "{commit}" and the table [weights.{tag}.sha256] by hand: {hashes}',
        )
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(changed, encoding="utf-8", newline="\n")
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise HubError(
            f"{path} cannot be written: {error.strerror}", "pin in a checkout of your own"
        ) from error


HEADER = re.compile(r"^\[{1,2}[^\[\]]+\]{1,2}\s*(#.*)?$")


def edited(text: str, tag: str, commit: str, hashes: dict[str, str]) -> str:
    """Return a registry file's text with revision and hashes in one table of weights.

    All other lines stay as they are, comments too.
    """
    lines = text.split("\n")
    key = rf"(?:{re.escape(tag)}|{re.escape(json.dumps(tag))})"
    table = re.compile(rf"^\[weights\.{key}\]\s*(#.*)?$")
    old = re.compile(rf"^\[weights\.{key}\.sha256\]\s*(#.*)?$")
    if (begin := _find(lines, old)) is not None:
        end = _end(lines, begin)
        del lines[begin - (not lines[begin - 1]) : end]  # with the blank line above
    begin = _find(lines, table)
    if begin is None:
        return text
    end = _end(lines, begin)
    kept = [line for line in lines[begin:end] if not re.match(r"(revision|sha256)\s*=", line)]
    written = json.dumps(tag) if re.search(r"[^\w-]", tag) else tag
    pinned = [
        f'revision = "{commit}"',
        "",
        f"[weights.{written}.sha256]",
        *(f'{json.dumps(name)} = "{each}"' for name, each in hashes.items()),
    ]
    lines[begin:end] = kept + pinned
    return "\n".join(lines)


def _find(lines: list[str], header: re.Pattern[str]) -> int | None:
    return next((i for i, line in enumerate(lines) if header.match(line)), None)


def _end(lines: list[str], begin: int) -> int:
    """Return where a table's own lines end: before the blank lines and comments of the next."""
    end = next((i for i in range(begin + 1, len(lines)) if HEADER.match(lines[i])), len(lines))
    while end > begin + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return end
