"""What the wheel carries: code, registry, recipes and only weights that may be passed on."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
import zipfile

import pytest

import zoo
from zoo.config import catalog, recipe

ROOT = catalog.data_root()
# Beginnings of data licences under which weights may be published with the package.
OPEN = ("CC0", "CC BY", "Apache-2.0", "MIT", "public domain")
MOST_BYTES = 90_000_000
MOST_BUNDLE_BYTES = 16_000_000

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="only a checkout can be packaged"
)


def may_ship() -> set[str]:
    """Return the folders of default weights whose data licence allows to publish them.

    Where the default weights of a paper are on the hub, those of all its bundles.
    """
    chosen = []
    for entry in map(catalog.entry, catalog.names()):
        default = entry.weights.get(entry.default) if entry.default else None
        chosen += [default] if default and default.bundle else entry.weights.values()
    return {
        weights.bundle
        for weights in chosen
        if weights.bundle
        and weights.data_license.startswith(OPEN)
        and not weights.data_license.startswith("CC BY-NC")
        and (ROOT / "registry" / "bundles" / weights.bundle).is_dir()
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from this checkout without a network."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (path,) = out.glob("*.whl")
    return path


def test_wheel_holds_one_package_with_all_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "zoo", f"paperzoo-{zoo.__version__}.dist-info"
    }  # fmt: skip
    for name in catalog.names():
        assert f"zoo/_data/registry/{name}.toml" in names
    for name in recipe.names():
        assert f"zoo/_data/recipes/{name}.toml" in names
    for name in ("LICENSE", "NOTICE"):
        assert f"paperzoo-{zoo.__version__}.dist-info/licenses/{name}" in names


def test_wheel_carries_only_weights_that_may_be_published(wheel):
    prefix = "zoo/_data/registry/bundles/"
    names = zipfile.ZipFile(wheel).namelist()
    carried = {name[len(prefix) :].split("/")[0] for name in names if name.startswith(prefix)}
    assert carried == may_ship()
    assert wheel.stat().st_size < MOST_BYTES


def test_published_weights_are_named_in_the_notice():
    notice = (ROOT / "NOTICE").read_text("utf-8")
    for folder in may_ship():
        assert folder in notice


def test_bundles_are_small_and_known():
    folders = {path.name: path for path in (ROOT / "registry" / "bundles").glob("*/")}
    known = {
        weights.bundle
        for name in catalog.names()
        for weights in catalog.entry(name).weights.values()
    }
    assert set(folders) <= known
    for name, path in folders.items():
        sizes = {file.name: file.stat().st_size for file in path.rglob("*") if file.is_file()}
        shards = [sizes.pop(file) for file in list(sizes) if file.startswith("model-")]
        size = max([sum(sizes.values()), *shards])
        assert size <= MOST_BUNDLE_BYTES, f"{name} has {size:,} bytes"


def test_every_import_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = " ".join(project["dependencies"])
    for name in ("tensorflow", "keras", "keras-hub", "tensorflow-text", "sentencepiece",
                 "tokenizers", "huggingface-hub", "safetensors", "datasets", "pydantic", "typer",
                 "rich", "sacrebleu", "matplotlib", "numpy", "tomlkit", "subword-nmt"):  # fmt: skip
        assert name in declared
    assert set(project["optional-dependencies"]) >= {"jax", "torch", "gpu", "test", "parity"}


def test_files_of_tests_have_names_of_their_own():
    """pytest takes two files of one name for one, and a skipped one hides that."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
