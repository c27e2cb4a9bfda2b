"""huggingface_hub, with retries, and with every failure told in one message.

HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE and the proxies of the environment are
read by it as everywhere.
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

# Seconds between attempts, unless the hub says how long to wait.
WAITS = (1, 2, 4, 8)
LONGEST_WAIT = 60
PASSING = (408, 429, 500, 502, 503, 504)
TOKENS = "https://huggingface.co/settings/tokens"


@dataclass(frozen=True)
class File:
    """What a file should be: bytes and sha256, or git's blob id; None is not known."""

    size: int | None = None
    sha256: str | None = None
    blob: str | None = None

    def problem(self, path: Path) -> str:
        """Return what is wrong with the file at `path`, "" if nothing is."""
        from huggingface_hub.utils.sha import git_hash

        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"has {size:,} bytes instead of {self.size:,}"
        if self.sha256 is not None:
            kind, wanted, found = "sha256", self.sha256, sha256(path)
        elif self.blob is not None:
            kind, wanted, found = "git blob id", self.blob, git_hash(path.read_bytes())
        else:
            return ""
        return "" if found == wanted else f"has the {kind} {found} instead of {wanted}"


@dataclass(frozen=True)
class Listing:
    """What the hub says a repository holds at a commit."""

    commit: str
    files: dict[str, File]
    private: bool


# Places


def endpoint() -> str:
    """Return the address of the hub."""
    from huggingface_hub import constants

    return constants.ENDPOINT


def snapshot(repo: str, commit: str) -> Path:
    """Return the folder of huggingface_hub's cache that a repository's files lie in."""
    return repository(repo) / "snapshots" / commit


def repository(repo: str) -> Path:
    """Return the folder of huggingface_hub's cache for a repository."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"


# Calls


def api() -> HfApi:
    """Return the client, which says who is asking."""
    from huggingface_hub import HfApi

    from zoo.version import __version__

    return HfApi(library_name="paperzoo", library_version=__version__)


def listing(repo: str, revision: str | None) -> Listing:
    """Ask the hub what a repository holds, and at which commit a branch or tag is."""
    from huggingface_hub import constants

    with explained(repo, revision):
        info = retried(
            lambda: api().model_info(
                repo,
                revision=revision,
                files_metadata=True,
                timeout=constants.HF_HUB_ETAG_TIMEOUT,
            )
        )
    files = {}
    for each in info.siblings or []:
        large = each.lfs
        # What git itself holds of a large file is a pointer, so its blob id says nothing here.
        files[each.rfilename] = (
            File(large.size, large.sha256) if large else File(each.size, blob=each.blob_id)
        )
    return Listing(str(info.sha), files, bool(info.private))


def download(repo: str, commit: str, name: str) -> Path:
    """Return the path of a file in the cache, fetched if it is not there; nothing is checked."""
    with explained(repo, commit, name):
        return Path(retried(lambda: api().hf_hub_download(repo, name, revision=commit)))


def retried(call: Callable[[], Result]) -> Result:
    """Call again while what goes wrong may pass: a busy hub, a broken connection.

    huggingface_hub goes on with a broken transfer itself, and tries again where a hub is busy
    before one; this is for the failures that it does not try again after.
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
    """Call without the client's warnings of what is tried again, and its bars on a terminal only.

    Whoever sets the client's own variables for these gets what they say.
    """
    from huggingface_hub import constants, utils

    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    if "HF_HUB_VERBOSITY" not in os.environ:
        logger.setLevel(logging.ERROR)
    # Bars of a download know a terminal by themselves, those of an upload do not.
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
        # Without any network another attempt is as quick to fail.
        return type(error).__name__ not in ("ConnectError", "ProxyError")
    # A body of the wrong length is a bare OSError.
    return type(error) is OSError and error.errno is None


def _transport() -> type[Exception]:
    """Return the parent of all errors of the HTTP library, whichever huggingface_hub has."""
    from huggingface_hub import errors

    found: type[Exception] = errors.HfHubHTTPError.__mro__[1]
    return found


def _retry_after(error: Exception) -> int | None:
    """Return how many seconds the hub asks to wait, None if it does not say."""
    response = getattr(error, "response", None)
    text = response.headers.get("Retry-After", "") if response is not None else ""
    return int(text) if text.isdigit() else None


# Failures


@contextlib.contextmanager
def explained(
    repo: str, revision: str | None = None, name: str = "", writing: bool = False
) -> Iterator[None]:
    """Turn whatever goes wrong with a repository inside the block into a HubError."""
    try:
        yield
    except HubError:
        raise
    except (OSError, ValueError, RuntimeError, _transport()) as error:
        # An upload's failure comes as the cause of a bare RuntimeError.
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
        return HubUnreachable(
            f"{file} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it",
            "unset HF_HUB_OFFLINE",
        )
    if isinstance(error, errors.LocalTokenNotFoundError):
        return HubError(f"nobody is logged in to {endpoint()}", f"{log_in}; tokens: {TOKENS}")
    if isinstance(error, errors.GatedRepoError):
        return HubError(
            f"{repo} is gated: its owner decides who may download it",
            f"accept its terms at {at}, then {log_in}",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return HubError(
            f"there is no repository {repo} on {endpoint()}, or it is private",
            f"look at the name; for a private one {log_in}",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(
            f"{repo} has no revision '{revision}'", f"see {at}/commits/main for those it has"
        )
    if isinstance(error, errors.EntryNotFoundError):
        return HubError(f"{repo} has no file {name} at {revision}", f"see {at}/tree/{revision}")
    if isinstance(error, errors.HfHubHTTPError):
        return _explain_status(error, repo, file, writing)
    if isinstance(error, _transport()):
        reason = str(error) or type(error).__name__
        return HubUnreachable(
            f"{endpoint()} cannot be reached for {file}: {reason}",
            "look at the network, the proxy and HF_ENDPOINT, and try again",
        )
    if writing and isinstance(error, ValueError):
        return HubError(
            f"{endpoint()} refuses what {repo} would hold: {error}", "mend it in the bundle"
        )
    return _explain_disk(error, file)


def _explain_status(error: Any, repo: str, file: str, writing: bool) -> HubError:
    status, said = error.response.status_code, error.server_message or ""
    said = f": {said}" if said else ""
    if writing and status in (401, 403):
        return HubError(
            f"this token may not write to {repo}{said}",
            f"make one with write permission at {TOKENS}, and set HF_TOKEN to it",
        )
    if status == 401:
        return HubError(
            f"the hub does not know this token{said}", f"log in again, or unset HF_TOKEN; {TOKENS}"
        )
    if status == 403:
        return HubError(
            f"this token may not read {file}{said}", f"see what it is allowed to at {TOKENS}"
        )
    if status == 412 and writing:
        return HubError(f"{repo} changed meanwhile{said}", "look at what it holds and push again")
    if status == 429:
        seconds = _retry_after(error)
        wait = f"wait {seconds} seconds" if seconds else "wait some minutes"
        return HubError(f"{endpoint()} gets too many requests from here", f"{wait} and try again")
    if status >= 500:
        return HubUnreachable(
            f"{endpoint()} has trouble of its own ({status}) with {file}", "try again later"
        )
    return HubError(f"{endpoint()} refuses {file} ({status}){said}", "see the hub's own message")


def _explain_disk(error: Exception, file: str) -> HubError:
    from huggingface_hub import constants

    number = getattr(error, "errno", None)
    if number == errno.ENOSPC:
        return HubError(
            f"the disk is full: {file} does not fit into {constants.HF_HUB_CACHE}",
            "free some space (`zoo cache` shows what lies there), or set HF_HOME to another disk",
        )
    if number is not None:
        return HubError(
            f"the cache {constants.HF_HUB_CACHE} cannot be written for {file}: {error}",
            "set HF_HOME to a folder that can be",
        )
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return HubUnreachable(f"{file} did not arrive whole: {reason}", "try again")
