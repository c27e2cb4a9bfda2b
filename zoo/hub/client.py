"""huggingface_hub with retries, and with one message for each failure.

It reads HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE and the environment's proxies.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.errors import HubError, HubUnreachable
from zoo.files import sha256

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Result = TypeVar("Result")

# Seconds between attempts, unless the hub asks for another wait.
WAITS = (1, 2, 4, 8)
LONGEST_WAIT = 60
PASSING = (408, 429, 500, 502, 503, 504)
TOKENS = "https://huggingface.co/settings/tokens"
ROOM = "free some space (`zoo cache` shows what lies there), or set HF_HOME to another disk"


@dataclass(frozen=True)
class File:
    """The expected content of a file: bytes and sha256, or git's blob id; None if unknown."""

    size: int | None = None
    sha256: str | None = None
    blob: str | None = None

    def problem(self, path: Path) -> str:
        """Return what is wrong with the file at `path`, "" if it is as expected."""
        from huggingface_hub.utils.sha import git_hash

        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"has {size:,} bytes instead of {self.size:,}"
        if self.sha256 is not None:
            kind, expected, actual = "sha256", self.sha256, sha256(path)
        elif self.blob is not None:
            kind, expected, actual = "git blob id", self.blob, git_hash(path.read_bytes())
        else:
            return ""
        return "" if actual == expected else f"has the {kind} {actual} instead of {expected}"


@dataclass(frozen=True)
class Listing:
    """The files of a repository at a commit, as the hub reports them."""

    commit: str
    files: dict[str, File]
    private: bool


# Places


def endpoint() -> str:
    """Return the address of the hub."""
    from huggingface_hub import constants

    return constants.ENDPOINT


def snapshot(repo: str, commit: str) -> Path:
    """Return the folder of a repository's files in huggingface_hub's cache."""
    return repository(repo) / "snapshots" / commit


def repository(repo: str) -> Path:
    """Return the folder of huggingface_hub's cache for a repository."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"


# Calls


def api() -> HfApi:
    """Return the client, which tells the hub that paperzoo is asking."""
    from huggingface_hub import HfApi

    from zoo.version import __version__

    return HfApi(library_name="paperzoo", library_version=__version__)


def listing(repo: str, revision: str | None) -> Listing:
    """Ask the hub for the commit of a branch or tag, and for the files there."""
    from huggingface_hub import constants

    with explained(repo, revision):
        info = retried(
            lambda: api().model_info(
                repo, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT
            )
        )
    # In git a large file is a pointer, whose blob id does not identify the content.
    files = {
        file.rfilename: File(file.lfs.size, file.lfs.sha256)
        if file.lfs
        else File(file.size, blob=file.blob_id)
        for file in info.siblings or []
    }
    return Listing(str(info.sha), files, bool(info.private))


def download(repo: str, commit: str, name: str) -> Path:
    """Return the path of a file in the cache, downloading it if missing; do not check it."""
    with explained(repo, commit, name):
        return Path(retried(lambda: api().hf_hub_download(repo, name, revision=commit)))


def retried(call: Callable[[], Result]) -> Result:
    """Call, and call again after failures that may pass: a busy hub, a broken connection.

    huggingface_hub itself resumes broken transfers, and retries a busy hub before them; this
    function retries after the other failures.
    """
    for wait in WAITS:
        try:
            return quietly(call)
        except Exception as error:
            asked = _retry_after(error)
            if not _passes(error) or (asked or 0) > LONGEST_WAIT:
                raise
            time.sleep(wait if asked is None else asked)
    return quietly(call)


def quietly(call: Callable[[], Result]) -> Result:
    """Call without the client's warnings of retries, and with its bars on a terminal only.

    The client's own environment variables take precedence.
    """
    from huggingface_hub import constants, utils

    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    if "HF_HUB_VERBOSITY" not in os.environ:
        logger.setLevel(logging.ERROR)
    # A download's bars detect a terminal by themselves, an upload's do not.
    hidden = (
        constants.HF_HUB_DISABLE_PROGRESS_BARS is None
        and not utils.are_progress_bars_disabled()
        and not sys.stderr.isatty()
    )
    if hidden:
        utils.disable_progress_bars()
    try:
        return call()
    finally:
        logger.setLevel(level)
        if hidden:
            utils.enable_progress_bars()


def _passes(error: Exception) -> bool:
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code in PASSING
    if isinstance(error, _transport()):
        # Without a network another attempt would fail as quickly.
        return type(error).__name__ not in ("ConnectError", "ProxyError")
    # A body of the wrong length is a bare OSError.
    return type(error) is OSError and error.errno is None


def _transport() -> type[Exception]:
    """Return the base class of the HTTP library's errors; huggingface_hub decides which library."""
    from huggingface_hub import errors

    base: type[Exception] = errors.HfHubHTTPError.__mro__[1]
    return base


def _retry_after(error: Exception) -> int | None:
    """Return how many seconds the hub asks to wait, or None."""
    response = getattr(error, "response", None)
    text = response.headers.get("Retry-After", "") if response is not None else ""
    return int(text) if text.isdigit() else None


# Failures


@contextlib.contextmanager
def explained(
    repo: str, revision: str | None = None, name: str = "", writing: bool = False
) -> Iterator[None]:
    """Turn failures with a repository inside the block into a HubError."""
    try:
        yield
    except HubError:
        raise
    except (OSError, ValueError, RuntimeError, _transport()) as error:
        # An upload raises a bare RuntimeError from the actual failure.
        first = error.__cause__ if type(error) is RuntimeError else error
        if not isinstance(first, OSError | ValueError | _transport()):
            raise
        raise _explain(first, repo, revision, name, writing) from error


def _explain(
    error: Exception, repo: str, revision: str | None, name: str, writing: bool
) -> HubError:
    from huggingface_hub import errors

    at = f"{endpoint()}/{repo}"
    file = f"{name} of {repo}" if name else repo
    log_in = "`hf auth login`, or set HF_TOKEN"
    if isinstance(error, errors.LocalEntryNotFoundError | errors.FileMetadataError):
        if isinstance(error.__cause__, Exception):
            return _explain(error.__cause__, repo, revision, name, writing)
        return HubUnreachable(f"{file} is not in the cache, and cannot be fetched: {error}")
    if isinstance(error, errors.OfflineModeIsEnabled):
        problem = f"{file} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it"
        return HubUnreachable(problem, "unset HF_HUB_OFFLINE")
    failures = (
        (errors.LocalTokenNotFoundError,
         f"nobody is logged in to {endpoint()}", f"{log_in}; tokens: {TOKENS}"),
        (errors.GatedRepoError,
         f"{repo} is gated: its owner decides who may download it",
         f"accept its terms at {at}, then {log_in}"),
        (errors.RepositoryNotFoundError,
         f"there is no repository {repo} on {endpoint()}, or it is private",
         f"check the name; for a private one {log_in}"),
        (errors.RevisionNotFoundError,
         f"{repo} has no revision '{revision}'", f"see {at}/commits/main for those it has"),
        (errors.EntryNotFoundError,
         f"{repo} has no file {name} at {revision}", f"see {at}/tree/{revision}"),
    )  # fmt: skip
    for kind, problem, hint in failures:
        if isinstance(error, kind):
            return HubError(problem, hint)
    if isinstance(error, errors.HfHubHTTPError):
        return _explain_status(error, repo, file, writing)
    if isinstance(error, _transport()):
        return HubUnreachable(
            f"{endpoint()} cannot be reached for {file}: {str(error) or type(error).__name__}",
            "look at the network, the proxy and HF_ENDPOINT, and try again",
        )
    if writing and isinstance(error, ValueError):
        problem = f"{endpoint()} refuses what {repo} would hold: {error}"
        return HubError(problem, "correct it in the bundle")
    return _explain_disk(error, file)


def _explain_status(error: Any, repo: str, file: str, writing: bool) -> HubError:
    status, reason = error.response.status_code, error.server_message or ""
    reason = f": {reason}" if reason else ""
    if writing and status in (401, 403):
        hint = f"make one with write permission at {TOKENS}, and set HF_TOKEN to it"
        return HubError(f"this token may not write to {repo}{reason}", hint)
    if writing and status == 412:
        return HubError(f"{repo} changed meanwhile{reason}", "look at what it holds and push again")
    if status == 401:
        hint = f"log in again, or unset HF_TOKEN; {TOKENS}"
        return HubError(f"the hub does not know this token{reason}", hint)
    if status == 403:
        hint = f"see what it is allowed to at {TOKENS}"
        return HubError(f"this token may not read {file}{reason}", hint)
    if status == 429:
        seconds = _retry_after(error)
        wait = f"wait {seconds} seconds" if seconds else "wait some minutes"
        return HubError(f"{endpoint()} gets too many requests from here", f"{wait} and try again")
    if status >= 500:
        problem = f"{endpoint()} has trouble of its own ({status}) with {file}"
        return HubUnreachable(problem, "try again later")
    return HubError(f"{endpoint()} refuses {file} ({status}){reason}", "see the hub's own message")


def _explain_disk(error: Exception, file: str) -> HubError:
    from huggingface_hub import constants

    number = getattr(error, "errno", None)
    if number == errno.ENOSPC:
        return HubError(
            f"the disk is full: {file} does not fit into {constants.HF_HUB_CACHE}", ROOM
        )
    if number is not None:
        return HubError(
            f"the cache {constants.HF_HUB_CACHE} cannot be written for {file}: {error}",
            "set HF_HOME to a folder that can be",
        )
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return HubUnreachable(f"{file} did not arrive whole: {reason}", "try again")
