"""What was fetched and checked: our own folder in the cache of huggingface_hub.

HF_ASSETS_CACHE/paperzoo/           HF_HOME/assets/paperzoo unless HF_ASSETS_CACHE says else
  user--repo/
    COMMIT.json                     a record: what each file should be and was found to be
    COMMIT-VERSION/                 a bundle converted from the files of that commit
    revisions.json                  at which commit a branch was when it was last asked for
    lock                            held while anything here is made
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
    """The files of a repository at a commit.

    Attributes:
        name: what they were asked for as.
        pinned: whether their hashes are the registry's, or only what the hub reported.
        stamps: bytes and time of change in nanoseconds of each file when it was found right.
    """

    repo: str
    commit: str
    name: str
    pinned: bool
    files: dict[str, File]
    stamps: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return snapshot(self.repo, self.commit)

    @property
    def is_whole(self) -> bool:
        """Whether all files are there and are those that were found right."""
        return all(stamp(self.folder / name) == self.stamps.get(name, ()) for name in self.files)

    @property
    def converted(self) -> Path:
        """The folder of the bundle that is made of the files, if they are no bundle."""
        from zoo.version import __version__

        return _folder(self.repo) / f"{self.commit}-{__version__}"


def stamp(path: Path) -> tuple[int, int] | None:
    """Return a file's bytes and time of change, None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def read(repo: str, commit: str) -> Record | None:
    """Return the record of a commit, None if there is none that can be read."""
    return _read(_folder(repo) / f"{commit}.json")


def write(record: Record) -> None:
    """Keep a record. Where the cache cannot be written the files are checked again each time."""
    path = _folder(record.repo) / f"{record.commit}.json"
    _write(path, asdict(record))


def every() -> list[Record]:
    """Return the records of all commits that are in the cache."""
    found = [_read(path) for path in sorted(_root().glob("*/*.json"))]
    return [record for record in found if record is not None]


def of(folder: Path) -> Record | None:
    """Return the record of a folder that `download.fetch` returned, None if it is another."""
    for record in every():
        if record.folder == folder:
            return record
    return None


def last_commit(repo: str, mark: str) -> str | None:
    """Return the commit that a branch was at when it was last fetched, None if it never was."""
    found = _json(_folder(repo) / "revisions.json").get(mark)
    return found if isinstance(found, str) and COMMIT.fullmatch(found) else None


def remember(repo: str, mark: str, commit: str) -> None:
    """Keep that a branch, or weights of the registry, are at a commit."""
    path = _folder(repo) / "revisions.json"
    _write(path, _json(path) | {mark: commit})


def parts(repo: str, commit: str) -> list[Path]:
    """Return the files and folders that are kept about a commit."""
    return sorted(_folder(repo).glob(f"{commit}*"))


def forget(repo: str, commit: str) -> None:
    """Remove what `remember` kept of a commit."""
    path = _folder(repo) / "revisions.json"
    _write(path, {name: each for name, each in _json(path).items() if each != commit})


@contextlib.contextmanager
def lock(repo: str) -> Iterator[None]:
    """Let one process at a time fetch or convert a repository.

    The lock is the system's: it ends with the process that holds it, however that ends. Where the
    cache cannot be written there is none, and nothing to protect.
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
    held = _json(path)
    try:
        files = {str(name): File(**each) for name, each in held["files"].items()}
        stamps = {name: (int(size), int(time)) for name, (size, time) in held["stamps"].items()}
        return Record(**held | {"files": files, "stamps": stamps})
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _json(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as aside:
            aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
