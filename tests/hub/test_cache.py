"""Verifying again, listing and deleting what was fetched."""

from __future__ import annotations

import hub_server
import pytest

from zoo import bundle
from zoo import hub as hubs
from zoo.errors import HubError
from zoo.hub import cache, records
from zoo.hub.verify import everything, verify

REPO = "hf://user/repo"
LARGE = "model.safetensors"


def damage(path) -> None:
    """Change a byte and leave size and time as they are, as a bad disk does."""
    import os

    path = path.resolve()
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


# Verifying


def test_verify_reads_all_again(hub, small):
    commit = hub.add("user/repo", small)
    with pytest.raises(HubError, match=r"hf://user/repo was not fetched yet\n.*zoo download hf://"):
        verify(REPO)
    folder = hubs.find(REPO)
    assert verify(REPO) == f"{REPO}: 4 files as the hub reported: not pinned"
    damage(folder / LARGE)
    assert hubs.find(f"{REPO}@{commit}") == folder  # loading looks at size and time only
    with pytest.raises(
        HubError,
        match=r"model.safetensors of user/repo has the sha256 .* set aside as .*bad-1\n.*down",
    ):
        verify(REPO)
    with pytest.raises(HubError, match=r"model.safetensors of user/repo is missing"):
        verify(REPO)
    assert (hubs.find(f"{REPO}@{commit}") / LARGE).read_bytes() == small[LARGE]
    assert "4 files" in verify(REPO)


def test_verify_takes_the_hashes_of_the_registry(hub, small, registry):
    commit = hub.add("user/repo", small)
    hubs.find(REPO)
    hashes = {name: hub_server.sha256(content) for name, content in small.items()}

    def pin(**changed: str) -> None:
        lines = [f'"{name}" = "{each}"' for name, each in (hashes | changed).items()]
        registry("\n".join([f'revision = "{commit}"', "[weights.far.sha256]", *lines, ""]))

    pin()
    assert verify("vaswani2017.far") == "vaswani2017.far: 4 files as the registry says"
    pin(**{"README.md": "0" * 64})
    with pytest.raises(
        HubError, match=r"README.md of user/repo has the sha256 .* instead of 0{64}"
    ):
        verify("vaswani2017.far")


def test_verify_of_what_came_along_and_of_folders(hub, tiny_bundle):
    assert verify(tiny_bundle).endswith("5 files as its manifest says")
    assert verify("vaswani2017.tatoeba-en-fr").startswith("vaswani2017.tatoeba-en-fr: ")


def test_everything_that_is_here(hub, small):
    before = everything()
    assert "vaswani2017.tatoeba-en-fr" in before
    commit = hub.add("user/repo", small)
    hubs.find(REPO)
    assert everything() == [*before, f"{REPO}@{commit}"]


def test_a_damaged_conversion_is_set_aside(hub, small, tiny_bundle):
    commit = hub.add("user/repo", small)
    hubs.find(REPO)
    record = records.read("user/repo", commit)
    assert record is not None
    record.converted.mkdir()
    for path in tiny_bundle.iterdir():
        (record.converted / path.name).write_bytes(path.read_bytes())
    bundle.verify(record.converted)
    assert hubs.find(f"{REPO}@{commit}") == record.converted
    damage(record.converted / LARGE)
    with pytest.raises(HubError, match=r"model.safetensors was altered .*; it was set aside as"):
        verify(REPO)
    assert not record.converted.exists()


# Listing and deleting


def test_what_was_fetched_is_listed_and_deleted(hub, small, home):
    first = hub.add("user/repo", small)
    hubs.find(REPO)
    second = hub.add("user/repo", small | {"README.md": b"# Longer than it was\n"})
    hubs.find(f"{REPO}@{second}")
    hub.add("user/other", small)
    hubs.find("hf://user/other")
    sizes = {(each.repo, each.commit): each.fetched for each in cache.entries()}
    total = sum(map(len, small.values()))
    assert len(sizes) == 3
    assert sizes["user/repo", first] == total
    assert cache.delete(f"{REPO}@{first}") == total
    assert [(each.repo, each.commit) for each in cache.entries()
            if each.repo == "user/repo"] == [("user/repo", second)]  # fmt: skip
    # The two commits share their large file, which the second one still needs.
    assert (hubs.find(f"{REPO}@{second}") / LARGE).read_bytes() == small[LARGE]
    cache.delete("user/other")
    cache.delete(REPO)
    assert cache.entries() == []
    assert not list((home / "hub").glob("models--*"))
    with pytest.raises(HubError, match=r"nothing of user/repo is in the cache\n  there is none"):
        cache.delete("user/repo")
    assert (hubs.find(REPO) / LARGE).read_bytes() == small[LARGE]


def test_deleting_takes_the_conversion_too(hub, small):
    commit = hub.add("user/repo", small)
    hubs.find(REPO)
    record = records.read("user/repo", commit)
    assert record is not None
    record.converted.mkdir()
    (record.converted / "bundle.json").write_bytes(b"12345")
    assert [each.made for each in cache.entries()] == [5]
    cache.delete("hf://user/repo")
    assert not record.converted.exists()
