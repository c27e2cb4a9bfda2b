"""Records of downloaded and checked files, in our own folder of huggingface_hub's cache.

HF_ASSETS_CACHE/paperzoo/           HF_HOME/assets/paperzoo unless HF_ASSETS_CACHE is set
  user--repo/
    COMMIT.json                     a record: the expected and the checked state of each file
    COMMIT-VERSION/                 a bundle converted from the files of that commit
    revisions.json                  each branch's commit when it was last looked up
    lock                            locked while anything here is written
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zoo.files import replacing
from zoo.hub.client import File, snapshot
from zoo.hub.names import COMMIT


@dataclass(frozen=True)
class Record:
    """The files of a repository at a commit."""

    repo: str
    commit: str
    name: str  # the name that they were requested by
    pinned: bool  # whether the registry gave their hashes, or only the hub did
    files: dict[str, File]
    # Size in bytes and time of change in nanoseconds of each file when last checked.
    stamps: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of the files."""
        return snapshot(self.repo, self.commit)

    @property
    def is_whole(self) -> bool:
        """Whether all files are present and unchanged since they were checked."""
        return all(stamp(self.folder / name) == self.stamps.get(name, ()) for name in self.files)

    @property
    def converted(self) -> Path:
        """The folder of the bundle converted from the files, if they are not a bundle."""
        from zoo.version import __version__

        return _folder(self.repo) / f"{self.commit}-{__version__}"


def stamp(path: Path) -> tuple[int, int] | None:
    """Return a file's size and time of change, or None if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def read(repo: str, commit: str) -> Record | None:
    """Return the record of a commit, or None if it is missing or unreadable."""
    return _read(_folder(repo) / f"{commit}.json")


def write(record: Record) -> None:
    """Store a record. In a read-only cache the files are checked again each time."""
    _write(_folder(record.repo) / f"{record.commit}.json", asdict(record))


def every() -> list[Record]:
    """Return the records of all commits in the cache."""
    paths = sorted(_root().glob("*/*.json"))
    return [record for path in paths if (record := _read(path)) is not None]


def of(folder: Path) -> Record | None:
    """Return the record of a folder that `download.fetch` returned, else None."""
    return next((record for record in every() if record.folder == folder), None)


def last_commit(repo: str, mark: str) -> str | None:
    """Return the commit of a branch when it was last downloaded, or None."""
    commit = _json(_folder(repo) / "revisions.json").get(mark)
    return commit if isinstance(commit, str) and COMMIT.fullmatch(commit) else None


def remember(repo: str, mark: str, commit: str) -> None:
    """Store the commit of a branch or of registered weights."""
    path = _folder(repo) / "revisions.json"
    _write(path, _json(path) | {mark: commit})


def parts(repo: str, commit: str) -> list[Path]:
    """Return the stored files and folders of a commit."""
    return sorted(_folder(repo).glob(f"{commit}*"))


def forget(repo: str, commit: str) -> None:
    """Remove the branches that `remember` stored at a commit."""
    path = _folder(repo) / "revisions.json"
    _write(path, {mark: last for mark, last in _json(path).items() if last != commit})


@contextlib.contextmanager
def lock(repo: str) -> Iterator[None]:
    """Let one process at a time fetch or convert a repository.

    The system's lock ends with its process, however that ends. A read-only cache needs no lock.
    """
    from huggingface_hub.utils import WeakFileLock

    path = _folder(repo) / "lock"
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(WeakFileLock(path))
        yield


def _root() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_ASSETS_CACHE) / "paperzoo"


def _folder(repo: str) -> Path:
    return _root() / repo.replace("/", "--")


def _read(path: Path) -> Record | None:
    content = _json(path)
    try:
        files = {str(name): File(**file) for name, file in content["files"].items()}
        stamps = {name: (int(size), int(time)) for name, (size, time) in content["stamps"].items()}
        return Record(**content | {"files": files, "stamps": stamps})
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as aside:
            aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
