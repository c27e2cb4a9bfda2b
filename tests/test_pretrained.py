"""What a user holds: loading, the verbs, fine-tuning that leaves the original alone, saving."""

from __future__ import annotations

import json
import shutil

import keras
import numpy as np
import pytest

import zoo
from zoo import bundle, golden
from zoo.errors import (
    BundleError,
    DataError,
    OptionError,
    RecipeError,
    TrainingError,
    UnknownName,
)
from zoo.loading import load
from zoo.pretrained import Pretrained
from zoo.tasks.base import Task

TEXTS = ["I am cold.", "The cat sleeps.", "Where is the dog?"]
QUICK = {"train.updates": 4, "train.updates_per_epoch": 2, "train.buckets": [64]}


class Recorder(Task):
    """A task that remembers what it was asked."""

    name = "translate"

    def __init__(self):
        self.asked = {}

    def predict(
        self, texts, *, beam_size=0, length_penalty=0, max_length=0, batch_size=0, num_return=0,
        progress=True,
    ):  # fmt: skip
        self.asked = {
            "beam_size": beam_size, "length_penalty": length_penalty, "max_length": max_length,
            "batch_size": batch_size, "num_return": num_return, "progress": progress,
        }  # fmt: skip
        return [text.upper() for text in texts]

    def corpus_options(self, corpus):
        return {}

    def evaluate(self, examples, *, beam_size=0, progress=True):
        self.asked = {"examples": examples, "beam_size": beam_size}
        return {"bleu": 12.5, "sentences": len(examples)}


@pytest.fixture
def recorded(tiny_pretrained, monkeypatch):
    """The tiny model with a task that only records."""
    monkeypatch.setattr(tiny_pretrained, "task", Recorder())
    return tiny_pretrained


def equal(first: keras.Model, second: keras.Model) -> bool:
    left, right = bundle.arrays(first), bundle.arrays(second)
    return all(np.array_equal(left[name], right[name]) for name in left)


# Loading


def test_a_bundle_is_loaded_with_all_that_belongs_to_it(tiny_bundle, tiny_recipe):
    loaded = zoo.load(tiny_bundle)
    assert isinstance(loaded, zoo.Pretrained)
    assert isinstance(loaded.model, keras.Model)
    assert loaded.recipe == tiny_recipe
    assert loaded.tokenizer is loaded.source_tokenizer is loaded.target_tokenizer
    assert loaded.card.entry.name == "vaswani2017"
    assert "@inproceedings" in loaded.card.bibtex
    assert loaded.metrics["value"] == 1.5
    assert [row["epoch"] for row in loaded.history] == ["1", "2"]
    size = f"{loaded.model.count_params():,} weights"
    assert repr(loaded) == f"Pretrained(tiny: translate en to fr, {size})"


def test_what_cannot_be_loaded_says_so(tiny_bundle, tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'vaswani2017'"):
        load("vaswani2071")
    with pytest.raises(OptionError, match="did you mean 'bfloat16'"):
        load(tiny_bundle, dtype="bfloat")
    with pytest.raises(BundleError, match=r"bundle\.json is missing"):
        load(tmp_path)


def test_a_bundle_that_a_kill_left_aside_is_found_again(tiny_bundle, tmp_path):
    shutil.copytree(tiny_bundle, tmp_path / ".mine.previous")
    assert load(str(tmp_path / "mine")).recipe.name == "tiny"


def test_the_model_is_a_plain_keras_model(tiny_pretrained, tmp_path):
    model = tiny_pretrained.model
    inputs = {"source": np.array([[5, 6, 3, 0]]), "target": np.array([[2, 7, 8]])}

    def logits(of):
        return keras.ops.convert_to_numpy(of(inputs))

    rebuilt = type(model).from_config(model.get_config())
    rebuilt.build()
    rebuilt.set_weights(model.get_weights())
    np.testing.assert_array_equal(logits(rebuilt), logits(model))
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits(restored), logits(model))
    assert restored.get_config() == model.get_config()


# Using


def test_a_text_gives_a_text_and_a_list_a_list(tiny_pretrained):
    outputs = tiny_pretrained.predict(TEXTS)
    assert [type(output) for output in outputs] == [str, str, str]
    assert tiny_pretrained.predict(TEXTS[0]) == outputs[0]
    assert tiny_pretrained.predict(tuple(reversed(TEXTS))) == outputs[::-1]
    assert tiny_pretrained.predict([]) == []


def test_options_reach_the_task(recorded):
    assert recorded.predict("a", num_return=1) == "A"
    options = {
        "beam_size": 3, "length_penalty": 1.0, "max_length": 9, "batch_size": 2, "num_return": 2,
        "progress": False,
    }  # fmt: skip
    assert recorded.predict(["a", "b"], **options) == ["A", "B"]
    assert recorded.task.asked == options


# Measuring


def test_examples_of_one_source_are_its_references(recorded):
    found = recorded.evaluate([("a", "b"), ("c", "d"), ("a", "e")], beam_size=2)
    assert found == {
        "metric": "bleu", "value": 12.5, "data": "examples", "bleu": 12.5, "sentences": 2,
    }  # fmt: skip
    assert recorded.task.asked["examples"] == [("a", ["b", "e"]), ("c", ["d"])]
    assert recorded.task.asked["beam_size"] == 2
    assert recorded.evaluate(["a", "c"], ["b", "d"], limit=1)["sentences"] == 1


def test_files_and_folders_are_measured_on(recorded, tmp_path):
    (tmp_path / "mine.csv").write_text("fr,en,x\nVa !,Go.,1\n", encoding="utf-8")
    assert recorded.evaluate(tmp_path / "mine.csv")["data"] == "mine.csv"
    assert recorded.task.asked["examples"] == [("Go.", ["Va !"])]

    corpus = tmp_path / "corpora" / "tatoeba-en-fr"
    corpus.mkdir(parents=True)
    (corpus / "test.tsv").write_text("Hi.\tSalut !\n", encoding="utf-8")
    for folder in (corpus, corpus.parent, str(corpus)):
        found = recorded.evaluate(folder)
        assert (found["data"], found["split"]) == ("tatoeba-en-fr", "test")
        assert recorded.task.asked["examples"] == [("Hi.", ["Salut !"])]
    with pytest.raises(DataError, match="no split 'valid'"):
        recorded.evaluate(corpus, split="valid")


def test_bleu_of_the_real_thing(tiny_pretrained, pairs):
    found = tiny_pretrained.evaluate(pairs[:3])
    assert 0 <= found["value"] <= 100
    assert "BLEU" in found["signature"] or "|" in found["signature"]
    assert found["sentences"] == 3


# Fine-tuning


def test_finetuning_learns_and_leaves_the_original_alone(tiny_pretrained, pairs, tmp_path):
    before = bundle.arrays(tiny_pretrained.model)
    changes = QUICK | {"train.updates": 60, "train.updates_per_epoch": 30, "schedule.peak": 3e-3}
    out = tmp_path / "tuned"
    tuned = tiny_pretrained.finetune(pairs, validation=pairs[:4], out=out, changes=changes)
    for name, array in bundle.arrays(tiny_pretrained.model).items():
        np.testing.assert_array_equal(array, before[name])
    sources, targets = zip(*pairs, strict=True)
    assert tuned.score(sources, targets).sum() > tiny_pretrained.score(sources, targets).sum() + 20
    assert tuned.recipe.name == "tiny-finetuned"
    assert tuned.recipe.schedule.name == "constant"
    assert tuned.recipe.schedule.peak == 3e-3
    assert [int(row["step"]) for row in tuned.history] == [30, 60]
    assert tuned.metrics["training_pairs"] == len(pairs)
    assert tuned.metrics["validation_pairs"] == 4
    assert tuned.tokenizer is tiny_pretrained.tokenizer

    loaded = load(out)
    assert loaded.recipe == tuned.recipe
    assert loaded.metrics == json.loads(json.dumps(tuned.metrics))
    for name, array in bundle.arrays(loaded.model).items():
        np.testing.assert_allclose(array, bundle.arrays(tuned.model)[name], rtol=1e-3, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["tuned"]  # nothing temporary is left


def test_finetuning_twice_gives_the_same_weights(tiny_pretrained, pairs):
    first, second = (tiny_pretrained.finetune(pairs, changes=QUICK) for _ in range(2))
    assert equal(first.model, second.model)
    assert not equal(first.model, tiny_pretrained.model)


def test_preprocess_yields_the_batches_that_finetune_fits_on(tiny_pretrained, pairs, monkeypatch):
    from zoo.data.batches import PairBatches

    fitted, batch = {}, PairBatches.batch

    def record(self, step):
        made = batch(self, step)
        if self.seed is not None:  # validation has none
            fitted[step] = made
        return made

    changes = QUICK | {"train.batch_tokens": 256}
    yielded = list(tiny_pretrained.preprocess(pairs, changes=changes, passes=2))
    monkeypatch.setattr(PairBatches, "batch", record)
    tiny_pretrained.finetune(pairs, changes=changes | {"train.updates": len(yielded)})
    assert len(yielded) > 2
    for step, (inputs, labels) in enumerate(yielded):
        np.testing.assert_array_equal(inputs["source"], fitted[step][0]["source"])
        np.testing.assert_array_equal(inputs["target"], fitted[step][0]["target"])
        np.testing.assert_array_equal(labels, fitted[step][1])
        assert inputs["source"].dtype == inputs["target"].dtype == labels.dtype == np.int32


def test_a_share_is_held_out_by_source():
    from zoo.training.finetune import split

    given = [(f"s{i % 10}", f"t{i}") for i in range(30)]
    train, valid = split(given, 0.2, seed=1)
    assert sorted(train + valid) == sorted(given)
    assert len({source for source, _ in valid}) == 2
    assert not {source for source, _ in valid} & {source for source, _ in train}
    assert split(given, 0.2, seed=1) == (train, valid)
    assert split(given, 0.2, seed=2) != (train, valid)
    assert len(split(given[:2], 0.01, seed=1)[1]) == 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model.arguments.width": 32}, BundleError, "do not fit the new Transformer"),
        ({"schedule.name": "flat"}, RecipeError, "no schedule 'flat'"),
    ],
)
def test_finetuning_refuses_changes_that_make_no_sense(
    tiny_pretrained, pairs, changes, error, message
):
    with pytest.raises(error, match=message):
        tiny_pretrained.finetune(pairs, changes=changes)


def test_a_failed_run_leaves_only_good_weights(tiny_pretrained, pairs, tmp_path):
    with pytest.raises(RecipeError):
        tiny_pretrained.finetune(pairs, out=tmp_path / "a", changes={"schedule.name": "flat"})
    assert not any(tmp_path.iterdir())
    changes = QUICK | {"schedule.peak": 1e30, "optimizer.name": "sgd", "train.updates": 8}
    with pytest.raises(TrainingError, match="the loss became"):
        tiny_pretrained.finetune(pairs, out=tmp_path / "a", changes=changes)
    assert not any(tmp_path.iterdir())


def test_finetuning_checks_its_folder_before_it_trains(tiny_pretrained, pairs, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(BundleError, match="exists and is no bundle"):
        tiny_pretrained.finetune(pairs, out=tmp_path)


def test_pairs_that_are_too_long_are_told(tiny_pretrained, pairs):
    given = [*pairs, ("cat " * 200, "chat " * 200)]
    with pytest.warns(zoo.ZooWarning, match="1 of 2. pairs are longer than 64 pieces"):
        list(tiny_pretrained.preprocess(given, validation=pairs[:2], changes=QUICK))


# Keeping


def test_what_is_saved_is_what_is_loaded(tiny_pretrained, tmp_path):
    folder = tiny_pretrained.save(tmp_path / "mine")
    loaded = load(folder)
    assert loaded.recipe == tiny_pretrained.recipe
    assert loaded.metrics == tiny_pretrained.metrics
    assert loaded.history == tiny_pretrained.history
    assert equal(loaded.model, tiny_pretrained.model)
    with pytest.raises(OptionError, match="cannot be stored as 'int4'"):
        tiny_pretrained.save(tmp_path / "mine", dtype="int4")
    assert equal(load(folder).model, tiny_pretrained.model)


def test_golden_outputs_are_recorded_anew_when_saving(tiny_bundle, tmp_path):
    shutil.copytree(tiny_bundle, tmp_path / "b")
    golden.attach(tmp_path / "b", TEXTS[:1])
    loaded = load(tmp_path / "b")
    table = bundle.variables(loaded.model)["embedding.table"]
    table.assign(table * 1.5)
    changed = load(loaded.save(tmp_path / "c"))
    assert changed.golden["inputs"] == TEXTS[:1]
    assert changed.golden["logits"] != loaded.golden["logits"]
    golden.check(changed.task, changed.golden)
    assert isinstance(changed, Pretrained)
