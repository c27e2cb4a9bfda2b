"""Write files and folders whole or not at all, hash them, and check their names."""

from __future__ import annotations

import contextlib
import csv
import glob
import hashlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl

# Without locks (Windows), a temporary file counts as abandoned after so many seconds.
ABANDONED = 86_400


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty file beside `path`, with its suffix, which replaces `path` after the block.

    If the block fails, or the process is killed, `path` stays unchanged.
    """
    with _aside(path, path.stem, path.suffix) as aside:
        yield aside
        flush(aside)
        aside.replace(path)
        flush(path.parent)


@contextlib.contextmanager
def replacing_folder(
    folder: Path, adopt: Callable[[Path, Path], None] | None = None
) -> Iterator[Path]:
    """Yield an empty folder beside `folder`, which replaces `folder` after the block.

    If the block fails, or the process is killed, `folder` stays unchanged, or `recover` restores
    it. Leftovers of killed processes are removed; other processes' temporary folders stay.

    Args:
        adopt: called with the old and the new folder before the old one is removed.
    """
    folder = folder.expanduser().resolve()  # so that a link stays a link
    recover(folder)
    _remove_previous(folder, adopt)  # left by a process that was killed just before this step
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _aside(folder, folder.name) as aside:
        yield aside
        for path in (*aside.rglob("*"), aside):
            flush(path)
        try:
            if folder.exists():
                folder.rename(_previous(folder))
            aside.rename(folder)
        except BaseException:
            recover(folder)
            raise
        flush(folder.parent)
        _remove_previous(folder, adopt)


def recover(folder: Path) -> None:
    """Restore a folder that a kill left under its temporary name."""
    if _previous(folder).is_dir() and not folder.exists():
        _previous(folder).rename(folder)


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def _remove_previous(folder: Path, adopt: Callable[[Path, Path], None] | None) -> None:
    previous = _previous(folder)
    if previous.is_dir():
        if adopt is not None:
            adopt(previous, folder)
        shutil.rmtree(previous)


@contextlib.contextmanager
def _aside(path: Path, stem: str, suffix: str | None = None) -> Iterator[Path]:
    """Yield a locked file, or a folder if `suffix` is None, and remove it unless it was renamed."""
    end = suffix or ""
    for leftover in path.parent.glob(f".{glob.escape(stem)}.writing-*{glob.escape(end)}"):
        if _is_abandoned(leftover):
            _remove(leftover)
    aside = path.with_name(f".{stem}.writing-{os.getpid()}-{secrets.token_hex(4)}{end}")
    aside.mkdir() if suffix is None else aside.touch(exist_ok=False)
    try:
        with _locked(aside):
            yield aside
    finally:
        _remove(aside)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Lock a file or folder until the process ends, and yield whether this process has the lock.

    Windows cannot rename open files, so nothing is locked there.
    """
    if sys.platform == "win32":
        yield False
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = True
        except OSError:  # another process holds it, or the file system lacks locks
            ours = False
        yield ours
    finally:
        os.close(handle)


def _is_abandoned(path: Path) -> bool:
    try:
        if sys.platform == "win32":
            return time.time() - path.stat().st_mtime > ABANDONED
        with _locked(path) as ours:
            return ours
    except OSError:  # it has just been renamed
        return False


def flush(path: Path) -> None:
    """Wait until a file, or a folder's list of entries, is on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with a column for every key that occurs."""
    with replacing(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        columns = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(file, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def sha256(path: Path) -> str:
    """Return a file's sha256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path from the working or the home folder, if it lies in there."""
    path = Path(path).expanduser().absolute()
    if path.is_relative_to(Path.cwd()):
        return f"./{path.relative_to(Path.cwd())}"
    if path.is_relative_to(Path.home()):
        return f"~/{path.relative_to(Path.home())}"
    return str(path)


def is_plain(name: str) -> bool:
    """Return whether a name, joined to a folder, stays inside it."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\:\0")
