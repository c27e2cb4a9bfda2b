"""Publishing: one commit, a card by the hub's rules, and a registry entry that loads it."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import hub_server
import pytest

import zoo
from zoo import bundle
from zoo import hub as hubs
from zoo.bundle import model_card, quantization, stored
from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.config.tables import parse
from zoo.errors import BundleError, HubError
from zoo.hub import publish, verify

REPO = "user/repo"
# huggingface_hub's own use of its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def copy(tiny_bundle, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


@pytest.fixture
def writer(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_writer")


def held(hub, repo: str = REPO) -> dict[str, bytes]:
    found = hub.repositories[repo]
    return found.commits[found.branches["main"]]


# It goes well


def test_what_is_published_loads_by_the_entry_that_is_printed(hub, writer, copy, registry):
    made = publish.push(copy, REPO)
    local = {path.name: path.read_bytes() for path in copy.iterdir()}
    sent = held(hub)
    assert {name for name in sent if name != ".gitattributes"} == set(local)
    assert {n: c for n, c in sent.items() if n not in ("README.md", ".gitattributes")} == {
        n: c for n, c in local.items() if n != "README.md"
    }
    assert made.commit == hub.repositories[REPO].branches["main"]
    assert len(hub.repositories[REPO].commits) == 2  # the hub's own and ours
    assert str(made).startswith(f"sent to user/repo at commit {made.commit}, ")

    ((tag, facts),) = tomllib.loads(made.entry)["weights"].items()
    weights = parse(catalog.Weights, facts, "entry", BundleError)
    assert weights.hub == REPO
    assert weights.revision == made.commit
    registry("\n" + made.entry.replace('size = "base"', 'size = "starter"'))
    folder = hubs.find(f"vaswani2017.{tag}")
    bundle.verify(folder)
    model = zoo.load(f"hf://{REPO}@{made.commit}")
    one = ["je", "a"]
    assert model.predict(one, max_length=4) == zoo.load(copy).predict(one, max_length=4)


def test_the_card_is_complete_and_loads_from_the_hub(hub, writer, copy):
    made = publish.push(copy, REPO)
    card = held(hub)["README.md"].decode()
    assert card == made.card
    for part in (
        "library_name: keras", "license: other", 'language: ["en", "fr"]', '"paperzoo"',
        'model-index: [{"name": "tiny"', '{"type": "bleu", "value": 1.5, "name": "BLEU"}',
        'import zoo\n\nmodel = zoo.load("hf://user/repo")\nmodel.predict(', "## Trained",
        "6,912 weights",
    ):  # fmt: skip
        assert part in card, part


def test_a_card_written_by_hand_keeps_its_text(hub, writer, copy):
    (copy / "README.md").write_text("---\nlicense: mine\n---\n\n# By hand\n", "utf-8")
    publish.push(copy, REPO)
    card = held(hub)["README.md"].decode()
    assert card.endswith("---\n\n# By hand\n")
    assert "license: other" in card
    assert "license: mine" not in card


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipes_metadata_is_by_the_hubs_rules(name):
    made = recipes.load(name)
    metrics = {"metric": made.evaluate.metric, "value": 50.0, "chrf": 60.0, "data": "d"}
    for held_metrics in ({}, metrics):
        card = model_card.text(made, held_metrics, 1)
        assert hub_server.metadata_problems(card) == []


def test_a_model_in_memory_is_published(hub, writer, tiny_pretrained):
    made = tiny_pretrained.push(REPO, private=True)
    assert hub.repositories[REPO].private
    assert len(made.sha256) == len(held(hub)) - 1
    assert zoo.load(f"hf://{REPO}").recipe == tiny_pretrained.recipe


def test_publishing_again_replaces_the_bundle_and_nothing_else(hub, writer, copy):
    publish.push(copy, REPO)
    found = hub.repositories[REPO]
    found.commit(held(hub) | {"picture.png": b"mine"})
    facts = json.loads((copy / "bundle.json").read_text())
    del facts["files"]["history.csv"]
    (copy / "bundle.json").write_text(json.dumps(facts))
    made = publish.push(copy, REPO)
    assert made.deleted == ["history.csv"]
    assert "history.csv" not in held(hub)
    assert held(hub)["picture.png"] == b"mine"
    assert publish.push(copy, REPO).commit == made.commit  # nothing is new: no commit


def test_a_dry_run_sends_nothing(hub, copy):
    made = publish.push(copy, REPO, dry_run=True)
    assert hub.requests == []
    assert made.commit is None
    assert set(made.files) == {path.name for path in copy.iterdir()}
    assert str(made).startswith("would be sent to user/repo, ")
    assert "model.safetensors" in str(made)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_a_bundle_in_shards_is_published_fetched_and_pinned(
    hub, writer, tiny_pretrained, tmp_path, registry, monkeypatch, dtype
):
    monkeypatch.setattr(stored, "LARGEST", 6_000)
    monkeypatch.setattr(quantization, "SMALLEST", 64)
    copy = tiny_pretrained.save(tmp_path / "split", dtype=dtype)
    made = publish.push(copy, REPO)
    sent = sorted(name for name in held(hub) if name.startswith("model"))
    assert len(sent) > 2
    assert sent == sorted(path.name for path in copy.glob("model*"))
    assert "6,912 weights" in made.card
    assert ("stored in 8 bits" in made.card) == (dtype == "int8")
    model = zoo.load(f"hf://{REPO}@{made.commit}")
    one = ["je", "a"]
    assert model.predict(one, max_length=4) == zoo.load(copy).predict(one, max_length=4)

    ((tag, facts),) = tomllib.loads(made.entry)["weights"].items()
    assert set(sent) < set(facts["sha256"])
    registry("\n" + made.entry.replace('size = "base"', 'size = "starter"'))
    entry = catalog.entry("vaswani2017")
    assert catalog.weights_hash(entry, tag) == bundle.weights_hash(copy)
    assert catalog.named(entry, bundle.weights_hash(copy)) == f"vaswani2017.{tag}"
    folder = hubs.find(f"vaswani2017.{tag}")
    assert "as the registry says" in verify.verify(f"vaswani2017.{tag}")

    shard = folder / sent[1]
    content = shard.read_bytes()
    shard.resolve().write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(HubError, match=f"{sent[1]} of user/repo has the sha256 .* set aside as"):
        verify.verify(f"vaswani2017.{tag}")
    assert hubs.find(f"vaswani2017.{tag}") == folder  # and fetches that shard again
    assert shard.read_bytes() == content


def test_shards_take_the_place_of_one_file_in_a_repository(
    hub, writer, copy, tiny_pretrained, tmp_path, monkeypatch
):
    publish.push(copy, REPO)
    monkeypatch.setattr(stored, "LARGEST", 6_000)
    made = publish.push(tiny_pretrained.save(tmp_path / "split"), REPO)
    assert made.deleted == ["model.safetensors"]
    assert "model.safetensors.index.json" in held(hub)
    assert publish.push(copy, REPO).deleted == sorted(
        name for name in made.files if name.startswith("model")
    )
    assert zoo.load(f"hf://{REPO}").predict("je", max_length=4) is not None


def test_a_repository_that_lacks_a_shard_is_not_complete(
    hub, tiny_pretrained, tmp_path, monkeypatch
):
    monkeypatch.setattr(stored, "LARGEST", 6_000)
    folder = tiny_pretrained.save(tmp_path / "split")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    lost = sorted(name for name in files if name.startswith("model-"))[0]
    hub.add(REPO, {name: content for name, content in files.items() if name != lost})
    with pytest.raises(HubError, match=f"user/repo is not complete at commit .*: {lost} is missin"):
        zoo.load(f"hf://{REPO}")


# It is refused


def test_a_repository_with_something_else_is_refused_unless_told(hub, writer, copy):
    hub.add(REPO, {"config.json": b"{}", "model.bin": b"theirs"})
    with pytest.raises(
        HubError, match=r"something else than a bundle: config.json, model.bin\n.*--over"
    ):
        publish.push(copy, REPO)
    assert len(hub.repositories[REPO].commits) == 1
    publish.push(copy, REPO, overwrite=True)
    assert held(hub)["model.bin"] == b"theirs"
    assert "bundle.json" in held(hub)


def test_a_public_repository_does_not_become_private(hub, writer, copy):
    hub.add(REPO, {".gitattributes": b""})
    with pytest.raises(HubError, match=r"is there already, and public\n.*/user/repo/settings"):
        publish.push(copy, REPO, private=True)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("", r"nobody is logged in to http.*\n  `hf auth login`, or set HF_TOKEN; tokens: https"),
        ("hf_reader", r"this token may not write to user/repo: .*\n  make one with write permis"),
        ("hf_other", r"this token may not write to user/repo: .*rights.*\n  make one with write"),
        ("hf_wrong", r"this token may not write|does not know this token"),
    ],
)  # fmt: skip
def test_a_token_that_may_not_write_is_told(hub, copy, monkeypatch, token, text):
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(HubError, match=text):
        publish.push(copy, REPO)
    assert not hub.uploads
    assert REPO not in hub.repositories


def test_a_repository_that_changes_meanwhile_is_left_alone(hub, writer, copy):
    hub.add(REPO, {".gitattributes": b""})
    second = hub.repositories[REPO].commit({".gitattributes": b"x"}, "other")
    hub.fail("move", "/upload/", method="PUT", to=second)
    with pytest.raises(HubError, match=r"user/repo changed meanwhile.*\n.*push again"):
        publish.push(copy, REPO)


def test_an_upload_goes_through_a_hub_in_trouble(hub, writer, copy):
    hub.fail("status", "whoami", status=503)
    hub.fail("status", "/upload/", method="PUT", status=500)
    hub.fail("status", "preupload", method="POST", status=502)
    publish.push(copy, REPO)
    assert "model.safetensors" in held(hub)


def test_a_damaged_bundle_or_a_wrong_name_is_not_sent(hub, writer, copy):
    with pytest.raises(HubError, match=r"'repo' names no owner\n  write user/repo"):
        publish.push(copy, "repo")
    with pytest.raises(HubError, match="is no name of a repository"):
        publish.push(copy, "user/../repo")
    (copy / "model.safetensors").write_bytes(b"x")
    with pytest.raises(BundleError, match="truncated"):
        publish.push(copy, REPO)
    assert hub.requests == []


def test_metadata_that_the_hub_refuses_is_told(hub, writer, copy, monkeypatch):
    monkeypatch.setattr(model_card, "front_matter", lambda *_: "---\nlicense: mine\n---")
    with pytest.raises(HubError, match=r"refuses what user/repo would hold: (?s:.*)license mine"):
        publish.push(copy, REPO)
    assert list(held(hub)) == [".gitattributes"]
