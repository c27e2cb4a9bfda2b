"""`zoo convert`: a checkpoint that a user has, as a bundle; and what it refuses."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo import convert
from zoo.cli import main
from zoo.errors import BundleError, OptionError, UnknownName


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """OpenAI's layout, which needs no other library: one layer of 64 numbers."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    words = ["<unk>", "a", "b", "a</w>", "b</w>", "\n</w>"]
    block = [[1, 64, 192], [192], [1, 64, 64], [64], [64], [64], [1, 64, 256], [256],
             [1, 256, 64], [64], [64], [64]]  # fmt: skip
    shapes = [[10, 64], [len(words), 64], *block]
    numbers = np.random.default_rng(0).normal(size=sum(map(np.prod, shapes))).astype("float32")
    np.save(folder / "params_0.npy", numbers)
    (folder / "params_shapes.json").write_text(json.dumps(shapes))
    (folder / "encoder_bpe_40000.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    (folder / "vocab_40000.bpe").write_text("#version: 0.2\n")
    return folder


def shell(*arguments: object) -> int:
    with warnings.catch_warnings(), pytest.raises(SystemExit) as done:
        main.main([str(each) for each in arguments])
    return int(done.value.code or 0)


def test_from_a_shell(checkpoint, tmp_path, capsys):
    out = tmp_path / "bundle"
    assert shell("convert", checkpoint, "--as", "gpt1", "--out", out) == 0
    assert capsys.readouterr().out == f"{out}\n"
    ours, again = zoo.load(checkpoint), zoo.load(out)
    card = (out / "README.md").read_text()
    assert "Not here: converted from a checkpoint of OpenAI." in card
    assert "updates of" not in card
    text = "a b ab"
    assert again.score(text) == ours.score(text)  # weights keep 32 bits
    assert shell("convert", checkpoint, "--as", "gpt1", "--out", out, "--dtype", "float16") == 0
    assert zoo.load(out).score(text) == pytest.approx(ours.score(text), abs=0.1)
    assert (out / "model.safetensors").stat().st_size < 150_000


def test_a_slip_is_told_before_anything_is_read(tmp_path, capsys):
    assert shell("convert", tmp_path, "--as", "gtp1", "--out", tmp_path / "x") == 1
    assert "did you mean 'gpt1'?" in capsys.readouterr().err
    for path, dtype, error, text in (
        (tmp_path / "nowhere", "float32", BundleError, "no file or folder"),
        (tmp_path, "float8", OptionError, "cannot be stored as 'float8'"),
        (tmp_path, "float32", BundleError, "neither a bundle"),
    ):
        with pytest.raises(error, match=text):
            convert.write(path, "gpt1", tmp_path / "x", dtype)
    with pytest.raises(UnknownName, match="no model 'gpt'"):
        convert.write(tmp_path, "gpt", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_another_papers_model_is_not_taken_for_it(checkpoint, tmp_path):
    with pytest.raises(BundleError, match="holds a model of gpt1, not of vaswani2017"):
        convert.write(checkpoint, "vaswani2017", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_folder_of_something_else_is_not_written_into(checkpoint, tmp_path):
    with pytest.raises(BundleError, match="exists and is no bundle"):
        convert.write(checkpoint, "gpt1", checkpoint)


def test_a_bundle_needs_no_conversion(tiny_bundle, tmp_path):
    with pytest.raises(BundleError, match="is a bundle already"):
        convert.write(tiny_bundle, "vaswani2017", tmp_path / "x")


def test_a_file_of_nothing_known_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(BundleError, match="no checkpoint that is known"):
        convert.write(tmp_path / "notes.txt", "gpt1", tmp_path / "x")
