"""A bundle sent to the hub: one commit with all its files, a complete card, a registry entry."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tomlkit

from zoo import bundle
from zoo.bundle import model_card
from zoo.errors import HubError
from zoo.hub import client, names
from zoo.hub.download import size

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

CARD = "README.md"
# What a new repository begins with, and what a bundle may share one with.
NOTHING = (CARD, ".gitattributes", ".gitignore", "LICENSE")


@dataclass(frozen=True)
class Published:
    """What was sent, or with `dry_run` what would be; `str` tells it.

    Attributes:
        repo: "user/repo".
        commit: 40 hex digits, None if nothing was sent.
        files: bytes of each file.
        deleted: files of the bundle that was there before and that are not in this one.
        sha256: of each file.
        entry: the registry's table for these weights, as TOML.
        card: README.md as it was sent.
    """

    repo: str
    commit: str | None
    files: dict[str, int]
    deleted: list[str]
    sha256: dict[str, str]
    entry: str
    card: str

    def __str__(self) -> str:
        total = size(sum(self.files.values()))
        wide = max(map(len, self.files))
        lines = [f"  {name:<{wide}}  {size(count):>9}" for name, count in self.files.items()]
        lines += [f"  {name:<{wide}}    deleted" for name in self.deleted]
        at = f" at commit {self.commit}" if self.commit else ""
        head = f"{'sent' if self.commit else 'would be sent'} to {self.repo}{at}, {total}:"
        return "\n".join([head, *lines])


def push(
    folder: str | os.PathLike[str],
    repo: str,
    *,
    private: bool = False,
    dry_run: bool = False,
    overwrite: bool = False,
) -> Published:
    """Publish a bundle as a repository of the hub and return what was sent.

    The repository is made if it is not there. One commit holds the whole bundle, with the model
    card that `model_card.text` makes; a card that was edited by hand keeps its text, and has the
    metadata made anew.

    Args:
        folder: a bundle, which is verified first.
        repo: "user/repo"; `zoo.load("hf://user/repo")` reads it.
        private: make a new repository private.
        dry_run: only say what would be sent; the hub is not asked for anything.
        overwrite: write into a repository that holds something else; nothing of it is deleted but
            what has the name of one of the bundle's files.

    Raises:
        BundleError: the folder is no bundle, or a damaged one.
        HubError: nobody is logged in, the token may not write there, the repository holds
            something else or is public against `private`, or somebody else is writing to it.
    """
    names.checked(repo)
    if "/" not in repo:
        raise HubError(f"'{repo}' names no owner", f"write user/{repo}")
    from huggingface_hub import CommitOperationAdd

    read = bundle.read(folder)
    card = _card(read, repo)
    contents: dict[str, bytes | Path] = {
        name: read.folder / name for name in [bundle.MANIFEST, *bundle.names(read.folder)]
    }
    if (read.folder / "LICENSE").is_file():
        contents["LICENSE"] = read.folder / "LICENSE"
    contents[CARD] = card.encode()
    added = [CommitOperationAdd(name, content) for name, content in contents.items()]
    files = {each.path_in_repo: each.upload_info.size for each in added}
    commit: str | None = None
    deleted: list[str] = []
    if not dry_run:
        commit, deleted = _send(repo, added, private, overwrite)
    hashes = {each.path_in_repo: each.upload_info.sha256.hex() for each in added}
    entry = _entry(read, repo, commit or "0" * 40, dict(sorted(hashes.items())))
    return Published(repo, commit, files, deleted, hashes, entry, card)


def _card(read: bundle.Bundle, repo: str) -> str:
    """Return the card for the hub: generated, or the one written by hand with new metadata."""
    from zoo.bundle.weights import opened

    parameters = read.metrics.get("parameters")
    if parameters is None:
        file = opened(read.weights)
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
        parameters = sum(int(np.prod(shape)) for shape in shapes)
    path = read.folder / CARD
    held = path.read_text(encoding="utf-8") if path.is_file() else ""
    # A generated card says so in its last line. It is made anew, to load from the hub.
    if not held or held.rstrip().endswith(model_card.GENERATED):
        reference = f"{names.PREFIX}{repo}"
        return model_card.text(read.recipe, read.metrics, int(parameters), reference)
    if held.startswith("---\n"):
        held = held.partition("\n---\n")[2].lstrip()
    return f"{model_card.front_matter(read.recipe, read.metrics)}\n\n{held}"


# Sending


def _send(
    repo: str, added: list[CommitOperationAdd], private: bool, overwrite: bool
) -> tuple[str, list[str]]:
    """Make the repository if need be, and one commit; return it and what it deleted."""
    from huggingface_hub import CommitOperationDelete
    from huggingface_hub.errors import RepositoryNotFoundError

    api = client.api()
    with client.explained(repo, writing=True):
        client.retried(api.whoami)  # or an unknown token would be said to have no rights
        try:
            info = client.retried(lambda: api.model_info(repo))
        except RepositoryNotFoundError:
            client.retried(lambda: api.create_repo(repo, private=private, exist_ok=True))
            info = client.retried(lambda: api.model_info(repo))
        if private and not info.private:
            raise HubError(
                f"{repo} is there already, and public",
                f"make it private at {client.endpoint()}/{repo}/settings, or name another",
            )
    held = [each.rfilename for each in info.siblings or []]
    before = _held_bundle(repo, str(info.sha), held, overwrite)
    deleted = sorted({*before} & {*held} - {each.path_in_repo for each in added})
    operations: list[Any] = [*added, *map(CommitOperationDelete, deleted)]
    with client.explained(repo, writing=True):
        # Not tried again as a whole: if only the answer was lost, there would be two commits.
        made = client.quietly(
            lambda: api.create_commit(
                repo, operations, commit_message="A paperzoo bundle", parent_commit=info.sha
            )
        )
    return made.oid, deleted


def _held_bundle(repo: str, commit: str, held: list[str], overwrite: bool) -> list[str]:
    """Return the files of the bundle that a repository holds; refuse one with something else."""
    if bundle.MANIFEST in held:
        path = client.download(repo, commit, bundle.MANIFEST)
        return bundle.names(path.parent)
    others = sorted(name for name in held if name not in NOTHING)
    if others and not overwrite:
        shown = ", ".join(others[:5]) + (" ..." if len(others) > 5 else "")
        raise HubError(
            f"{repo} holds something else than a bundle: {shown}",
            "name another repository, or say --overwrite (overwrite=True) to write into it",
        )
    return []


# The registry's table


def _entry(read: bundle.Bundle, repo: str, commit: str, hashes: dict[str, str]) -> str:
    recipe = read.recipe
    tag, weights = model_card.registered(recipe)
    facts: dict[str, Any] = {
        "recipe": recipe.name,
        "size": recipe.model.size,
        "hub": repo,
        "license": weights.license if weights else "other, not stated",
        "data_license": weights.data_license if weights else "not stated",
        "languages": list(weights.languages if weights else recipe.data.languages),
        "origin": weights.origin if weights else "trained here",
    }
    if weights is not None and weights.note:
        facts["note"] = weights.note
    facts |= {"revision": commit, "sha256": hashes}
    if tag is None:
        tag = recipe.name.removeprefix(f"{recipe.paper}-")
    return tomlkit.dumps({"weights": {tag: facts}})
