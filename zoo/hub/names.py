"""Resolve a name: weights of the package, a repository of the hub, or a folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from zoo.config import catalog
from zoo.errors import HubError, UnknownName

PREFIX = "hf://"
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Source:
    """A repository of the hub."""

    name: str  # as the user wrote it
    repo: str  # "user/repo"
    revision: str | None = None  # a commit of 40 hex digits, a branch or a tag; None is the default
    sha256: dict[str, str] = field(default_factory=dict)  # of every file, {} without a pin
    registered: bool = False  # whether the registry names it
    offline: tuple[str, ...] = ()  # names of the same paper's weights that need no network

    @property
    def commit(self) -> str | None:
        """The revision, if it is a commit, which never moves."""
        return self.revision if COMMIT.fullmatch(self.revision or "") else None

    @property
    def mark(self) -> str:
        """The key of its stored commit: the name of registered weights, else the branch."""
        return self.name if self.registered else self.revision or "main"


def source(reference: str | os.PathLike[str]) -> Source | None:
    """Return the repository that a reference stands for, or None.

    Raises HubError if it begins with hf:// and does not name a repository.
    """
    if isinstance(reference, str) and reference.startswith(PREFIX):
        repo, at, revision = reference.removeprefix(PREFIX).partition("@")
        if at and not revision:
            raise HubError(f"{reference} names no revision after @", "leave @ out, or name one")
        return Source(reference, checked(repo), revision or None)
    if catalog.is_path(reference):
        return None
    try:
        entry, tag = catalog.split_reference(str(reference))
    except UnknownName:
        return None  # catalog.find_bundle says more about it
    return registered(entry, tag)


def registered(entry: catalog.Entry, tag: str) -> Source | None:
    """Return the repository of the registry's weights; None if they are local or have none."""
    weights = catalog.weights(entry, tag)
    if weights.hub is None or catalog.is_here(weights):
        return None
    offline = [f"{entry.name}.{other}" for other, candidate in entry.weights.items()
               if catalog.is_here(candidate)]  # fmt: skip
    return Source(
        f"{entry.name}.{tag}", weights.hub, weights.revision, dict(weights.sha256), True,
        tuple(offline),
    )  # fmt: skip


def checked(repo: str) -> str:
    """Return a repository's name, "user/repo"; raise HubError unless it is one."""
    from huggingface_hub import errors, utils

    try:
        utils.validate_repo_id(repo)
    except errors.HFValidationError as error:
        hint = "write user/repo, as in hf://user/repo@revision"
        raise HubError(f"'{repo}' is no name of a repository: {error}", hint) from error
    return repo
