"""Matrices in 8 bits: the error of each weight, what a file holds, and what a bundle says of it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import get_args

import keras
import numpy as np
import pytest
import tiny
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from zoo import bundle, golden, keeping
from zoo.bundle import quantization, stored, weights
from zoo.bundle.quantization import dequantized, quantized
from zoo.config import settings
from zoo.errors import BundleError
from zoo.loading import load
from zoo.training import run

VARIANTS = tiny.variants()


@pytest.fixture
def small(monkeypatch):
    """Let the matrices of tiny models count as matrices."""
    monkeypatch.setattr(quantization, "SMALLEST", 64)
    monkeypatch.setattr(quantization, "SHORTEST", 4)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# Numbers


@pytest.mark.parametrize("factor", [1.0, 1e-6, 1e-30, 1e30])
@pytest.mark.parametrize("shape", [(90, 64), (64, 90), (600, 9), (3, 50, 40), (17, 17, 17)])
def test_no_weight_is_off_by_more_than_half_its_rows_scale(shape, factor):
    matrix = normal(*shape) * np.float32(factor)
    numbers, scales = quantized(matrix)
    assert numbers.dtype == np.int8
    assert scales.dtype == np.float32
    assert np.abs(numbers).max() == 127  # symmetric: no -128
    assert sorted(scales.shape)[0] == 1
    assert scales.ndim == matrix.ndim
    exact = numbers.astype("float64") * scales.astype("float64")
    assert (np.abs(exact - matrix) <= scales * (0.5 + 1e-4)).all()
    np.testing.assert_array_equal(dequantized(numbers, scales), exact)  # in float32 too


@pytest.mark.parametrize("factor", [1.0, 1e-36, 1e-39, 1e35])
def test_what_was_read_back_gives_the_same_numbers_again(factor):
    for seed in range(20):
        numbers, scales = quantized(normal(70, 64, seed=seed) * np.float32(factor))
        again = quantized(dequantized(numbers, scales))
        np.testing.assert_array_equal(again[0], numbers)
        np.testing.assert_array_equal(again[1], scales)


def test_halves_go_to_the_even_number_and_zeros_stay():
    matrix = np.zeros((64, 16), "float32")  # 16 numbers are too few for a scale
    matrix[:4, 0] = [127, 0.5, 1.5, -2.5]
    matrix[:2, 1] = [127, 3]
    numbers, scales = quantized(matrix)
    assert scales.shape == (1, 16)
    assert numbers[:4, 0].tolist() == [127, 0, 2, -2]
    np.testing.assert_array_equal(dequantized(numbers, scales)[:, 1:], matrix[:, 1:])


def test_a_matrix_decides_which_way_its_rows_run():
    words = normal(200, 40) * np.logspace(0, 3, 200, dtype="float32")[:, None]
    assert quantized(words)[1].shape == (200, 1)
    outlying = normal(200, 40) * np.logspace(0, 3, 40, dtype="float32")
    assert quantized(outlying)[1].shape == (1, 40)
    assert quantized(words[:, :9])[1].shape == (1, 9)  # nine numbers are too few for a scale


# Files


def test_a_file_holds_numbers_and_scales_that_anyone_can_read(tmp_path):
    given = {
        "a.kernel": normal(80, 64), "a.bias": normal(5000), "b.kernel": normal(30, 30),
        "count": np.arange(9000).reshape(90, 100),
    }  # fmt: skip
    path = bundle.save_weights(tmp_path / "w.safetensors", given, "int8")
    held = load_file(path)
    assert {name: str(array.dtype) for name, array in held.items()} == {
        "a.kernel": "int8", "a.kernel/scale": "float32", "a.bias": "float16",
        "b.kernel": "float16", "count": "int64",
    }  # fmt: skip
    with safe_open(path, "np") as file:
        assert file.metadata() == {"format": "paperzoo-int8"}
    found = bundle.read_weights(path)
    assert set(found) == set(given)
    assert {array.dtype.name for array in found.values()} == {"float32", "int64"}
    plain = held["a.kernel"].astype("float32") * held["a.kernel/scale"]
    np.testing.assert_array_equal(found["a.kernel"], plain)
    np.testing.assert_array_equal(found["a.bias"], given["a.bias"].astype("float16"))
    np.testing.assert_array_equal(found["count"], given["count"])
    again = bundle.save_weights(tmp_path / "again.safetensors", found, "int8")
    assert again.read_bytes() == path.read_bytes()


def test_weights_without_a_matrix_are_stored_as_float16(tmp_path):
    given = {"bias": normal(5000), "kernel": normal(9, 9)}
    first = bundle.save_weights(tmp_path / "a.safetensors", given, "int8")
    second = bundle.save_weights(tmp_path / "b.safetensors", given, "float16")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_matrix_that_is_not_finite_is_refused_by_name(tmp_path, bad):
    matrix = normal(80, 64)
    matrix[3, 4] = bad
    with pytest.raises(BundleError, match=r"'a\.kernel' is not finite"):
        bundle.save_weights(tmp_path / "w.safetensors", {"a.kernel": matrix}, "int8")
    with pytest.raises(BundleError, match="'x/scale', and '/scale' marks scales"):
        bundle.save_weights(tmp_path / "w.safetensors", {"x/scale": normal(3)}, "int8")
    assert list(tmp_path.iterdir()) == []


def test_a_variable_of_keras_cannot_be_called_as_scales_are():
    with pytest.raises(ValueError, match="/"):
        keras.Variable(0.0, name=f"kernel{stored.SCALE}")


def test_scales_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"a": np.ones((4, 3), "int8"), "a/scale": np.ones((3, 1), "float32")}, path)
    with pytest.raises(BundleError, match=r"the scales of 'a' do not fit its shape\n  fetch or wr"):
        bundle.read_weights(path)


# Models


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_model_of_every_paper_comes_back(variant, policy, small, tmp_path):
    model = variant.make()
    path = bundle.save_weights(tmp_path / "model.safetensors", model, "int8")

    def build():
        made = variant.builder(**variant.arguments, dtype=policy)
        made.build()
        return made

    before, rounded = bundle.arrays(model), bundle.narrowed(bundle.arrays(model), "int8")
    found = bundle.arrays(weights.filled(build, path))
    assert list(found) == list(before)
    for name, array in found.items():
        np.testing.assert_array_equal(array, rounded[name], err_msg=name)
        furthest = max(np.abs(before[name]).max(initial=0), 1e-3) / 127
        assert np.abs(array - before[name]).max(initial=0) <= furthest, name
    if any(quantization.is_matrix(array) for array in before.values()):
        assert bundle.Tensors(path).quantized


# Bundles


@pytest.fixture(scope="module")
def source(bundles) -> Path:
    """A classifier's bundle in 16 bits."""
    return bundles(tiny.own_recipes("gpt1", "classify")[0])


@pytest.fixture(scope="module")
def made(source, tmp_path_factory) -> Path:
    """The same in 8 bits, with golden outputs and with metrics."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantization, "SMALLEST", 64)
        patch.setattr(quantization, "SHORTEST", 4)
        folder = load(source).save(tmp_path_factory.mktemp("made") / "eight", dtype="int8")
        golden.attach(folder, ["I am cold.", "The cat eats a fish."])
        return bundle.rewrite(folder, {"metrics.json": {"metric": "accuracy", "value": 61.5}})


@pytest.fixture
def eight(made, small, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "eight"))


def manifest(folder: Path) -> dict:
    return json.loads((folder / "bundle.json").read_text("utf-8"))


def test_a_bundle_says_that_it_has_8_bits(eight, tiny_bundle):
    assert (manifest(eight)["format"], manifest(eight)["dtype"]) == (2, "int8")
    assert (manifest(tiny_bundle)["format"], "dtype" in manifest(tiny_bundle)) == (1, False)
    assert "weights, stored in 8 bits (size" in (eight / "README.md").read_text("utf-8")
    assert "8 bits" not in (tiny_bundle / "README.md").read_text("utf-8")


def test_rounding_to_8_bits_loses_what_was_measured_and_golden_outputs_are_new(eight, source):
    first, again = load(source), load(eight)
    assert first.metrics
    golden.check(again.task, again.golden)
    made = load(source).save(eight.parent / "other", dtype="int8")
    assert load(made).metrics == {}
    assert "not measured" in (made / "README.md").read_text("utf-8").lower()
    assert load(made).recipe.base.how == "rounded"


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_a_bundle_in_8_bits_keeps_what_was_measured_where_no_number_changes(eight, dtype):
    again = load(load(eight).save(eight.parent / "again", dtype=dtype))
    assert again.metrics == {"metric": "accuracy", "value": 61.5}
    assert again.golden == load(eight).golden
    same = manifest(eight)["files"]["model.safetensors"]["sha256"]
    assert (bundle.weights_hash(eight.parent / "again") == same) == (dtype == "int8")
    assert keeping.smallest_type(load(eight)) == "int8"


def test_weights_in_memory_are_measured_once_they_are_rounded(source, small, tmp_path):
    model = load(source)
    model._origin = keeping.Origin.of(model.model)  # as after `finetune`
    assert load(model.save(tmp_path / "half", dtype="float16")).metrics
    assert load(model.save(tmp_path / "eight", dtype="int8")).metrics == {}
    model.model.set_weights(  # what `train.stored` of `finetune` does before it measures
        list(
            map(
                np.asarray,
                _in_order(model.model, bundle.narrowed(bundle.arrays(model.model), "int8")),
            )
        )
    )
    model._origin = keeping.Origin.of(model.model)
    assert load(model.save(tmp_path / "eight", dtype="int8")).metrics


def _in_order(model: keras.Model, values: dict[str, np.ndarray]) -> list[np.ndarray]:
    names = {id(variable): name for name, variable in bundle.variables(model).items()}
    return [values[names[id(variable)]] for variable in model.weights]


def test_a_full_disk_leaves_the_previous_bundle(eight, monkeypatch):
    before = {path.name: path.read_bytes() for path in eight.iterdir()}

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    model = load(eight)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(BundleError, match="No space left on device"):
            model.save(eight, dtype="int8")
    assert {path.name: path.read_bytes() for path in eight.iterdir()} == before


# Runs


def test_the_recipes_types_are_those_of_bundles():
    assert sorted(get_args(settings.Stored)) == sorted(stored.STORED)


def test_a_run_measures_what_it_stores_in_8_bits(small, tmp_path, corpora_folder, monkeypatch):
    from zoo.config import recipe

    monkeypatch.setenv("ZOO_DATA", str(corpora_folder))
    made = recipe.load("gpt1-sst2").smoke().changed({"train.stored": "int8"})
    folder = run.train(made, tmp_path / "run")
    read = bundle.read(folder)
    assert manifest(folder)["dtype"] == "int8"
    assert read.metrics["metric"] == "accuracy"
    model = load(folder)
    golden.check(model.task, model.golden)
    measured = model.evaluate(split=made.evaluate.split, progress=False)
    assert measured["accuracy"] == pytest.approx(read.metrics["value"])
    tuned = model.finetune(["good", "bad", "fine", "poor"] * 5, ["1", "0", "1", "0"] * 5, epochs=1)
    assert tuned.recipe.train.stored == "int8"
    kept = tuned.save(tmp_path / "tuned")  # the recipe's type, and no number changes
    assert manifest(kept)["dtype"] == "int8"
    assert load(kept).metrics["value"] == tuned.metrics["value"]


SST2 = Path(os.environ.get("ZOO_DATA", "")) / "glue"


@pytest.mark.skipif(not os.environ.get("ZOO_DATA") or not SST2.is_dir(), reason="needs ZOO_DATA")
def test_a_shipped_classifier_loses_at_most_three_tenths_of_a_point(tmp_path):
    sixteen = load("gpt1.sst2")
    eight = load(sixteen.save(tmp_path / "eight", dtype="int8"))
    size = {
        name: sum(file.stat().st_size for file in folder.glob("model*"))
        for name, folder in (("eight", tmp_path / "eight"), ("sixteen", shipped()))
    }
    assert size["eight"] < 0.52 * size["sixteen"]
    before, after = (model.evaluate(limit=200, progress=False) for model in (sixteen, eight))
    assert after["accuracy"] >= before["accuracy"] - 0.3
    assert after["loss"] == pytest.approx(before["loss"], abs=0.01)


def shipped() -> Path:
    from zoo.config import catalog

    return catalog.find_bundle("gpt1.sst2")


def test_copies_of_a_bundle_in_8_bits_are_whole(eight, tmp_path):
    bundle.verify(shutil.copytree(eight, tmp_path / "copy"))
