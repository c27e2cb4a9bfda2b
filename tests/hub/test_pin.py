"""Pinning: a table of the registry gains revision and hashes, and nothing else changes."""

from __future__ import annotations

import difflib
import tomllib

import hub_server
import pytest

from zoo import hub as hubs
from zoo.config import catalog
from zoo.errors import HubError, OptionError, RecipeError
from zoo.hub import pin

NAME = "vaswani2017.far"


def test_pinning_writes_what_arrived(hub, small, registry):
    path = registry()
    before = path.read_text("utf-8")
    commit = hub.add("user/repo", small)
    assert pin.pin(NAME) == path
    after = path.read_text("utf-8")
    assert after.startswith(before.rstrip())  # comments and all
    weights = tomllib.loads(after)["weights"]["far"]
    assert weights["revision"] == commit
    assert weights["sha256"] == {name: hub_server.sha256(each) for name, each in small.items()}
    assert catalog.entry("vaswani2017").weights["far"].revision == commit
    asked = len(hub.requests)
    hubs.find(NAME)  # without a warning, and without asking
    assert len(hub.requests) == asked


def test_pinning_again_needs_a_revision(hub, small, registry):
    path = registry()
    hub.add("user/repo", small)
    pin.pin(NAME)
    once = path.read_text("utf-8")
    second = hub.add("user/repo", small | {"README.md": b"# New\n"})
    with pytest.raises(OptionError, match=r"is pinned to \w{40} already\n.*--revision"):
        pin.pin(NAME)
    pin.pin(NAME, "main")
    twice = path.read_text("utf-8")
    assert tomllib.loads(twice)["weights"]["far"]["revision"] == second
    assert len(twice.splitlines()) == len(once.splitlines())


def test_pinning_what_a_pattern_stands_for_adds_its_table(hub, small, registry):
    before = registry().read_text("utf-8")
    commit = hub.add("Helsinki-NLP/opus-mt-fr-en", small)
    after = pin.pin("vaswani2017.opus-mt-fr-en").read_text("utf-8")
    assert after.startswith(before.rstrip())
    weights = catalog.entry("vaswani2017").weights["opus-mt-fr-en"]
    assert (weights.hub, weights.languages) == ("Helsinki-NLP/opus-mt-fr-en", ["fr", "en"])
    assert weights.revision == commit
    assert set(weights.sha256) == set(small)


def test_what_cannot_be_pinned(hub, small, registry):
    with pytest.raises(OptionError, match=r"tatoeba-en-fr is not on the hub"):
        pin.pin("vaswani2017.tatoeba-en-fr")
    before = registry().read_text("utf-8")
    with pytest.raises(HubError, match="no repository user/repo"):
        pin.pin(NAME)
    hub.add("user/repo", small)
    hub.fail("wrong", "storage", at=5, times=9)
    with pytest.raises(HubError, match="fetched twice"):
        pin.pin(NAME)
    assert registry().read_text("utf-8") == before


TEXT = """# head
[weights.a]
hub = "u/a"
revision = "old"  # the old one
# about b
[weights."a.b"]
hub = "u/b"

# tail
"""


def test_only_the_lines_of_one_table_change():
    assert pin.edited(TEXT, "a", "new", {"x.json": "1"}) == (
        '# head\n[weights.a]\nhub = "u/a"\nrevision = "new"\n\n[weights.a.sha256]\n"x.json" = "1"\n'
        '# about b\n[weights."a.b"]\nhub = "u/b"\n\n# tail\n'
    )
    made = pin.edited(TEXT, "a.b", "new", {"x.json": "1"})
    assert made == TEXT.replace(
        'hub = "u/b"\n', 'hub = "u/b"\nrevision = "new"\n\n[weights."a.b".sha256]\n"x.json" = "1"\n'
    )
    assert pin.edited(made, "a.b", "newer", {"x.json": "1"}) == made.replace('"new"', '"newer"')


def test_every_table_of_the_registry_gains_lines_and_loses_none():
    hashes = {"model.safetensors": "1", "a b.json": "2"}
    for name in catalog.names():
        text = (catalog.data_root() / "registry" / f"{name}.toml").read_text("utf-8")
        for tag, weights in catalog.entry(name).weights.items():
            if weights.sha256:
                continue
            made = pin.edited(text, tag, "c" * 40, hashes)
            assert {line[:1] for line in difflib.ndiff(text.splitlines(), made.splitlines())} == {
                " ", "+"
            }  # fmt: skip
            assert tomllib.loads(made)["weights"][tag]["sha256"] == hashes
            again = pin.edited(made, tag, "d" * 40, hashes)
            assert again == made.replace("c" * 40, "d" * 40)


def test_a_table_that_cannot_be_edited_is_left_alone(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('weights = { a = { hub = "u/a" } }\n')
    weights = catalog.entry("vaswani2017").weights["multi30k-de-en"]
    with pytest.raises(RecipeError, match=r"cannot be edited\n.*weights.a.sha256.*by hand"):
        pin._write(path, "a", weights, "0" * 40, {"x": "1"})
    assert path.read_text() == 'weights = { a = { hub = "u/a" } }\n'
