"""Classification: probabilities of whole documents, what is measured, several models as one."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

import zoo
from zoo import compiling
from zoo.averaging import Ensemble
from zoo.config import recipe as recipes
from zoo.errors import DataError, InputError, NotSupported, OptionError
from zoo.models.ulmfit2018 import Classifier
from zoo.pretrained import Pretrained
from zoo.tasks import metrics
from zoo.tasks.reading import PIECE
from zoo.text import FastaiTokenizer

LINES = ["a good film", "a bad film", "the plot is thin and the end is far too long"]


def made(*, labels=("neg", "pos"), reverse=False, seed=1) -> Pretrained:
    """Return a tiny classifier with random weights."""
    tokenizer = FastaiTokenizer.train(LINES, vocabulary=60)
    keras.utils.set_random_seed(seed)
    model = Classifier(
        vocabulary=60, classes=len(labels), embedding=6, width=8, layers=2,
        chunk=PIECE, kept=2 * PIECE,
    )  # fmt: skip
    model.build()
    for variable in model.trainable_variables:
        noise = np.random.default_rng(seed).normal(scale=0.5, size=variable.shape)
        variable.assign(ops.convert_to_numpy(variable) + noise)
    changes = {"data.labels": list(labels), "data.reverse": reverse, "model.arguments": {}}
    recipe = recipes.load("ulmfit2018-imdb").smoke().changed(changes)
    return Pretrained(model, recipe, (tokenizer, tokenizer))


@pytest.fixture(scope="module")
def classifier() -> Pretrained:
    return made()


def plain(classifier: Pretrained, text: str) -> np.ndarray:
    """Return the probabilities of one text, read in one pass."""
    ids = np.array(classifier.encode_sources([text]), dtype="int32")
    logits = ops.convert_to_numpy(compiling.run(_forward, classifier.model, None, {"ids": ids}))
    return metrics.softmax(logits.astype(np.float64))[0]


def _forward(model, options, arrays):
    return model(arrays["ids"])


def test_documents_of_any_length_are_read_to_their_end(classifier):
    texts = ["a good film", "bad " * 50, " ".join(LINES) * 30, "the end"]
    assert len(classifier.encode_sources(texts)[2]) > 2 * PIECE  # longer than what is pooled
    found = classifier.probabilities(texts)
    for text, row in zip(texts, found, strict=True):
        np.testing.assert_allclose(row, plain(classifier, text), atol=1e-5)
    traces = compiling.traces()
    classifier.predict(["bad " * 40, "the plot " * 200])
    assert compiling.traces() == traces


def test_labels_and_scores(classifier):
    found = classifier.probabilities(LINES)
    assert classifier.predict(LINES) == [("neg", "pos")[i] for i in found.argmax(axis=1)]
    scores = classifier.predict(LINES[0], scores=True)
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert scores["pos"] == pytest.approx(found[0, 1])
    assert sum(scores.values()) == pytest.approx(1.0)
    with pytest.raises(InputError, match="text 2 is empty"):
        classifier.predict(["a film", " "])


def test_a_backward_classifier_reads_words_in_reversed_order(classifier):
    backward = made(reverse=True)
    assert (
        backward.encode_sources(["a film"])[0][1:-1]
        == (classifier.encode_sources(["a film"])[0][1:-1][::-1])
    )


def test_what_is_measured():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.6, 0.4, 0.0], [0.1, 0.8, 0.1]])
    found = metrics.classification(probabilities, ["a", "b", "b", "b"], ["a", "b", "c"])
    assert found["accuracy"] == 75.0
    # a: one of two given is right, all are found; b: two of three are found, all given are right
    assert found["macro_f1"] == pytest.approx(100 * (2 / 3 + 4 / 5) / 2)
    assert found["confusion"] == {
        "a": {"a": 1, "b": 0, "c": 0}, "b": {"a": 1, "b": 2, "c": 0}, "c": {"a": 0, "b": 0, "c": 0},
    }  # fmt: skip
    assert found["loss"] == pytest.approx(-np.log([0.9, 0.5, 0.4, 0.8]).mean())
    assert found["texts"] == 4


def test_evaluate(classifier):
    rows = [(text, "pos") for text in LINES]
    found = classifier.evaluate(rows)
    right = classifier.predict(LINES).count("pos")
    assert found["metric"] == "accuracy"
    assert found["value"] == pytest.approx(100 * right / 3)
    assert sum(found["confusion"]["pos"].values()) == 3
    with pytest.raises(DataError, match=r"row 1: the model has no label 'fine'\n.*neg, pos"):
        classifier.evaluate([("a film", "fine")])


def test_golden_inputs_have_different_labels(classifier):
    examples = [("one", "neg"), ("two", "neg"), ("three", "pos"), ("four", "neg")]
    assert classifier.task.golden_inputs(examples) == ["one", "three"]


def test_an_ensemble_averages_probabilities(classifier):
    other = made(labels=("pos", "neg"), reverse=True, seed=2)
    both = Ensemble([classifier, other])
    mean = (classifier.probabilities(LINES) + other.probabilities(LINES)[:, ::-1]) / 2
    np.testing.assert_allclose(both.probabilities(LINES), mean)
    assert both.predict(LINES) == [both.labels[i] for i in mean.argmax(axis=1)]
    assert both.predict(LINES[0], scores=True)["pos"] == pytest.approx(mean[0, 1])
    found = both.evaluate([(text, "neg") for text in LINES])
    assert found["value"] == pytest.approx(100 * np.mean(mean.argmax(axis=1) == 0))


def test_an_ensemble_refuses_a_label_that_it_lacks(classifier):
    both = Ensemble([classifier, made(seed=2)])
    with pytest.raises(DataError, match="row 2: the model has no label 'none'"):
        both.evaluate([(LINES[0], "neg"), (LINES[1], "none")])


def test_an_ensemble_is_made_more_than_once(classifier):
    """A module of the function's name would hide it once it is imported."""
    for _ in range(2):
        assert zoo.ensemble([classifier, classifier]).labels == classifier.labels


def test_what_cannot_be_an_ensemble(classifier, tiny_pretrained):
    with pytest.raises(OptionError, match="an ensemble of 1"):
        Ensemble([classifier])
    with pytest.raises(OptionError, match="has the labels a, b"):
        Ensemble([classifier, made(labels=("a", "b"))])
    with pytest.raises(NotSupported, match="is no classifier"):
        Ensemble([classifier, tiny_pretrained])
