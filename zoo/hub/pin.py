"""Write a revision and the sha256 of every file into the registry."""

from __future__ import annotations

import tomllib
from pathlib import Path

import tomlkit
from tomlkit.items import Comment, Table, Whitespace

from zoo.config import catalog
from zoo.errors import HubError, OptionError, RecipeError
from zoo.files import replacing, sha256
from zoo.hub import client, download, names, records


def pin(reference: str, revision: str | None = None) -> Path:
    """Download weights of the registry, write their commit and hashes into it, return its file.

    The hashes are of downloaded files that match the hub's report. A pin vouches for them to
    everyone, so look at the repository first. Only the table of these weights changes.

    Args:
        revision: a commit, branch or tag; None is the default branch's current commit.

    Raises:
        UnknownName: no such paper or weights.
        OptionError: they have no repository, or are pinned already and no revision is named.
        HubError: the download fails, or the registry cannot be written.
    """
    entry, tag = catalog.split_reference(reference)
    weights = catalog.weights(entry, tag)
    name = f"{entry.name}.{tag}"
    if weights.hub is None:
        raise OptionError(f"{name} is not on the hub", "weights with `hub` can be pinned")
    if weights.revision is not None and revision is None:
        raise OptionError(
            f"{name} is pinned to {weights.revision} already", "name the new one with --revision"
        )
    source = names.Source(name, weights.hub, revision)
    commit = source.commit or client.listing(weights.hub, revision).commit
    download.fetch(names.Source(name, weights.hub, commit))
    record = records.read(weights.hub, commit)
    if record is None:
        raise HubError(f"the cache cannot be written, so {name} cannot be pinned", "set HF_HOME")
    hashes = {file: sha256(record.folder / file) for file in sorted(record.files)}
    path = catalog.data_root() / "registry" / f"{entry.name}.toml"
    _write(path, tag, weights, commit, hashes)
    catalog.refresh()
    return path


def _write(
    path: Path, tag: str, weights: catalog.Weights, commit: str, hashes: dict[str, str]
) -> None:
    text = path.read_text(encoding="utf-8")
    if tag not in tomllib.loads(text).get("weights", {}):  # a pattern matched it
        table = tomlkit.dumps({"weights": {tag: weights.model_dump(exclude_defaults=True)}})
        text = f"{text.rstrip()}\n\n{table}"
    changed = edited(text, tag, commit, hashes)
    expected = tomllib.loads(text)
    expected["weights"][tag] |= {"revision": commit, "sha256": hashes}
    if tomllib.loads(changed) != expected:
        raise RecipeError(
            f"{path} is written in a way that cannot be edited",
            f'write revision = "{commit}" and the table [weights.{tag}.sha256] by hand: {hashes}',
        )
    try:
        with replacing(path) as aside:
            aside.write_text(changed, encoding="utf-8", newline="\n")
    except OSError as error:
        raise HubError(
            f"{path} cannot be written: {error.strerror}", "pin in a checkout of your own"
        ) from error


def edited(text: str, tag: str, commit: str, hashes: dict[str, str]) -> str:
    """Return a registry file's text with revision and hashes in one table of weights.

    All other lines stay, comments too. A tag whose value is not a table of its own stays unchanged.
    """
    document = tomlkit.parse(text)
    table = document["weights"][tag]
    if not isinstance(table, Table):
        return text
    # tomlkit counts the lines above the next table's header as this table's, and writes below them.
    following = _comments_at_the_end(table.get("sha256", table))
    for key in ("revision", "sha256"):
        table.pop(key, None)
    pinned = tomlkit.table()
    pinned.update(hashes)
    for item in following:
        pinned.add(item)
    table.update({"revision": commit, "sha256": pinned})
    return tomlkit.dumps(document)


def _comments_at_the_end(table: Table) -> list[Comment | Whitespace]:
    """Remove and return the comments and blank lines after a table's last key."""
    body = table.value.body
    items: list[Comment | Whitespace] = []
    while body and isinstance(item := body[-1][1], Comment | Whitespace):
        items.insert(0, item)
        body.pop()
    return items
