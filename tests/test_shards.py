"""Weights over 16 MB in several files: as Hugging Face splits them, whole or refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from zoo import bundle
from zoo.bundle import stored
from zoo.config import catalog, shards
from zoo.convert import tensors as checkpoints
from zoo.errors import BundleError
from zoo.loading import load

LIMIT = 6_000


@pytest.fixture
def limit(monkeypatch):
    """Let a file of weights have few bytes."""
    monkeypatch.setattr(stored, "LARGEST", LIMIT)


@pytest.fixture(scope="module")
def made(tiny_pretrained, tmp_path_factory) -> Path:
    """The tiny bundle with its weights in shards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "LARGEST", LIMIT)
        return tiny_pretrained.save(tmp_path_factory.mktemp("made") / "split")


@pytest.fixture
def split(limit, made, tmp_path) -> Path:
    """A copy of it that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "split"))


def listed(folder: Path) -> dict[str, dict]:
    return json.loads((folder / "bundle.json").read_text("utf-8"))["files"]


def of(folder: Path) -> list[Path]:
    return sorted(folder.glob("model-*"))


# Files


def test_16_mb_are_one_file_and_more_are_shards(tmp_path):
    assert stored.LARGEST == 16_000_000
    rows = {f"w{number}": np.zeros((1000, 1000), "float32") for number in range(7)}
    assert bundle.save_weights(tmp_path / "a.safetensors", rows).name == "a.safetensors"
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    path = bundle.save_weights(tmp_path / "a.safetensors", rows, "float32")
    assert path.name == "a.safetensors.index.json"
    sizes = {file.name: file.stat().st_size for file in tmp_path.glob("*.safetensors")}
    assert sorted(sizes) == [f"a-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    assert max(sizes.values()) <= 16_000_000


def test_shards_and_their_index_are_as_hugging_face_has_them(split):
    index = json.loads((split / shards.INDEX).read_text("utf-8"))
    held = {path.name: load_file(path) for path in of(split)}
    total = len(held)
    assert total > 1
    assert list(held) == [f"model-{n:05}-of-{total:05}.safetensors" for n in range(1, total + 1)]
    assert index["weight_map"] == dict(sorted((n, f) for f, each in held.items() for n in each))
    size = sum(array.nbytes for each in held.values() for array in each.values())
    assert index["metadata"] == {"total_size": size}
    for path in of(split):
        assert path.stat().st_size <= LIMIT or len(held[path.name]) == 1


def test_transformers_finds_our_shards_by_our_index(split):
    hub = pytest.importorskip("transformers.utils.hub")
    files, _ = hub.get_checkpoint_shard_files(str(split), str(split / shards.INDEX))
    assert sorted(map(Path, files)) == of(split)


def test_shards_that_transformers_wrote_are_read(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.OpenAIGPTConfig(
        vocab_size=50, n_positions=8, n_embd=16, n_layer=2, n_head=2
    )
    model = transformers.OpenAIGPTModel(config)
    model.save_pretrained(tmp_path / "one")
    model.save_pretrained(tmp_path / "several", max_shard_size="5KB")
    assert not (tmp_path / "several" / "model.safetensors").exists()
    one, several = (checkpoints.read(tmp_path / name) for name in ("one", "several"))
    assert set(one) == set(several)
    for name, tensor in one.items():
        assert several[name].shape == tensor.shape
        np.testing.assert_array_equal(several[name].numbers(), tensor.numbers())


# Bundles


def test_a_split_bundle_loads_as_the_whole_one(split, tiny_bundle, tiny_pretrained):
    assert load(split).metrics == tiny_pretrained.metrics != {}
    before, after = bundle.read_weights(bundle.read(tiny_bundle).weights), bundle.read(split)
    assert after.weights == split / shards.INDEX
    for name, array in bundle.read_weights(after.weights).items():
        np.testing.assert_array_equal(array, before[name])
    assert json.loads((split / "bundle.json").read_text())["format"] == 2
    assert {shards.INDEX, *(path.name for path in of(split))} <= set(listed(split))
    assert shards.WEIGHTS not in listed(split)


def test_a_split_bundle_is_known_by_one_hash(split):
    if shutil.which("sha256sum"):
        command = "sha256sum model-*-of-*.safetensors | sha256sum"
        found = subprocess.run(
            ["sh", "-c", command], cwd=split, capture_output=True, text=True, check=True
        ).stdout.split()[0]
        assert bundle.read(split).sha256 == found
    assert bundle.weights_hash(split) == bundle.read(split).sha256
    metrics = json.loads((split / "metrics.json").read_text("utf-8"))
    assert metrics["weights_sha256"] == bundle.read(split).sha256
    model = load(split)
    assert bundle.are_those_of(bundle.arrays(model.model), bundle.read(split).sha256)
    again = model.save(split.parent / "again")
    assert bundle.weights_hash(again) == bundle.weights_hash(split)


def test_one_large_file_of_an_earlier_version_keeps_its_name(tiny_bundle, limit):
    model = load(tiny_bundle)
    sha256 = hashlib.sha256((tiny_bundle / "model.safetensors").read_bytes()).hexdigest()
    assert bundle.are_those_of(bundle.arrays(model.model), sha256)
    assert model.metrics


def test_the_registry_knows_shards_by_their_hash(split, monkeypatch):
    hashes = {name: facts["sha256"] for name, facts in listed(split).items()}
    assert shards.hash_of(hashes) == bundle.weights_hash(split)
    del hashes[of(split)[1].name]
    assert shards.hash_of(hashes) is None
    entry = catalog.entry("vaswani2017")
    tag = entry.default
    root = split.parent / "root"
    bundles = root / "registry" / "bundles"
    shutil.copytree(split, bundles / str(entry.weights[tag].bundle))
    monkeypatch.setattr(catalog, "data_root", lambda: root)
    assert catalog.weights_hash(entry, tag) == bundle.weights_hash(split)
    assert catalog.named(entry, bundle.weights_hash(split)) == f"vaswani2017.{tag}"


def test_a_bundle_whose_weights_shrink_or_grow_leaves_no_old_file(split, monkeypatch):
    model = load(split)
    monkeypatch.setattr(stored, "LARGEST", 10**9)
    model.save(split)
    assert of(split) == []
    assert (split / shards.WEIGHTS).is_file()
    assert not (split / shards.INDEX).exists()
    monkeypatch.setattr(stored, "LARGEST", LIMIT)
    model.save(split)
    assert len(of(split)) > 1
    assert not (split / shards.WEIGHTS).exists()
    bundle.verify(split)
    assert [path.name for path in split.parent.iterdir()] == [split.name]


def test_a_failure_between_two_shards_leaves_the_previous_bundle(split, monkeypatch):
    before = {path.name: path.read_bytes() for path in split.iterdir()}
    model, write, written = load(split), Path.write_bytes, []

    def full(self: Path, content: bytes) -> int:
        written.append(self.name)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        return write(self, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(BundleError, match="No space left on device"):
            model.save(split)
    assert len(written) == 2
    assert {path.name: path.read_bytes() for path in split.iterdir()} == before
    assert [path.name for path in split.parent.iterdir()] == [split.name]


# Damage


def test_a_missing_or_damaged_shard_is_named(split):
    path = of(split)[1]
    whole = path.read_bytes()
    for content, message in (
        (whole[:-1], "is truncated"), (whole[:-1] + bytes([whole[-1] ^ 1]), "was altered"),
    ):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(BundleError, match=f"{path.name} {message}"):
            load(split)
    path.unlink()
    with pytest.raises(BundleError, match=f"is not complete: {path.name} is missing\n  fetch or"):
        load(split)


@pytest.mark.parametrize("which", ["shard", "index"])
def test_a_manifest_without_a_shard_or_the_index_is_no_bundle(split, which):
    name = of(split)[-1].name if which == "shard" else shards.INDEX
    manifest = json.loads((split / "bundle.json").read_text())
    del manifest["files"][name]
    (split / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=f"is no bundle: {name} is missing"):
        bundle.read(split)


def test_a_bundle_with_weights_twice_is_refused_and_an_added_file_is_not_read(split, tiny_bundle):
    shutil.copyfile(tiny_bundle / shards.WEIGHTS, split / shards.WEIGHTS)
    assert bundle.read(split).weights.name == shards.INDEX  # the manifest does not list the other
    manifest = json.loads((split / "bundle.json").read_text())
    manifest["files"] |= {shards.WEIGHTS: listed(tiny_bundle)[shards.WEIGHTS]}
    (split / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"holds model-00001-of-\d+\.safetensors beside model\.s"):
        bundle.read(split)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda places: dict(list(places.items())[1:]), "does not hold the tensors that"),
        (lambda places: places | {"x": "../x.safetensors"}, "not its shards"),
        (lambda places: dict.fromkeys(places, "other.safetensors"), "not its shards"),
        (lambda places: {}, "is no index|not its shards"),
        (lambda places: [], "is no index"),
    ],
)
def test_an_index_that_is_not_of_its_shards_is_refused(split, change, message):
    index = json.loads((split / shards.INDEX).read_text())
    index["weight_map"] = change(index["weight_map"])
    (split / shards.INDEX).write_text(json.dumps(index))
    with pytest.raises(BundleError, match=message):
        bundle.read_weights(split / shards.INDEX)


def test_an_index_without_its_shards_is_one_message(split):
    of(split)[0].unlink()
    with pytest.raises(BundleError, match=r"there is no file .*model-00001-of-"):
        bundle.read_weights(split / shards.INDEX)
    (split / shards.INDEX).write_text("{")
    with pytest.raises(BundleError, match="is no index of safetensors files"):
        bundle.read_weights(split / shards.INDEX)
