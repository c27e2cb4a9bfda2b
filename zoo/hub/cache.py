"""What lies in the cache, and deleting it."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import HubError, did_you_mean
from zoo.hub import client, names, records


@dataclass(frozen=True)
class Entry:
    """A commit of a repository in the cache.

    Attributes:
        name: what it was asked for as.
        fetched: bytes of the files that were fetched.
        made: bytes of the bundle that was made of them, 0 if there is none.
    """

    name: str
    repo: str
    commit: str
    fetched: int
    made: int


def entries() -> list[Entry]:
    """Return what this package fetched, by repository and commit."""
    return [_entry(record) for record in records.every()]


def _entry(record: records.Record) -> Entry:
    parts = records.parts(record.repo, record.commit)
    fetched = sum(_bytes(record.folder / name) for name in record.files)
    made = sum(_bytes(path) for part in parts for path in part.glob("*"))
    return Entry(record.name, record.repo, record.commit, fetched, made)


def delete(wanted: str) -> int:
    """Delete the files of "user/repo", "hf://user/repo@commit" or a name; return how many bytes.

    Files are huggingface_hub's and may serve other programs too, which then fetch them again.

    Raises:
        HubError: nothing of it is in the cache, or it cannot be deleted.
    """
    chosen = _chosen(wanted)
    freed = sum(each.fetched + each.made for each in map(_entry, chosen))
    for record in chosen:
        with records.lock(record.repo), client.explained(record.repo, record.commit):
            _delete_snapshot(record)
            for part in records.parts(record.repo, record.commit):
                shutil.rmtree(part) if part.is_dir() else part.unlink()
            records.forget(record.repo, record.commit)
    return freed


def _chosen(wanted: str) -> list[records.Record]:
    every = records.every()
    source = names.source(wanted)
    if source is not None:
        commit = source.commit
        found = [each for each in every
                 if each.repo == source.repo and commit in (None, each.commit)]  # fmt: skip
    else:
        found = [each for each in every if each.repo == wanted]
    if not found:
        known = {each.repo for each in every}
        raise HubError(f"nothing of {wanted} is in the cache", did_you_mean(wanted, known))
    return found


def _delete_snapshot(record: records.Record) -> None:
    """Delete a commit's files, and their content where no other commit has the same."""
    from huggingface_hub import scan_cache_dir

    folder = client.repository(record.repo)
    if not record.folder.is_dir():
        return
    # Of this repository alone: a copy of it under another name has the same commits.
    found = scan_cache_dir(folder.parent)
    alone = [repo for repo in found.repos if repo.repo_path.resolve() == folder.resolve()]
    dataclasses.replace(found, repos=frozenset(alone)).delete_revisions(record.commit).execute()


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
