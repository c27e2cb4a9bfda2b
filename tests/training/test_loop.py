"""From recipe to bundle. That every recipe runs its smoke version is tested with the command."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

import zoo
from zoo import bundle, golden
from zoo.config import recipe
from zoo.errors import BundleError, CheckpointError, DataError, RecipeError, TrainingError
from zoo.training import run

NAME = "vaswani2017-multi30k-de-en"


@pytest.fixture(autouse=True)
def corpora(monkeypatch, corpora_folder):
    monkeypatch.setenv("ZOO_DATA", str(corpora_folder))


@pytest.fixture(scope="module")
def smoke() -> recipe.Recipe:
    return recipe.load(NAME).smoke().changed({"evaluate.also": ["multi30k"]})


@pytest.fixture(scope="module")
def trained(smoke, tmp_path_factory, corpora_folder):
    """The folder of one whole run: its bundle, and the run's own folder beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_DATA", str(corpora_folder))
        return run.train(smoke, tmp_path_factory.mktemp("runs") / "tiny")


def test_a_run_makes_a_bundle_that_loads_and_translates(trained, smoke):
    bundle.verify(trained)
    loaded = zoo.load(trained)
    assert loaded.recipe == smoke.resolved()
    assert isinstance(loaded.predict("Le chat dort."), str)
    golden.check(loaded.task, loaded.golden)
    names = {path.name for path in trained.iterdir()}
    assert {"recipe.toml", "model.safetensors", "tokenizer.model", "metrics.json", "golden.json",
            "history.csv", "README.md", "LICENSE", "bundle.json"} == names  # fmt: skip
    assert [row["step"] for row in loaded.history] == ["2", "4"]


def test_metrics_say_what_was_measured_where_and_with_what(trained):
    metrics = json.loads((trained / "metrics.json").read_text("utf-8"))
    loaded = zoo.load(trained)
    assert metrics["metric"] == "bleu"
    assert metrics["value"] == metrics["bleu"]
    assert "version" in metrics["signature"] or "|" in metrics["signature"]
    assert (metrics["data"], metrics["split"]) == ("multi30k", "test")
    assert metrics["parameters"] == loaded.model.count_params()
    assert metrics["backend"] == keras.backend.backend()
    assert metrics["keras"] == keras.__version__
    assert metrics["targets_in_training"] == metrics["sentences"]
    assert "CPU cores" in metrics["hardware"]
    assert metrics["precision"] == "mixed_bfloat16"
    assert [(row["data"], row["bleu"]) for row in metrics["also"]] == [
        ("multi30k", metrics["bleu"])
    ]
    assert f"BLEU {metrics['bleu']:.1f}** on multi30k, split `test`." in (
        (trained / "README.md").read_text("utf-8")
    )
    # It is of the weights as they are stored, so anyone measures the same again.
    again = loaded.evaluate(split="test", progress=False)
    assert again["value"] == metrics["value"]


def test_what_a_run_needs_to_go_on_lies_beside_the_bundle(trained):
    run = trained.with_name("tiny.run")
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "data"]
    assert sorted(path.name for path in trained.parent.iterdir()) == ["tiny", "tiny.run"]


def test_a_finished_run_resumed_gives_the_same_bundle(trained, smoke):
    before = (trained / "model.safetensors").read_bytes()
    assert run.train(smoke, trained, resume=True) == trained
    assert (trained / "model.safetensors").read_bytes() == before


def test_a_run_that_is_there_is_not_overwritten(trained, smoke):
    with pytest.raises(CheckpointError, match="already holds a run"):
        run.train(smoke, trained)


def test_the_same_seed_gives_the_same_weights_and_another_one_others(smoke):
    first, second, other = (
        bundle.arrays(_built(smoke.changed({"seed": seed}))) for seed in (5, 5, 6)
    )
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["embedding.table"], other["embedding.table"])


def _built(made: recipe.Recipe) -> keras.Model:
    keras.utils.set_random_seed(made.seed)
    return run.build(made)


def test_prepared_data_must_be_this_recipes(trained, smoke, tmp_path):
    data = trained.with_name("tiny.run") / "data"
    vocabulary = smoke.tokenizer.vocabulary
    for change, message in (
        ({"tokenizer.vocabulary": 90}, f"tokenizer.vocabulary is {vocabulary} there and 90 in"),
        ({"data.source": "fr"}, "data.source is 'de' there and 'fr' in this run"),
        (
            {"data.source": "fr", "tokenizer.sample": 7},
            "data.source is 'de' there and 'fr' in this run; tokenizer.sample is None there and 7",
        ),
    ):
        with pytest.raises(DataError, match="was prepared with another recipe: ") as caught:
            run.train(smoke, tmp_path / "out", changes=change, prepared=data)
        assert message in caught.value.message
        assert caught.value.message.count(" there and ") == len(change)
        assert "prepare it again" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_prepared_data_needs_no_corpus(trained, smoke, tmp_path, monkeypatch):
    monkeypatch.delenv("ZOO_DATA")
    data = trained.with_name("tiny.run") / "data"
    made = run.train(smoke, tmp_path / "out", prepared=data)
    weights = [(each / "model.safetensors").read_bytes() for each in (trained, made)]
    assert weights[0] == weights[1]


def test_the_folder_is_checked_before_anything_is_done(smoke, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(BundleError, match="exists and is no bundle"):
        run.train(smoke, tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_further_test_set_that_is_missing_stops_a_run_before_it_trains(smoke, tmp_path):
    with pytest.raises(DataError, match="each row of race is a question"):
        run.train(smoke.changed({"evaluate.also": ["race"]}), tmp_path / "out")
    assert not (tmp_path / "out.run" / "checkpoints").exists()


def test_a_wrong_change_is_refused_before_anything_is_done(smoke, tmp_path):
    with pytest.raises(RecipeError, match=r"did you mean 'train\.updates'"):
        run.train(smoke, tmp_path / "out", changes={"train.update": 3})
    assert not list(tmp_path.iterdir())


def test_a_diverged_run_makes_no_bundle(smoke, tmp_path, trained):
    changes = {"schedule.peak": 1e30, "schedule.warmup": 0}
    data = trained.with_name("tiny.run") / "data"
    with pytest.raises(TrainingError, match="the loss became"):
        run.train(smoke, tmp_path / "out", changes=changes, prepared=data)
    assert not (tmp_path / "out").exists()


def test_resuming_a_run_that_is_not_there_is_an_error(smoke, tmp_path):
    with pytest.raises(CheckpointError, match="there is no run to resume"):
        run.train(smoke, tmp_path / "none", resume=True)
    assert not list(tmp_path.iterdir())
