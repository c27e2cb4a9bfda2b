"""Every bundle in registry/bundles: whole, small, described, and answering as when it was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoo import bundle, golden
from zoo.bundle import model_card
from zoo.bundle.stored import SCALE
from zoo.config import catalog, recipe

FOLDERS = sorted(
    path for path in (catalog.data_root() / "registry" / "bundles").glob("*") if path.is_dir()
)
# What is measured beside the metric of a task.
MEASURED = {
    "translate": ("signature", "sentences", "chrf"),
    "generate": ("perplexity_per_token", "bits_per_character", "words", "tokens", "unknown"),
    "classify": ("macro_f1", "confusion", "texts"),
    "tag": ("accuracy", "words", "sentences"),
}
# What is, where the metric is F1 of entities.
ENTITIES = ("f1_strict", "kinds")
LARGEST = 16_000_000  # bytes of a file, and of all files but those of weights in shards

shipped = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@shipped
def test_a_shipped_bundle_is_whole_and_small(folder: Path):
    read = bundle.read(folder)
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert {"README.md", "LICENSE", "metrics.json", "golden.json", "history.csv"} <= set(files)
    shards = {name: files[name] for name in files if name.startswith("model-")}
    assert all(size <= LARGEST for size in shards.values())
    assert sum(files.values()) - sum(shards.values()) <= LARGEST
    held = _stored(read.folder)
    scales = {name for name in held if name.endswith(SCALE)}
    assert bool(scales) == bundle.Tensors(read.weights).quantized
    stored = {array.dtype for name, array in held.items() if name not in scales}
    assert all(dtype.itemsize == 2 for dtype in stored if dtype.kind == "f"), stored
    assert {dtype.kind for dtype in stored} <= {"f", "i"}  # counts are integers


@shipped
def test_a_shipped_bundle_is_registered(folder: Path):
    read = bundle.read(folder)
    tag, weights = model_card.registered(read.recipe)
    assert weights is not None
    assert weights.bundle == folder.name == f"{read.recipe.paper}.{tag}"
    assert weights.languages == read.recipe.data.languages
    assert weights.size == read.recipe.model.size
    assert catalog.find_bundle(f"{read.recipe.paper}.{tag}") == folder


@shipped
def test_a_shipped_bundle_says_what_was_measured(folder: Path):
    read = bundle.read(folder)
    metrics = read.metrics
    seen = read.recipe.spec.seen
    entities = ENTITIES if metrics["metric"] == "f1" else ()
    for key in ("metric", "value", "data", "split", "backend", "hardware", "keras", seen,
                *MEASURED[read.recipe.task], *entities):  # fmt: skip
        assert metrics.get(key) not in (None, ""), key
    options = read.recipe.evaluate
    assert metrics["metric"] == options.metric
    assert (options.minimum, options.maximum) != (None, None)
    assert metrics["value"] >= (options.minimum or 0)
    assert metrics["value"] <= (options.maximum or 1e9)
    assert read.history
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\n")
    assert catalog.measured(metrics) in card
    assert str(metrics[seen]) in card.replace(",", "")


@shipped
def test_a_shipped_bundle_answers_as_when_it_was_made(folder: Path):
    from zoo.loading import load

    pretrained = load(folder)
    assert pretrained.golden["inputs"]
    golden.check(pretrained.task, pretrained.golden)


def test_every_registered_bundle_of_a_checkout_is_there():
    root = catalog.data_root()
    if root.name == "_data":
        pytest.skip("an installed package carries only the default weights")
    if not FOLDERS:
        pytest.skip("no bundles yet")
    named = {
        weights.bundle
        for name in catalog.names()
        for weights in catalog.entry(name).weights.values()
        if weights.bundle
    }
    assert named == {folder.name for folder in FOLDERS}


# Runs whose weights are not kept: what they came to lies in a checkout.
TRAINED = sorted((catalog.data_root() / "benchmarks" / "trained").glob("*/metrics.json"))


@pytest.mark.parametrize("path", TRAINED, ids=lambda path: path.parent.name)
def test_a_run_whose_weights_are_not_kept_reached_what_its_recipe_asks(path: Path):
    made = recipe.load(path.parent.name)
    metrics = json.loads(path.read_text(encoding="utf-8"))
    options = made.evaluate
    assert metrics["metric"] == options.metric
    assert (options.minimum, options.maximum) != (None, None)
    assert (options.minimum or 0) <= metrics["value"] <= (options.maximum or 1e9)
    assert catalog.measured(metrics) in (path.parent / "README.md").read_text(encoding="utf-8")
    last = (path.parent / "history.csv").read_text(encoding="utf-8").splitlines()[-1]
    assert last.startswith(f"{made.train.updates},")


def _stored(folder: Path):
    from safetensors.numpy import load_file

    return {
        name: array
        for path in folder.glob("model*.safetensors")
        for name, array in load_file(path).items()
    }
