"""Upload a bundle to the hub: one commit with all its files, a complete card, a registry entry."""

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
# Files of a new repository, which a bundle may join or replace.
NOTHING = (CARD, ".gitattributes", ".gitignore", "LICENSE")


@dataclass(frozen=True)
class Published:
    """What was uploaded, or would be with `dry_run`; `str` lists it."""

    repo: str  # "user/repo"
    commit: str | None  # 40 hex digits, None with `dry_run`
    files: dict[str, int]  # bytes of each file
    deleted: list[str]  # files of the repository's previous bundle that this one lacks
    sha256: dict[str, str]  # of each file
    entry: str  # the registry's table for these weights, as TOML
    card: str  # the uploaded README.md

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
    """Publish a bundle as a repository of the hub and return what was uploaded.

    A missing repository is created. One commit holds the whole bundle, with the model card of
    `model_card.text`; a card that was edited by hand keeps its text and gets new metadata.

    Args:
        folder: a bundle, which is verified first.
        repo: "user/repo"; `zoo.load("hf://user/repo")` reads it.
        private: make a new repository private.
        dry_run: only say what would be sent, without asking the hub.
        overwrite: write into a repository that holds something else; only files with the names of
            the bundle's files are replaced.

    Raises:
        BundleError: the folder is not a bundle, or a damaged one.
        HubError: nobody is logged in, the token may not write there, the repository holds
            something else or is public against `private`, or somebody else is writing to it.
    """
    names.checked(repo)
    if "/" not in repo:
        raise HubError(f"'{repo}' names no owner", f"write user/{repo}")
    from huggingface_hub import CommitOperationAdd

    source = bundle.read(folder)
    card = _card(source, repo)
    contents: dict[str, bytes | Path] = {
        name: source.folder / name for name in [bundle.MANIFEST, *bundle.names(source.folder)]
    }
    if (source.folder / "LICENSE").is_file():
        contents["LICENSE"] = source.folder / "LICENSE"
    contents[CARD] = card.encode()
    added = [CommitOperationAdd(name, content) for name, content in contents.items()]
    files = {addition.path_in_repo: addition.upload_info.size for addition in added}
    commit: str | None = None
    deleted: list[str] = []
    if not dry_run:
        commit, deleted = _send(repo, added, private, overwrite)
    hashes = {addition.path_in_repo: addition.upload_info.sha256.hex() for addition in added}
    entry = _entry(source, repo, commit or "0" * 40, dict(sorted(hashes.items())))
    return Published(repo, commit, files, deleted, hashes, entry, card)


def _card(source: bundle.Bundle, repo: str) -> str:
    """Return the card for the hub: generated, or the hand-written one with new metadata."""
    tensors = bundle.Tensors(source.weights)
    parameters = source.metrics.get("parameters")
    if parameters is None:
        parameters = sum(int(np.prod(shape)) for shape in tensors.shapes.values())
    path = source.folder / CARD
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    # A generated card says so in its last line. A new one loads the model from the hub.
    if not text or text.rstrip().endswith(model_card.GENERATED):
        reference = f"{names.PREFIX}{repo}"
        return model_card.text(
            source.recipe, source.metrics, int(parameters), reference, source.sha256,
            tensors.quantized,
        )  # fmt: skip
    if text.startswith("---\n"):
        text = text.partition("\n---\n")[2].lstrip()
    return f"{model_card.front_matter(source.recipe, source.metrics)}\n\n{text}"


# Sending


def _send(
    repo: str, added: list[CommitOperationAdd], private: bool, overwrite: bool
) -> tuple[str, list[str]]:
    """Create the repository if it is missing, and one commit; return it and its deleted files."""
    from huggingface_hub import CommitOperationDelete
    from huggingface_hub.errors import RepositoryNotFoundError

    api = client.api()
    with client.explained(repo, writing=True):
        client.retried(api.whoami)  # otherwise an unknown token would seem to lack rights
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
    present = [file.rfilename for file in info.siblings or []]
    previous = _previous_bundle(repo, str(info.sha), present, overwrite)
    deleted = sorted({*previous} & {*present} - {addition.path_in_repo for addition in added})
    operations: list[Any] = [*added, *map(CommitOperationDelete, deleted)]
    with client.explained(repo, writing=True):
        # No retry: if only the answer was lost, there would be two commits.
        commit = client.quietly(
            lambda: api.create_commit(
                repo, operations, commit_message="A paperzoo bundle", parent_commit=info.sha
            )
        )
    return commit.oid, deleted


def _previous_bundle(repo: str, commit: str, present: list[str], overwrite: bool) -> list[str]:
    """Return the files of the repository's bundle; raise HubError if it holds something else."""
    if bundle.MANIFEST in present:
        path = client.download(repo, commit, bundle.MANIFEST)
        return bundle.names(path.parent)
    others = sorted(name for name in present if name not in NOTHING)
    if others and not overwrite:
        shown = ", ".join(others[:5]) + (" ..." if len(others) > 5 else "")
        raise HubError(
            f"{repo} holds something else than a bundle: {shown}",
            "name another repository, or say --overwrite (overwrite=True) to write into it",
        )
    return []


# The registry's table


def _entry(source: bundle.Bundle, repo: str, commit: str, hashes: dict[str, str]) -> str:
    recipe = source.recipe
    tag, weights = model_card.registered(recipe, source.sha256)
    origin = "trained here"
    if recipe.base is not None:
        origin += f", {recipe.base.how} from {recipe.base.name or recipe.base.recipe}"
    facts: dict[str, Any] = {
        "recipe": recipe.name,
        "size": recipe.model.size,
        "hub": repo,
        "license": weights.license if weights else "other, not stated",
        "data_license": weights.data_license if weights else "not stated",
        "languages": list(weights.languages if weights else recipe.data.languages),
        "origin": weights.origin if weights else origin,
    }
    if weights is not None and weights.note:
        facts["note"] = weights.note
    facts |= {"revision": commit, "sha256": hashes}
    if tag is None:
        tag = recipe.name.removeprefix(f"{recipe.paper}-")
    return tomlkit.dumps({"weights": {tag: facts}})
