"""Bundles: written whole or not at all, and refused when damaged."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest

from zoo import bundle
from zoo.bundle.manifest import FORMAT
from zoo.errors import BundleError, OptionError


@pytest.fixture
def copy(tiny_bundle, tmp_path) -> Path:
    """A bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def rewrite_manifest(folder: Path, change) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    change(manifest)
    (folder / "bundle.json").write_text(json.dumps(manifest))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Folders


def test_a_bundle_holds_what_was_written(tiny_bundle, tiny_recipe):
    assert sorted(path.name for path in tiny_bundle.iterdir()) == [
        "LICENSE", "README.md", "bundle.json", "history.csv", "metrics.json", "model.safetensors",
        "recipe.toml", "tokenizer.model",
    ]  # fmt: skip
    read = bundle.read(tiny_bundle)
    assert read.recipe == tiny_recipe
    assert read.metrics["value"] == 1.5
    assert read.golden == {}
    assert (tiny_bundle / "history.csv").read_text() == (
        "epoch,loss,validation_loss\n1,4.5,\n2,4.25,4.0\n"
    )
    manifest = json.loads((tiny_bundle / "bundle.json").read_text())
    assert manifest["format"] == 1  # what versions before shards and 8 bits read too
    weights = (tiny_bundle / "model.safetensors").read_bytes()
    assert manifest["files"]["model.safetensors"] == {
        "bytes": len(weights), "sha256": hashlib.sha256(weights).hexdigest(),
    }  # fmt: skip


def test_two_tokenizers_are_two_files(tmp_path, tiny_bundle, tiny_recipe, tiny_tokenizer):
    from zoo.text import SentencePieceTokenizer

    other = SentencePieceTokenizer(tiny_tokenizer.model)
    folder = bundle.write(
        tmp_path / "b",
        model=bundle.read_weights(tiny_bundle / "model.safetensors"),
        recipe=tiny_recipe,
        tokenizers=(tiny_tokenizer, other),
    )
    assert {"source.model", "target.model"} <= {path.name for path in folder.iterdir()}
    bundle.verify(folder)


def test_a_tokenizer_that_is_too_large_is_refused(tmp_path, tiny_recipe, tiny_tokenizer):
    with pytest.raises(BundleError, match="the source's tokenizer has 96 pieces"):
        bundle.write(
            tmp_path / "b",
            model={},
            recipe=tiny_recipe.changed({"model.arguments.vocabulary": 95}),
            tokenizers=(tiny_tokenizer, tiny_tokenizer),
        )


def test_a_built_model_computes_what_was_saved(tiny_bundle):
    read = bundle.read(tiny_bundle)
    stored = bundle.read_weights(read.weights)
    model = bundle.build_model(read)
    for name, array in bundle.arrays(model).items():
        np.testing.assert_array_equal(array, stored[name])
    inputs = {"source": np.array([[5, 6, 3]]), "target": np.array([[2, 7]])}
    logits = keras.ops.convert_to_numpy(model(inputs))
    half = keras.ops.convert_to_numpy(bundle.build_model(read, "mixed_bfloat16")(inputs))
    assert logits.dtype == half.dtype == np.float32
    assert 0 < np.abs(logits - half).max() < 0.1
    assert bundle.build_model(read, "float16").weights[0].dtype == "float16"
    with pytest.raises(OptionError, match="did you mean 'mixed_bfloat16'"):
        bundle.build_model(read, "mixed_bfloat")


def test_loading_draws_no_random_weights(tiny_bundle, monkeypatch):
    def drawn(*args, **kwargs):
        raise AssertionError("a random weight was drawn")

    for name in ("RandomNormal", "GlorotUniform"):
        monkeypatch.setattr(getattr(keras.initializers, name), "__call__", drawn)
    bundle.build_model(bundle.read(tiny_bundle))


def test_altered_weights_are_noticed_where_reading_ends(copy):
    path = copy / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    entered = False
    with pytest.raises(BundleError, match="was altered"), bundle.reading(copy) as read:
        entered = read.recipe is not None
    assert entered


def test_an_argument_of_a_newer_model_is_named(copy, tiny_recipe):
    with pytest.raises(OptionError, match="no argument 'wdth'"):
        bundle.model_with({}, tiny_recipe.changed({"model.arguments.wdth": 3}))


def test_a_folder_that_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="there is no folder"):
        bundle.read(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"is no bundle: bundle\.json is missing"):
        bundle.read(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "recipe.toml", "tokenizer.model"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        bundle.read(copy)


def test_a_manifest_without_weights_is_no_bundle(copy):
    rewrite_manifest(copy, lambda manifest: manifest["files"].pop("model.safetensors"))
    with pytest.raises(BundleError, match=r"no bundle: model\.safetensors is missing"):
        bundle.read(copy)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.model", "metrics.json"])
def test_truncated_and_altered_files_are_named(copy, name):
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[:-1])
    with pytest.raises(BundleError, match=f"{name} is truncated"):
        bundle.read(copy)
    (copy / name).write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
    with pytest.raises(BundleError, match=f"{name} was altered"):
        bundle.read(copy)


def test_the_card_may_be_edited(copy):
    (copy / "README.md").write_text("mine")
    (copy / "LICENSE").unlink()
    assert bundle.read(copy).folder == copy


def test_a_newer_format_says_what_to_install(copy):
    rewrite_manifest(copy, lambda manifest: manifest.update(format=FORMAT + 1, paperzoo="3.1"))
    with pytest.raises(BundleError, match=r"(?s)format 3.*pip install --upgrade .paperzoo>=3\.1"):
        bundle.read(copy)


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", '{"format": 1, "files": {"recipe.toml": 3}}',
        '{"format": 1, "files": {"recipe.toml": {"bytes": "3", "sha256": ""}}}',
    ],
)  # fmt: skip
def test_a_broken_manifest_is_one_message(copy, text):
    (copy / "bundle.json").write_text(text)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        bundle.read(copy)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "a/b", "C:secret", "a\\b", ""])
def test_file_names_outside_the_folder_are_refused(copy, name):
    rewrite_manifest(
        copy, lambda manifest: manifest["files"].update({name: {"bytes": 1, "sha256": ""}})
    )
    with pytest.raises(BundleError, match="not inside the bundle"):
        bundle.read(copy)


# Replacing


@pytest.fixture
def again(tiny_bundle, tiny_recipe, tiny_tokenizer):
    """Write a bundle whose metrics differ from `tiny_bundle`'s."""
    arrays = bundle.read_weights(tiny_bundle / "model.safetensors")

    def write(folder):
        return bundle.write(
            folder,
            model=arrays,
            recipe=tiny_recipe,
            tokenizers=(tiny_tokenizer, tiny_tokenizer),
            metrics={"metric": "bleu", "value": 2.5},
        )

    return write


def test_a_bundle_is_replaced_and_files_of_others_stay(copy, again):
    (copy / "notes.txt").write_text("mine")
    (copy / "checkpoints").mkdir()
    again(copy)
    assert bundle.read(copy).metrics == {"metric": "bleu", "value": 2.5}
    assert (copy / "notes.txt").read_text() == "mine"
    assert (copy / "checkpoints").is_dir()
    assert not (copy / "history.csv").exists()
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_a_folder_with_other_things_is_not_replaced(tmp_path, again):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BundleError, match="exists and is no bundle"):
        again(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    with pytest.raises(BundleError, match="is a file"):
        again(tmp_path / "thesis.tex")


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["write_text", "fsync", "rename"])
def test_a_full_disk_leaves_the_previous_bundle(copy, again, monkeypatch, where):
    before = content(copy)
    with monkeypatch.context() as patch:
        if where == "fsync":
            patch.setattr(os, "fsync", full_disk)
        else:
            patch.setattr(Path, where, full_disk)
        with pytest.raises(BundleError, match="No space left on device"):
            again(copy)
    assert content(copy) == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_failing_to_move_the_new_bundle_in_brings_the_old_one_back(copy, again, monkeypatch):
    before, rename = content(copy), Path.rename
    with monkeypatch.context() as patch:
        patch.setattr(
            Path,
            "rename",
            lambda self, to: full_disk() if ".writing-" in self.name else rename(self, to),
        )
        with pytest.raises(BundleError, match="cannot write"):
            again(copy)
    assert content(copy) == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


KILLED = textwrap.dedent("""
    import os, pathlib, signal, sys
    from zoo import bundle
    from zoo.bundle import storage
    from zoo.config import recipe
    from zoo.text import load_tokenizers
    folder, when = pathlib.Path(sys.argv[1]), sys.argv[2]
    def kill(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)
    if when == "weights":
        storage.save_weights = kill
    elif when == "fsync":
        os.fsync = kill
    else:
        rename = pathlib.Path.rename
        def patched(self, to):
            if ".writing-" in self.name:
                kill()
            return rename(self, to)
        pathlib.Path.rename = patched
    bundle.write(
        folder,
        model=bundle.read_weights(folder / "model.safetensors"),
        recipe=recipe.load(folder),
        tokenizers=load_tokenizers(folder),
    )
""")


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
@pytest.mark.parametrize("when", ["weights", "fsync", "between the renames"])
def test_a_kill_while_saving_leaves_the_previous_bundle(copy, again, when):
    before = content(copy)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(copy), when], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert bundle.read(copy).metrics["value"] == 1.5
    assert content(copy) == before
    again(copy)  # and the next save removes what the killed one left behind
    assert bundle.read(copy).metrics["value"] == 2.5
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_some_files_can_be_rewritten(copy):
    before = content(copy)
    bundle.rewrite(copy, {"golden.json": {"inputs": ["é"]}, "README.md": "# New"})
    read = bundle.read(copy)
    assert read.golden == {"inputs": ["é"]}
    assert (copy / "README.md").read_text() == "# New"
    changed = {"golden.json", "README.md", "bundle.json"}
    assert {name: data for name, data in content(copy).items() if name not in changed} == {
        name: data for name, data in before.items() if name not in changed
    }
    with pytest.raises(BundleError, match="not inside the bundle"):
        bundle.rewrite(copy, {"../x": "y"})
