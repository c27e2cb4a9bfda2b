"""Vectors of texts: the mean of states by plain NumPy, cosines, correlations; what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
from given import PAIRS, UPDATES, refused
from keras import ops

import zoo
from zoo.cli import main
from zoo.config.tasks import task_class
from zoo.data.examples import Example
from zoo.errors import DataError, InputError, NotSupported, OptionError, ZooWarning

RECIPE = "bert2018-minilm"
TEXTS = [source for source, _ in PAIRS]
EXAMPLES = [
    Example((text, other), float(i % 6))
    for i, (text, other) in enumerate(zip(TEXTS, TEXTS[3:] + TEXTS[:3], strict=True))
]
ROWS = [(*given, score) for given, score in EXAMPLES]  # as a user has them
CHANGES = UPDATES | {"train.batch_sentences": 4, "train.buckets": [32, 64]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The tiny bundle of the recipe, with random weights."""
    rows = [(given, score) for given, score in EXAMPLES]
    return tiny.write_bundle(RECIPE, tmp_path_factory.mktemp("tiny") / "mine", rows)


@pytest.fixture(scope="module")
def model(folder):
    return zoo.load(folder)


@pytest.fixture(scope="module")
def vectors(model) -> np.ndarray:
    return model.predict(TEXTS)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


# Vectors


def test_a_vector_is_the_mean_of_the_states_without_padding(model, vectors):
    assert vectors.shape == (len(TEXTS), model.model.width)
    assert vectors.dtype == np.float32
    for text, vector in zip(TEXTS[:6], vectors, strict=False):
        ids = np.array(model.encode_sources([text]))
        states = ops.convert_to_numpy(model.model.encode(ids))[0]
        mean = states.mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(side, model):
    ids = np.array(model.encode_sources(TEXTS[:1]), dtype="int32")
    zeros = np.zeros((1, 5), dtype="int32")
    padded = np.concatenate([zeros, ids] if side == "left" else [ids, zeros], axis=1)
    for pooling, normalized in (("mean", True), ("first", True), ("mean", False)):
        variant = tiny.Variant("bert2018", "embed")
        made = variant.make(vocabulary=400, pooling=pooling, normalized=normalized)
        found, wanted = (ops.convert_to_numpy(made.embed(each)) for each in (padded, ids))
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        states = ops.convert_to_numpy(made.encode(ids))[0]
        plain = states[0] if pooling == "first" else states.mean(axis=0)
        length = np.linalg.norm(plain) if normalized else 1.0
        np.testing.assert_allclose(wanted[0], plain / length, atol=1e-4)


def test_the_pooling_has_two_names():
    with pytest.raises(ValueError, match="pooling is 'max', not 'mean' or 'first'"):
        tiny.Variant("bert2018", "embed").make(pooling="max")


def test_one_text_gives_one_vector_and_order_does_not_matter(model, vectors):
    np.testing.assert_allclose(model.predict(TEXTS[0]), vectors[0], atol=1e-5)
    np.testing.assert_allclose(model.predict(TEXTS[::-1], batch_size=3), vectors[::-1], atol=1e-5)
    assert model.predict([]).shape == (0, model.model.width)


def test_a_long_text_is_cut_with_a_warning(model):
    context = model.model.context
    long = " ".join(["cat"] * (2 * context))
    with pytest.warns(
        ZooWarning, match=f"text 2 is longer than the {context} tokens that are read"
    ):
        found = model.predict(["The cat sleeps.", long])
    with pytest.warns(ZooWarning, match="the text was cut after"):
        np.testing.assert_allclose(model.predict(long + " dog"), found[1], atol=1e-5)


# Comparing


def test_similarity_is_the_cosine(model, vectors):
    found = model.similarity(TEXTS[:3], TEXTS[2:7])
    wanted = [[cosine(one, other) for other in vectors[2:7]] for one in vectors[:3]]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(model.similarity(TEXTS[0], TEXTS[2:7]), wanted[0], atol=1e-5)
    np.testing.assert_allclose(
        model.similarity(TEXTS[:3], TEXTS[2]), [row[0] for row in wanted], atol=1e-5
    )
    one = model.similarity(TEXTS[0], TEXTS[2])
    assert isinstance(one, float)
    assert one == pytest.approx(wanted[0][0], abs=1e-5)
    every = model.similarity(TEXTS)
    assert every.shape == (len(TEXTS), len(TEXTS))
    np.testing.assert_allclose(np.diag(every), 1.0, atol=1e-5)


def test_evaluate_is_what_pandas_says(model, vectors):
    found = model.evaluate(ROWS)
    assert (found["metric"], found["pairs"]) == ("spearman", len(EXAMPLES))
    places = {text: i for i, text in enumerate(TEXTS)}
    cosines = [cosine(*(vectors[places[text]] for text in given)) for given, _ in EXAMPLES]
    table = pd.DataFrame({"cosine": cosines, "score": [score for _, score in EXAMPLES]})
    for name in ("spearman", "pearson"):
        wanted = 100 * table.corr(method=name).loc["cosine", "score"]
        assert found[name] == pytest.approx(wanted, abs=0.1)
    scaled = model.evaluate([(*given, score / 5 + 1) for given, score in EXAMPLES])
    assert scaled["spearman"] == pytest.approx(found["spearman"])


def test_a_pairs_score_is_the_scaled_cosine(model):
    """What training compares with the scores: the model's call on pairs."""
    pair = [np.array(ids) for ids in model.encode_sources(TEXTS[:2])]
    longest = max(map(len, pair))
    tokens = np.zeros((1, 2, longest), dtype="int32")
    for row, ids in zip(tokens[0], pair, strict=True):
        row[longest - len(ids) :] = ids
    scale = model.recipe.model.arguments["scale"]
    found = float(ops.convert_to_numpy(model.model(tokens))[0, 0])
    assert found == pytest.approx(scale * model.similarity(*TEXTS[:2]), abs=1e-4)


def test_files_lists_and_the_shell(model, folder, tmp_path, capsys):
    path = tmp_path / "pairs.tsv"
    lines = ["sentence1\tsentence2\tscore", *(f"{a}\t{b}\t{s}" for (a, b), s in EXAMPLES)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    assert model.evaluate(path)["value"] == pytest.approx(model.evaluate(ROWS)["value"])
    with pytest.raises(SystemExit) as end:
        main.main(["predict", str(folder), *TEXTS[:2]])
    assert end.value.code == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    np.testing.assert_array_equal(np.array(rows, dtype="float32"), model.predict(TEXTS[:2]))
    with pytest.raises(SystemExit):
        main.main(["predict", str(folder), TEXTS[0], "--format", "jsonl"])
    found = np.array(json.loads(capsys.readouterr().out), dtype="float32")
    np.testing.assert_array_equal(found, model.predict(TEXTS[0]))


# Training and keeping


def test_a_step_of_training_brings_pairs_nearer_to_their_scores(model, tmp_path):
    scored = [(*given, score / 5) for given, score in EXAMPLES]
    tuned = model.finetune(
        scored, validation=scored[:8], out=tmp_path / "mine",
        changes=CHANGES | {"train.updates": 30, "train.updates_per_epoch": 10,
                           "schedule.peak": 3e-3, "schedule.warmup": 1},
    )  # fmt: skip
    assert tuned.recipe.model.arguments["scale"] == 1.0
    losses = [row["validation_loss"] for row in tuned.history]
    assert losses[-1] < losses[0]
    loaded = zoo.load(tmp_path / "mine")
    np.testing.assert_allclose(loaded.predict(TEXTS), tuned.predict(TEXTS), atol=0.02)
    assert loaded.metrics["metric"] == "spearman"


def test_scores_beyond_the_scale_are_refused(model):
    with refused(DataError, "a score is 5, and the model's go from -1 to 1.*arguments.scale"):
        model.finetune(ROWS, validation=0.2, changes=CHANGES)


def test_a_bundle_keeps_vectors_as_golden_outputs(model, tmp_path):
    from zoo import golden

    recorded = json.loads(json.dumps(golden.record(model.task, TEXTS[:3])))
    assert np.shape(recorded["outputs"]) == (3, model.model.width)
    golden.check(model.task, recorded)
    recorded["outputs"][1][0] += 0.1
    with pytest.raises(zoo.errors.BundleError, match=r"the vector of '.*' differs by 0.1"):
        golden.check(model.task, recorded)


def test_a_classifier_begins_with_it(model):
    """The encoder goes over to a model for another task."""
    rows = [(text, "ab"[i % 2]) for i, text in enumerate(TEXTS)]
    tuned = model.finetune(rows, task="classify", validation=0.2, changes=CHANGES)
    assert tuned.recipe.task == "classify"
    assert tuned.recipe.model.arguments["width"] == model.model.width
    assert set(tuned.predict(TEXTS)) <= {"a", "b"}


# What is refused


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("", "the text is empty"),
        (["a", " "], "text 2 is empty"),
        (["a", 3], "text 2 is int, not text"),
        (("a", "b", None), "text 3 is NoneType"),
        ("日本", "has only characters that the model does not know"),
    ],
)
def test_what_is_no_text(texts, message, model):
    with refused(InputError, message):
        model.predict(texts)
    with refused(InputError, message):
        model.similarity("The cat sleeps.", texts)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows"),
        ([("a cat", "a dog", "far")], "row 1: the score is 'far', not a number"),
        ([("a cat", "a dog", None)], "row 1: the score is missing"),
        ([("a cat", "", 1.0)], "row 1: the sentence2 is empty"),
    ],
)
def test_examples_that_are_none(rows, message, model):
    with refused(DataError, message):
        model.evaluate(rows)


def test_verbs_and_options_that_it_does_not_have(model):
    with refused(NotSupported, "is no classifier"):
        model.probabilities(TEXTS)
    with refused(NotSupported, "does not score texts"):
        model.score(TEXTS)
    with refused(OptionError, "a model for the task 'embed' has no option 'scores'"):
        model.predict(TEXTS, scores=True)
    with refused(OptionError, "batch_size is 0"):
        model.predict(TEXTS, batch_size=0)


def test_other_models_give_no_vectors(tiny_pretrained):
    with refused(NotSupported, "gives no vectors of texts.*bert2018.minilm"):
        tiny_pretrained.similarity("a", "b")


def test_rows_with_a_score_that_is_text_in_memory(model):
    with pytest.raises(DataError, match="row 1: the score 'a' is no number"):
        model.task.evaluate([(("a cat", "a dog"), "a")])
    with pytest.raises(InputError, match="has 3 parts, not two texts"):
        model.task.evaluate([(("a", "b", "c"), 1.0)])


def test_the_task_reads_pairs_alone():
    owner = task_class("embed")
    assert list(owner.sides(("a", "b"), 1.0)) == [
        ("the text", "a", 0), ("the other text", "b", 0)
    ]  # fmt: skip
    assert list(owner.sides("a", None)) == [("", "a", 0)]
