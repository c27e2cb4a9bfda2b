"""What a name means: weights that come with the package, a repository of the hub, a folder."""

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
    """A repository of the hub.

    Attributes:
        name: what the user wrote.
        repo: "user/repo".
        revision: a commit of 40 hex digits, a branch or a tag; None is the default branch.
        sha256: of every file, by the registry; {} if nobody has pinned it.
        registered: whether the registry names it.
        offline: names of weights of the same paper that are here without a network.
    """

    name: str
    repo: str
    revision: str | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    registered: bool = False
    offline: tuple[str, ...] = ()

    @property
    def commit(self) -> str | None:
        """The revision, if it is a commit, which never moves."""
        return self.revision if COMMIT.fullmatch(self.revision or "") else None

    @property
    def mark(self) -> str:
        """What its commit is kept under: weights of the registry stay, branches move."""
        return self.name if self.registered else self.revision or "main"


def source(reference: str | os.PathLike[str]) -> Source | None:
    """Return the repository that a reference stands for, None if it stands for no repository.

    Raises:
        HubError: it begins with hf:// and is no name of a repository.
    """
    if isinstance(reference, str) and reference.startswith(PREFIX):
        repo, at, revision = reference.removeprefix(PREFIX).partition("@")
        if at and not revision:
            raise HubError(f"{reference} names no revision after @", "leave @ out, or name one")
        return Source(reference, checked(repo), revision or None)
    if catalog.is_path(reference):
        return None
    try:
        found, tag = catalog.split_reference(str(reference))
    except UnknownName:
        return None  # catalog.find_bundle says more about it
    return registered(found, tag)


def registered(found: catalog.Entry, tag: str) -> Source | None:
    """Return the repository of weights of the registry, None if they are here or have none."""
    weights = catalog.weights(found, tag)
    if weights.hub is None or catalog.is_here(weights):
        return None
    here = (f"{found.name}.{each}" for each, other in found.weights.items()
            if catalog.is_here(other))  # fmt: skip
    return Source(
        f"{found.name}.{tag}", weights.hub, weights.revision, dict(weights.sha256), True,
        tuple(here),
    )  # fmt: skip


def checked(repo: str) -> str:
    """Return a repository's name, "user/repo", or refuse it.

    Raises:
        HubError: it is none.
    """
    from huggingface_hub import errors, utils

    try:
        utils.validate_repo_id(repo)
    except errors.HFValidationError as error:
        hint = "write user/repo, as in hf://user/repo@revision"
        raise HubError(f"'{repo}' is no name of a repository: {error}", hint) from error
    return repo
