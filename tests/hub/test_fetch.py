"""Fetching from a hub that fails: every failure ends in right files, or in one clear error."""

from __future__ import annotations

import errno
import json
import os
import shutil
import warnings
from pathlib import Path

import hub_server
import pytest
from huggingface_hub import constants

import zoo
from zoo import hub as hubs
from zoo.config import catalog
from zoo.errors import BundleError, HubError, HubUnreachable, ZooWarning
from zoo.hub import client, records

REPO = "hf://user/repo"
LARGE = "model.safetensors"


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def blobs(home: Path, pattern: str = "*") -> list[Path]:
    return sorted((home / "hub" / "models--user--repo" / "blobs").glob(pattern))


# All goes well


def test_files_are_fetched_once(hub, small):
    commit = hub.add("user/repo", small | {".gitattributes": b"x", "other.bin": b"not asked for"})
    assert content(hubs.find(REPO)) == small
    asked = len(hub.requests)
    assert content(hubs.find(f"{REPO}@{commit}")) == small
    assert len(hub.requests) == asked  # a commit never moves: the network is not asked
    hubs.find(REPO)
    assert [path for _, path, _ in hub.requests[asked:]] == ["/api/models/user/repo?blobs=true"]


def test_a_private_repository_needs_a_token(hub, small, monkeypatch):
    hub.add("user/repo", small, private=True)
    with pytest.raises(
        HubError, match=r"no repository user/repo on http.*, or it is private\n.*HF_TOKEN"
    ):
        hubs.find(REPO)
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    assert content(hubs.find(REPO)) == small


# Failures that pass


@pytest.mark.parametrize(
    ("kind", "where", "options"),
    [
        ("drop", "storage", {"at": 100_000}),
        ("drop", "storage", {"at": 100_000, "reset": True}),
        ("drop", "storage", {"at": 0, "times": 3}),
        ("drop", "recipe.toml", {"at": 10}),
        ("drop", "api/models", {"at": 10}),
        ("stall", "storage", {"at": 50_000}),
        ("stall", "api/models", {}),
        ("short", "storage", {"at": 1000}),
        ("short", "recipe.toml", {"at": 100}),
        ("wrong", "storage", {"at": 150_000}),
        ("wrong", "recipe.toml", {"at": 5}),
        ("status", "storage", {"status": 500, "times": 2}),
        ("status", "storage", {"status": 503}),
        ("status", "resolve", {"status": 500, "method": "HEAD", "times": 2}),
        ("status", "api/models", {"status": 502}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_passes_ends_in_right_files(hub, small, kind, where, options):
    hub.add("user/repo", small)
    hub.fail(kind, where, **options)
    assert content(hubs.find(REPO)) == small
    assert not any(fault.times for fault in hub.faults)


def test_a_broken_transfer_goes_on_where_it_stopped(hub, small):
    hub.add("user/repo", small)
    hub.fail("drop", "storage", at=200_000)
    hubs.find(REPO)
    (asked,) = [extra for method, _, extra in hub.requests if method == "RANGE"]
    assert 100_000 < int(asked.removeprefix("bytes=").rstrip("-")) <= 200_000


@pytest.mark.parametrize(("method", "where"), [("GET", "api/models"), ("GET", "storage")])
def test_a_busy_hub_is_left_alone_as_long_as_it_asks(hub, small, waits, method, where):
    hub.add("user/repo", small)
    hub.fail("status", where, method=method, status=429, headers={"Retry-After": "7"})
    assert content(hubs.find(REPO)) == small
    assert any(7 <= wait <= 8 for wait in waits)


def test_a_busy_hub_that_asks_for_long_is_not_waited_for(hub, small, waits):
    hub.add("user/repo", small)
    hub.fail("status", "api/models", status=429, headers={"Retry-After": "3600"})
    with pytest.raises(HubError, match=r"too many requests from here\n  wait 3600 seconds"):
        hubs.find(REPO)
    assert not waits


def test_a_wrong_file_is_set_aside_and_fetched_again(hub, small, home):
    hub.add("user/repo", small)
    hub.fail("wrong", "storage", at=1234)
    folder = hubs.find(REPO)
    (aside,) = blobs(home, "*.bad-1")
    wrong = bytearray(small[LARGE])
    wrong[1234] ^= 1
    assert aside.read_bytes() == wrong
    assert (folder / LARGE).read_bytes() == small[LARGE]


def test_a_branch_that_moves_meanwhile_changes_nothing(hub, small):
    first = hub.add("user/repo", small)
    second = hub.add("user/repo", small | {"recipe.toml": b"other"})
    hub.repositories["user/repo"].branches["main"] = first
    hub.fail("move", "bundle.json", method="HEAD", to=second)
    assert content(hubs.find(REPO)) == small


# Failures that stay


@pytest.mark.parametrize(
    ("kind", "options", "error", "text"),
    [
        (
            "wrong", {"at": 7}, HubError,
            r"model.safetensors of user/repo at commit \w{40} has the sha256 \w{64} instead of "
            r"\w{64}, fetched twice\n.* do not use it.*\.bad-2$",
        ),
        ("short", {"at": 9}, HubUnreachable, r"model.safetensors of user/repo did not arrive who"),
        ("status", {"status": 500}, HubUnreachable, r"trouble of its own \(500\).*\n  try again"),
        ("status", {"status": 429}, HubError, r"too many requests from here\n  wait some minutes"),
        ("status", {"status": 403}, HubError, r"may not read model.safetensors of user/repo"),
        ("drop", {"reset": True}, HubUnreachable, r"cannot be reached for model.safetensors"),
        ("drop", {}, HubUnreachable, r"cannot be reached for model.safetensors of user/repo"),
    ],
)  # fmt: skip
def test_what_stays_is_one_error_and_the_next_load_succeeds(hub, small, kind, options, error, text):
    hub.add("user/repo", small)
    hub.fail(kind, "storage", times=1000, **options)
    with pytest.raises(error, match=text):
        hubs.find(REPO)
    hub.faults.clear()
    assert content(hubs.find(REPO)) == small


def test_no_network_is_told_at_once(hub, small, waits, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        HubUnreachable, match=r"127.0.0.1:9 cannot be reached for user/repo: .*\n.*proxy"
    ):
        hubs.find(REPO)
    assert not waits


def test_an_unknown_token_is_told(hub, small):
    hub.add("user/repo", small)
    hub.fail(
        "status",
        "api/models",
        status=401,
        headers={"X-Error-Message": "Invalid credentials in Authorization header"},
    )
    with pytest.raises(
        HubError, match=r"does not know this token.*\n  log in again, or unset HF_TOKEN"
    ):
        hubs.find(REPO)


def test_a_gated_repository_says_what_to_do(hub, small):
    hub.add("user/repo", small, gated=True)
    with pytest.raises(
        HubError, match=r"user/repo is gated.*\n  accept its terms at .*/user/repo, then `hf auth"
    ):
        hubs.find(REPO)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("hf://nobody/nothing", r"there is no repository nobody/nothing on .*, or it is private"),
        ("hf://user/repo@v9", r"user/repo has no revision 'v9'\n  see .*/user/repo/commits/main"),
        ("hf://user/repo@" + "0" * 40, r"user/repo has no revision '0{40}'"),
        ("hf://user/repo@", "names no revision after @"),
        ("hf://user/repo/more", "'user/repo/more' is no name of a repository"),
        ("hf://../repo", "is no name of a repository"),
        ("hf://", "is no name of a repository"),
        ("hf://user/a..b", "is no name of a repository"),
        ("hf://user/repo.git", "'user/repo.git' is no name of a repository: "),
    ],
)
def test_wrong_names_are_told(hub, small, reference, text):
    hub.add("user/repo", small)
    with pytest.raises(HubError, match=text):
        hubs.find(reference)


# What a repository holds


def test_a_repository_that_is_nothing_known_is_not_fetched(hub, small):
    hub.add("user/repo", {"config.json": b'{"model_type": "t5"}', LARGE: small[LARGE]})
    with pytest.raises(
        HubError,
        match=r"neither a bundle .* nor a checkpoint that is known; it holds config.json, "
        r"model.safetensors\n.*known checkpoints: .*OpenAI GPT",
    ):
        hubs.find(REPO)
    assert not hub.asked("GET", "storage")


def test_a_checkpoint_is_fetched_without_other_frameworks_copies(hub, small):
    kept = {"config.json": b'{"model_type": "openai-gpt"}', "vocab.json": b"{}", "merges.txt": b"",
            LARGE: small[LARGE]}  # fmt: skip
    others = {"tf_model.h5": b"1", "rust_model.ot": b"2", "pytorch_model.bin": b"3",
              "training_args.bin": b"4", "onnx/model.onnx": b"5"}  # fmt: skip
    hub.add("user/repo", kept | others)
    assert content(hubs.find(REPO)) == kept
    del kept[LARGE]
    hub.add("user/other", kept | others)
    assert set(content(hubs.find("hf://user/other"))) == {*kept, "pytorch_model.bin"}


def test_a_hub_that_tells_no_hashes_is_not_trusted(hub, small):
    hub.add("user/repo", small)
    hub.tells_hashes = False
    with pytest.raises(
        HubError, match=r"reports no hashes for user/repo, so \S+ cannot be checked"
    ):
        hubs.find(REPO)
    assert not hub.asked("GET", "resolve")


def test_an_incomplete_bundle_is_told(hub, small):
    del small["recipe.toml"]
    hub.add("user/repo", small)
    with pytest.raises(HubError, match=r"not complete at commit \w{40}: recipe.toml is missing\n"):
        hubs.find(REPO)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/b", "..", "C:evil"])
def test_names_outside_the_folder_are_refused(hub, small, home, name):
    manifest = json.loads(small["bundle.json"])
    manifest["files"][name] = {"bytes": 1, "sha256": "0" * 64}
    hub.add("user/repo", small | {"bundle.json": json.dumps(manifest).encode(), name: b"x"})
    with pytest.raises(BundleError, match=r"names a file '.*', which is not inside the bundle"):
        hubs.find(REPO)
    assert not list(home.rglob("evil"))


def test_a_newer_format_says_what_to_install(hub, small):
    manifest = json.loads(small["bundle.json"]) | {"format": 99, "paperzoo": "7.0"}
    hub.add("user/repo", small | {"bundle.json": json.dumps(manifest).encode()})
    with pytest.raises(BundleError, match=r'format 99.*\n.*pip install --upgrade "paperzoo>=7.0"'):
        hubs.find(REPO)
    assert not hub.asked("GET", "storage")


# Branches


def test_a_branch_that_moved_is_told_and_followed(hub, small):
    first = hub.add("user/repo", small)
    hubs.find(REPO)
    other = small | {"README.md": b"# Another card\n"}
    hub.add("user/repo", other)
    with pytest.warns(
        ZooWarning, match=rf"has moved from commit {first} to .*\n.*@{first} is what"
    ):
        assert content(hubs.find(REPO)) == other
    assert content(hubs.find(f"{REPO}@{first}")) == small


def test_without_a_network_a_branch_is_where_it_was(hub, small, offline):
    commit = hub.add("user/repo", small)
    hubs.find(REPO)
    offline()
    with pytest.warns(ZooWarning, match=f"HF_HUB_OFFLINE.*\n  going on with commit {commit}"):
        assert content(hubs.find(REPO)) == small
    assert content(hubs.find(f"{REPO}@{commit}")) == small


# The cache


def test_a_damaged_file_is_noticed_set_aside_and_fetched_again(hub, small, home):
    commit = hub.add("user/repo", small)
    path = (hubs.find(REPO) / LARGE).resolve()
    path.write_bytes(path.read_bytes()[:1000])
    assert content(hubs.find(f"{REPO}@{commit}")) == small
    assert [each.stat().st_size for each in blobs(home, "*.bad-*")] == [1000]


def test_a_damaged_file_without_a_network_says_both(hub, small, home, offline):
    commit = hub.add("user/repo", small)
    path = (hubs.find(REPO) / LARGE).resolve()
    path.write_bytes(path.read_bytes()[:1000])
    offline()
    with pytest.raises(
        HubUnreachable, match=r"has 1,000 bytes instead of 300,000 and was set aside as .*OFFLINE"
    ):
        hubs.find(f"{REPO}@{commit}")


def test_a_file_that_another_program_left_is_checked_too(hub, small, home):
    commit = hub.add("user/repo", small)
    client.download("user/repo", commit, LARGE).resolve().write_bytes(b"x")
    assert content(hubs.find(REPO)) == small


def test_parts_that_a_killed_download_left_are_swept(hub, small, home):
    from huggingface_hub.utils import WeakFileLock

    hub.add("user/repo", small)
    folder = home / "hub" / "models--user--repo" / "blobs"
    folder.mkdir(parents=True)
    orphan, used = (folder / f"{each * 64}.12345678.incomplete" for each in "ab")
    orphan.write_bytes(b"x")
    used.write_bytes(b"y")
    locks = home / "hub" / ".locks" / "models--user--repo"
    locks.mkdir(parents=True)
    with WeakFileLock(locks / f"{'b' * 64}.lock"):
        hubs.find(REPO)
    assert blobs(home, "*.incomplete") == [used]


def test_a_cache_that_cannot_be_written_is_told(hub, small, home, monkeypatch):
    hub.add("user/repo", small)
    home.mkdir()
    (home / "file").write_text("x")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "file" / "hub"))
    with pytest.raises(HubError, match=r"cache .*file/hub cannot be written .*\n  set HF_HOME to"):
        hubs.find(REPO)


def test_a_cache_that_can_only_be_read_serves_what_it_has(hub, small, home, monkeypatch):
    commit = hub.add("user/repo", small)
    hubs.find(REPO)
    shutil.rmtree(home / "assets")
    (home / "assets").write_text("no folder")  # nothing can be written there, no lock either
    asked = hub.asked("GET", "storage")
    assert content(hubs.find(f"{REPO}@{commit}")) == small
    assert hub.asked("GET", "storage") == asked


def test_a_full_disk_is_told_before_and_during(hub, small, home, monkeypatch):
    hub.add("user/repo", small)
    usage = shutil.disk_usage(home.parent)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
        with pytest.raises(
            HubError, match=r"user/repo needs 30\d\.\d kB, and .* has 100.0 kB left\n.*zoo cache"
        ):
            hubs.find(REPO)
    assert not hub.asked("GET", "storage")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("huggingface_hub.HfApi.hf_hub_download", full)
        with pytest.raises(HubError, match=r"the disk is full: bundle.json .*\n  free some space"):
            hubs.find(REPO)
    assert content(hubs.find(REPO)) == small


# The registry


def pins(files: dict[str, bytes], commit: str, **changed: str) -> str:
    hashes = {name: hub_server.sha256(each) for name, each in files.items()} | changed
    lines = [f'"{name}" = "{each}"' for name, each in hashes.items()]
    return "\n".join([f'revision = "{commit}"', "[weights.far.sha256]", *lines, ""])


def test_pinned_weights_are_what_the_registry_says(hub, small, registry):
    commit = hub.add("user/repo", small)
    hub.add("user/repo", small | {"recipe.toml": b"moved"})
    registry(pins(small, commit))
    assert content(hubs.find("vaswani2017.far")) == small
    asked = len(hub.requests)
    assert content(hubs.find("vaswani2017.far")) == small
    assert len(hub.requests) == asked
    record = records.read("user/repo", commit)
    assert record is not None
    assert record.pinned


def test_hashes_alone_pin_files_at_any_commit(hub, small, registry):
    commit = hub.add("user/repo", small | {"README.md": b"the first"})
    pinned = {name: each for name, each in small.items() if name != "README.md"}
    registry(pins(pinned, commit).partition("\n")[2])
    hub.add("user/repo", small | {"README.md": b"another"})
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZooWarning)  # nothing is said to be unpinned
        assert content(hubs.find("vaswani2017.far")) == pinned
    hub.add("user/repo", small | {LARGE: b"others"})
    assert content(hubs.find("vaswani2017.far")) == pinned
    registry(pins(pinned, commit, **{LARGE: "0" * 64}).partition("\n")[2])
    with pytest.raises(HubError, match=r"instead of 0{64}, fetched twice"):
        hubs.find("vaswani2017.far")


def test_a_hub_that_contradicts_the_registry_is_not_believed(hub, small, registry):
    commit = hub.add("user/repo", small)
    registry(pins(small, commit, **{LARGE: "0" * 64}))
    with pytest.raises(
        HubError, match=r"the hub reports the sha256 .* and the registry pins 0{64}"
    ):
        hubs.find("vaswani2017.far")
    assert not hub.asked("GET", "storage")
    # Of a small file the hub reports no sha256: the registry's finds out once it is here.
    registry(pins(small, commit, **{"recipe.toml": "0" * 64}))
    with pytest.raises(
        HubError, match=r"recipe.toml .* instead of 0{64}, fetched twice\n.* do not use"
    ):
        hubs.find("vaswani2017.far")
    registry(pins(small, commit, **{"gone.txt": "0" * 64}))
    with pytest.raises(HubError, match=r"user/repo has no file gone.txt at commit .*pins one for"):
        hubs.find("vaswani2017.far")


def test_files_fetched_before_they_were_pinned_are_checked_again(hub, small, registry):
    commit = hub.add("user/repo", small)
    hubs.find(REPO)
    registry(pins(small, commit))
    asked = len(hub.requests)
    assert content(hubs.find("vaswani2017.far")) == small
    assert len(hub.requests) == asked
    registry(pins(small, commit, **{"recipe.toml": "0" * 64}))
    with pytest.raises(HubError, match="fetched twice"):
        hubs.find("vaswani2017.far")


def test_weights_never_pinned_are_said_to_be_so_and_stay_where_they_are(hub, small, registry):
    commit = hub.add("user/repo", small)
    with pytest.warns(
        ZooWarning, match=rf"far was never pinned.*{commit}.*\n.*zoo pin vaswani2017.far"
    ):
        assert content(hubs.find("vaswani2017.far")) == small
    moved = small | {"README.md": b"# Moved\n"}
    hub.add("user/repo", moved)
    assert content(hubs.find(REPO)) == moved  # the branch, which others may follow
    asked = len(hub.requests)
    assert content(hubs.find("vaswani2017.far")) == small
    assert len(hub.requests) == asked


def test_gpt1_without_a_network_names_the_weights_that_came_along(hub, offline):
    offline()
    if not catalog.is_here(catalog.entry("gpt1").weights["starter"]):
        pytest.skip("an installed package has no weights of gpt1")
    with pytest.raises(HubUnreachable, match=r"openai-gpt.*\n.*zoo.load\('gpt1.starter'\).* works"):
        zoo.load("gpt1")


def test_who_reads_the_registry_alone_is_told_how_to_fetch(hub, registry):
    with pytest.raises(
        BundleError, match=r"they are user/repo on the hub\n  zoo.load\('vasw.*far'"
    ):
        catalog.find_bundle("vaswani2017.far")
    assert catalog.metrics(catalog.entry("vaswani2017"), "far") == {}


def test_without_a_network_the_error_names_what_works(hub, registry, offline):
    offline()
    with pytest.raises(
        HubUnreachable,
        match=r"user/repo is not in the cache.*\n.*zoo.load\('vaswani2017.tatoeba-en-fr'\) works",
    ):
        hubs.find("vaswani2017.far")
    assert hubs.find("vaswani2017.tatoeba-en-fr").is_dir()
