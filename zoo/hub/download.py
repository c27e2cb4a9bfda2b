"""A repository's files, fetched once and checked against what they should be.

What they should be is in the registry where weights are pinned: a sha256 for each file. Otherwise
it is what the hub itself reports, sha256 of large files and git's blob id of small ones, which
finds files that broke on the way, and not a hub that is wrong.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path

from zoo.errors import HubError, HubUnreachable, ZooWarning
from zoo.files import is_plain
from zoo.hub import client, records
from zoo.hub.client import File, Listing
from zoo.hub.names import Source

# What a checkpoint is made of; other frameworks' copies of the same weights are not fetched.
ENDINGS = (
    ".json", ".txt", ".model", ".spm", ".vocab", ".bpe", ".npy", ".npz", ".safetensors", ".bin",
)  # fmt: skip
PICKLES = re.compile(r"pytorch_model.*\.bin")
# Files that tell what a checkpoint is come before the large ones.
LARGEST_JSON = 50_000_000


def fetch(source: Source) -> Path:
    """Return the folder of a repository's checked files, or of the bundle made of them.

    Nothing is asked of the network if the files of a commit are here and were checked; a branch
    is asked where it is, each time, and weights of the registry that are not pinned stay at the
    commit that was fetched first.

    Raises:
        BundleError: the repository's bundle is of a newer format, or names files outside it.
        HubError: the repository cannot be read, holds nothing that is known, or a file is not
            what it should be twice.
    """
    try:
        commit, listing = _commit(source)
        record = records.read(source.repo, commit)
        if record is None or not _agrees(record, source) or not _is_here(record):
            with records.lock(source.repo):
                record = _fetched(source, commit, listing)
    except HubUnreachable as error:
        if not source.offline:
            raise
        others = " or ".join(f"zoo.load('{name}')" for name in source.offline)
        hint = f"{error.hint}; without a network {others} works"
        raise HubUnreachable(error.message, hint.removeprefix("; ")) from error
    return record.converted if record.converted.is_dir() else record.folder


def _commit(source: Source) -> tuple[str, Listing | None]:
    """Return which commit is meant, with what the hub says about it if it was asked."""
    if source.commit:
        return source.commit, None
    known = records.last_commit(source.repo, source.mark)
    if known and source.registered:
        return known, None
    try:
        listing = client.listing(source.repo, source.revision)
    except HubUnreachable as error:
        if known is None:
            raise
        warnings.warn(
            f"{source.name}: {error.message}\n  going on with commit {known}, fetched before",
            ZooWarning,
            stacklevel=2,
        )
        return known, None
    if known and known != listing.commit:
        warnings.warn(
            f"{source.name} has moved from commit {known} to {listing.commit}\n"
            f"  hf://{source.repo}@{known} is what it was",
            ZooWarning,
            stacklevel=2,
        )
    return listing.commit, listing


def _agrees(record: records.Record, source: Source) -> bool:
    """Whether a record was made by the hashes that the registry has now."""
    if not source.sha256:
        return True
    return {name: each.sha256 for name, each in record.files.items()} == source.sha256


def _is_here(record: records.Record) -> bool:
    return record.is_whole or record.converted.is_dir()


def _fetched(source: Source, commit: str, listing: Listing | None) -> records.Record:
    """Fetch and check what is missing; the lock is held."""
    record = records.read(source.repo, commit)
    if record is not None and not _agrees(record, source):
        record = None
    if record is not None and _is_here(record):
        return record  # another process was faster
    _sweep(source.repo)
    wanted = {name: File(sha256=each) for name, each in source.sha256.items()}
    if record is not None:
        wanted = record.files
    folder = client.snapshot(source.repo, commit)
    if not wanted or any(not (folder / name).exists() for name in wanted):
        listing = listing or client.listing(source.repo, commit)
        wanted = _compare(source, listing) if source.sha256 else _choose(source, listing)
        _check_space(source, {name: each for name, each in wanted.items()
                              if not (folder / name).exists()})  # fmt: skip
    stamps = {}
    for name, file in wanted.items():
        found = records.stamp(get(source.repo, commit, name, file))
        assert found is not None
        stamps[name] = found
    record = records.Record(source.repo, commit, source.name, bool(source.sha256), wanted, stamps)
    records.write(record)
    if not source.commit:
        records.remember(source.repo, source.mark, commit)
    if source.registered and not source.sha256:
        warnings.warn(
            f"{source.name} was never pinned: {source.repo} at commit {commit} was checked "
            f"against what the hub itself reports\n  `zoo pin {source.name}` writes commit and "
            "hashes into the registry",
            ZooWarning,
            stacklevel=2,
        )
    return record


def get(repo: str, commit: str, name: str, file: File) -> Path:
    """Return the path of one file, checked. A bad one is set aside and fetched once more.

    Raises:
        HubError: it cannot be fetched, or is not what it should be for the second time.
    """
    if not is_plain(name):
        raise HubError(
            f"a file '{name}' of {repo} would lie outside its folder",
            "do not use this repository: ask whoever made it",
        )
    path = client.download(repo, commit, name)
    problem = file.problem(path)
    if not problem:
        return path
    aside = set_aside(path)
    try:
        path = client.download(repo, commit, name)
    except HubError as error:
        raise type(error)(
            f"{name} of {repo} {problem} and was set aside as {aside}; {error.message}", error.hint
        ) from error
    problem = file.problem(path)
    if problem:
        aside = set_aside(path)
        raise HubError(
            f"{name} of {repo} at commit {commit} {problem}, fetched twice",
            f"{client.endpoint()} serves another file than the one that was published: do not use "
            f"it, and tell who published it; it was set aside as {aside}",
        )
    return path


def set_aside(path: Path) -> Path:
    """Rename what is bad in the cache so that nothing takes it for good; return where it is.

    In the cache a file is a link to its content; the content is renamed, and the link removed.
    """
    content = path.resolve()
    number = 1
    while (aside := content.with_name(f"{content.name}.bad-{number}")).exists():
        number += 1
    content.rename(aside)
    path.unlink(missing_ok=True)
    return aside


def _compare(source: Source, listing: Listing) -> dict[str, File]:
    """Return the files of the registry with their sizes; the hub must not contradict it."""
    wanted = {}
    for name, sha256 in source.sha256.items():
        reported = listing.files.get(name)
        if reported is None:
            raise HubError(
                f"{source.repo} has no file {name} at commit {listing.commit}, and the registry "
                f"pins one for {source.name}",
                f"see {client.endpoint()}/{source.repo}/tree/{listing.commit}",
            )
        if reported.sha256 not in (None, sha256):
            raise HubError(
                f"the hub reports the sha256 {reported.sha256} for {name} of {source.repo}, and "
                f"the registry pins {sha256}",
                "do not use this copy, and tell who published it",
            )
        wanted[name] = File(reported.size, sha256)
    return wanted


def _choose(source: Source, listing: Listing) -> dict[str, File]:
    """Return which files of a repository a model is made of, looking into the small ones."""
    from zoo import bundle, convert

    repo, commit = source.repo, listing.commit
    files = {name: each for name, each in listing.files.items() if "/" not in name}
    if bare := [name for name, each in files.items() if each.sha256 is each.blob is None]:
        raise HubError(
            f"{client.endpoint()} reports no hashes for {repo}, so {bare[0]} cannot be checked",
            "take it from the hub itself, or pin it in the registry",
        )
    if bundle.MANIFEST in files:
        manifest = get(repo, commit, bundle.MANIFEST, files[bundle.MANIFEST])
        names = [bundle.MANIFEST, *bundle.names(manifest.parent)]
        if absent := [name for name in names if name not in files]:
            raise HubError(
                f"{repo} is not complete at commit {commit}: {', '.join(absent)} is missing",
                "tell who published it, or name an earlier commit with @",
            )
        names += [name for name in bundle.EDITABLE if name in files]
        return {name: files[name] for name in names}
    small = [name for name, each in files.items()
             if name.endswith(".json") and (each.size or 0) < LARGEST_JSON]  # fmt: skip
    paths = [get(repo, commit, name, files[name]) for name in small]
    if not paths or convert.layout(paths[0].parent) is None:
        raise HubError(f"{repo} {convert.unknown(listing.files)}", convert.KNOWN)
    whole = any(name.endswith(".safetensors") for name in files)
    return {
        name: each
        for name, each in files.items()
        if name.endswith(ENDINGS)
        and (not name.endswith(".bin") or (PICKLES.fullmatch(name) and not whole))
    }


def _check_space(source: Source, missing: Mapping[str, File]) -> None:
    """Raise HubError if the disk has no room for what is still to come."""
    needed = sum(each.size or 0 for each in missing.values())
    folder = client.repository(source.repo)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise HubError(
            f"{source.repo} needs {size(needed)}, and the disk of {folder} has {size(free)} left",
            "free some space (`zoo cache` shows what lies there), or set HF_HOME to another disk",
        )


def size(count: int) -> str:
    """Return bytes as text, as in "479.1 MB"."""
    for factor, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def _sweep(repo: str) -> None:
    """Remove what killed downloads of a repository left: parts of files that nobody writes to.

    Whoever writes to a part holds the lock of its file, so one that can be locked is an orphan.
    """
    from huggingface_hub.utils import WeakFileLock

    folder = client.repository(repo)
    locks = folder.parent / ".locks" / folder.name
    for part in folder.glob("blobs/*.????????.incomplete"):
        etag = part.name.split(".")[0]
        with contextlib.suppress(OSError):  # a lock that another has is one of these
            locks.mkdir(parents=True, exist_ok=True)
            with WeakFileLock(locks / f"{etag}.lock", timeout=0.01):
                part.unlink(missing_ok=True)


def check_again(record: records.Record) -> list[str]:
    """Check the files of a commit whatever is known of them; return what is wrong, file by file.

    A bad file is set aside, so that the next `fetch` fetches it again.
    """
    problems = []
    for name, file in record.files.items():
        path = record.folder / name
        if not path.exists():
            problems.append(f"{name} of {record.repo} is missing")
        elif problem := file.problem(path):
            problems.append(
                f"{name} of {record.repo} {problem}; it was set aside as {set_aside(path)}"
            )
    if not problems:
        stamps = {name: records.stamp(record.folder / name) for name in record.files}
        known = {name: each for name, each in stamps.items() if each is not None}
        records.write(dataclasses.replace(record, stamps=known))
    return problems
