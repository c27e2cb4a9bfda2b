"""List and delete the content of the cache."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import HubError, did_you_mean
from zoo.hub import client, names, records


@dataclass(frozen=True)
class Entry:
    """A commit of a repository in the cache."""

    name: str  # the name that it was requested by
    repo: str
    commit: str
    fetched: int  # bytes of the downloaded files
    made: int  # bytes of the bundle converted from them, 0 without one


def entries() -> list[Entry]:
    """Return the commits that this package downloaded, ordered by repository and commit."""
    return [_entry(record) for record in records.every()]


def _entry(record: records.Record) -> Entry:
    parts = records.parts(record.repo, record.commit)
    fetched = sum(_bytes(record.folder / name) for name in record.files)
    converted = sum(_bytes(path) for part in parts for path in part.glob("*"))
    return Entry(record.name, record.repo, record.commit, fetched, converted)


def delete(wanted: str) -> int:
    """Delete the files of "user/repo", "hf://user/repo@commit" or a name; return how many bytes.

    Files belong to huggingface_hub and may serve other programs, which then download them again.
    Raises HubError if the cache holds nothing of it, or it cannot be deleted.
    """
    chosen = _chosen(wanted)
    freed = sum(entry.fetched + entry.made for entry in map(_entry, chosen))
    for record in chosen:
        with records.lock(record.repo), client.explained(record.repo, record.commit):
            _delete_snapshot(record)
            for part in records.parts(record.repo, record.commit):
                shutil.rmtree(part) if part.is_dir() else part.unlink()
            records.forget(record.repo, record.commit)
    return freed


def _chosen(wanted: str) -> list[records.Record]:
    source = names.source(wanted)
    repo, commit = (source.repo, source.commit) if source else (wanted, None)
    every = records.every()
    chosen = [record for record in every
              if record.repo == repo and commit in (None, record.commit)]  # fmt: skip
    if not chosen:
        repos = {record.repo for record in every}
        raise HubError(f"nothing of {wanted} is in the cache", did_you_mean(wanted, repos))
    return chosen


def _delete_snapshot(record: records.Record) -> None:
    """Delete a commit's files, and their content unless another commit shares it."""
    from huggingface_hub import scan_cache_dir

    folder = client.repository(record.repo)
    if not record.folder.is_dir():
        return
    # A copy of this repository under another name has the same commits.
    cache = scan_cache_dir(folder.parent)
    alone = [repo for repo in cache.repos if repo.repo_path.resolve() == folder.resolve()]
    dataclasses.replace(cache, repos=frozenset(alone)).delete_revisions(record.commit).execute()


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
