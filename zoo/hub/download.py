"""Download a repository's files once and check them against expected hashes.

The expected hashes are the registry's where weights are pinned: a sha256 for each file. Otherwise
they are the hub's own, sha256 of large files and git's blob id of small ones, which detects
files damaged on the way but not a wrong hub.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import warnings
from pathlib import Path

from zoo.errors import HubError, HubUnreachable, ZooWarning
from zoo.files import is_plain
from zoo.hub import client, records
from zoo.hub.client import File, Listing
from zoo.hub.names import Source

# Endings of a checkpoint's files; other frameworks' copies of the weights are not downloaded.
ENDINGS = (
    ".json", ".txt", ".model", ".spm", ".vocab", ".bpe", ".npy", ".npz", ".safetensors", ".bin",
)  # fmt: skip
PICKLES = re.compile(r"pytorch_model.*\.bin")
# Smaller JSON files are downloaded first: they identify the checkpoint.
LARGEST_JSON = 50_000_000


def fetch(source: Source) -> Path:
    """Return the folder of a repository's checked files, or of the bundle converted from them.

    A commit whose files are present and checked needs no network. A branch is looked up each time;
    unpinned weights of the registry stay at the commit that was downloaded first.

    Raises:
        BundleError: the repository's bundle is of a newer format, or names files outside it.
        HubError: the repository cannot be read or has no known layout, or a file differs from the
            expected one twice.
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
        local = " or ".join(f"zoo.load('{name}')" for name in source.offline)
        hint = f"{error.hint}; without a network {local} works"
        raise HubUnreachable(error.message, hint.removeprefix("; ")) from error
    return record.converted if record.converted.is_dir() else record.folder


def _commit(source: Source) -> tuple[str, Listing | None]:
    """Return the requested commit, with the hub's listing if the hub was asked."""
    if source.commit:
        return source.commit, None
    last = records.last_commit(source.repo, source.mark)
    if last and source.registered:
        return last, None
    try:
        listing = client.listing(source.repo, source.revision)
    except HubUnreachable as error:
        if last is None:
            raise
        _warn(f"{source.name}: {error.message}\n  going on with commit {last}, fetched before")
        return last, None
    if last and last != listing.commit:
        _warn(
            f"{source.name} has moved from commit {last} to {listing.commit}\n"
            f"  hf://{source.repo}@{last} is what it was"
        )
    return listing.commit, listing


def _warn(message: str) -> None:
    warnings.warn(message, ZooWarning, stacklevel=2)


def _agrees(record: records.Record, source: Source) -> bool:
    """Return whether a record was made with the registry's present hashes."""
    return not source.sha256 or source.sha256 == {
        name: file.sha256 for name, file in record.files.items()
    }


def _is_here(record: records.Record) -> bool:
    return record.is_whole or record.converted.is_dir()


def _fetched(source: Source, commit: str, listing: Listing | None) -> records.Record:
    """Download and check missing files; the caller holds the lock."""
    record = records.read(source.repo, commit)
    if record is not None and not _agrees(record, source):
        record = None
    if record is not None and _is_here(record):
        return record  # another process was faster
    _sweep(source.repo)
    files = {name: File(sha256=sha256) for name, sha256 in source.sha256.items()}
    if record is not None:
        files = record.files
    folder = client.snapshot(source.repo, commit)
    if not files or any(not (folder / name).exists() for name in files):
        listing = listing or client.listing(source.repo, commit)
        files = _compare(source, listing) if source.sha256 else _choose(source, listing)
        missing = [file for name, file in files.items() if not (folder / name).exists()]
        _check_space(source, missing)
    stamps = {}
    for name, file in files.items():
        stamp = records.stamp(get(source.repo, commit, name, file))
        assert stamp is not None
        stamps[name] = stamp
    record = records.Record(source.repo, commit, source.name, bool(source.sha256), files, stamps)
    records.write(record)
    if not source.commit:
        records.remember(source.repo, source.mark, commit)
    if source.registered and not source.sha256:
        _warn(
            f"{source.name} was never pinned: {source.repo} at commit {commit} was checked "
            f"against what the hub itself reports\n  `zoo pin {source.name}` writes commit and "
            "hashes into the registry"
        )
    return record


def get(repo: str, commit: str, name: str, file: File) -> Path:
    """Return the path of one checked file. A bad one is set aside and downloaded once more.

    Raises HubError if the download fails, or the file is bad for the second time.
    """
    if not all(map(is_plain, name.split("/"))):
        raise HubError(
            f"a file '{name}' of {repo} would lie outside its folder",
            "do not use this repository: ask its author",
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
            f"it, and tell its publisher; it was set aside as {aside}",
        )
    return path


def set_aside(path: Path) -> Path:
    """Rename a bad file or folder of the cache, so that nothing uses it; return its new path.

    The cache links a file to its content; the content is renamed, and the link removed.
    """
    content = path.resolve()
    number = 1
    while (aside := content.with_name(f"{content.name}.bad-{number}")).exists():
        number += 1
    content.rename(aside)
    path.unlink(missing_ok=True)
    return aside


def _compare(source: Source, listing: Listing) -> dict[str, File]:
    """Return the registry's files with the hub's sizes; raise HubError if the two disagree."""
    files = {}
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
                "do not use this copy, and tell its publisher",
            )
        files[name] = File(reported.size, sha256)
    return files


def _choose(source: Source, listing: Listing) -> dict[str, File]:
    """Return the files of a repository that make up a model, after reading the small ones."""
    from zoo import bundle, convert

    repo, commit = source.repo, listing.commit
    files = {name: file for name, file in listing.files.items() if "/" not in name}
    if bare := [name for name, file in files.items() if file.sha256 is file.blob is None]:
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
                "tell its publisher, or name an earlier commit with @",
            )
        names += [name for name in bundle.EDITABLE if name in files]
        return {name: files[name] for name in names}
    paths = [
        get(repo, commit, name, file)
        for name, file in files.items()
        if name.endswith(".json") and (file.size or 0) < LARGEST_JSON
    ]
    if not paths or convert.layout(paths[0].parent) is None:
        raise HubError(f"{repo} {convert.unknown(listing.files)}", convert.KNOWN)
    further = convert.further(paths[0].parent)
    files |= {name: listing.files[name] for name in further if name in listing.files}
    whole = any(name.endswith(".safetensors") for name in files)
    return {
        name: file
        for name, file in files.items()
        if name.endswith(ENDINGS)
        and (not name.endswith(".bin") or (PICKLES.fullmatch(name) and not whole))
    }


def _check_space(source: Source, missing: list[File]) -> None:
    """Raise HubError if the disk lacks room for the missing files."""
    needed = sum(file.size or 0 for file in missing)
    folder = client.repository(source.repo)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise HubError(
            f"{source.repo} needs {size(needed)}, and the disk of {folder} has {size(free)} left",
            client.ROOM,
        )


def size(count: int) -> str:
    """Return bytes as text, as in "479.1 MB"."""
    for factor, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def _sweep(repo: str) -> None:
    """Remove the partial files that killed downloads of a repository left.

    A process that writes to one holds its lock, so a partial file that can be locked is an orphan.
    """
    from huggingface_hub.utils import WeakFileLock

    folder = client.repository(repo)
    locks = folder.parent / ".locks" / folder.name
    for part in folder.glob("blobs/*.????????.incomplete"):
        etag = part.name.split(".")[0]
        with contextlib.suppress(OSError):  # another process holds the lock
            locks.mkdir(parents=True, exist_ok=True)
            with WeakFileLock(locks / f"{etag}.lock", timeout=0.01):
                part.unlink(missing_ok=True)


def check_again(record: records.Record) -> list[str]:
    """Check the files of a commit regardless of earlier checks; return the problems, file by file.

    A bad file is set aside, so that the next `fetch` downloads it again.
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
        stamps = {
            name: stamp for name in record.files if (stamp := records.stamp(record.folder / name))
        }
        records.write(dataclasses.replace(record, stamps=stamps))
    return problems
