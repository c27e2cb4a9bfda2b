"""Classifiers that read sequences: of a text, or of a premise and a hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_sequences import CONTEXT, INPUTS, LABELS, TOKENIZER, VOCABULARY, logits, task

from zoo import golden
from zoo.errors import DataError, InputError, ZooWarning
from zoo.tasks import metrics

START, DELIMITER, EXTRACT = VOCABULARY, VOCABULARY + 1, VOCABULARY + 2


@pytest.fixture(scope="module", params=["classify", "entail"])
def made(request):
    return task(request.param)


@pytest.fixture(scope="module")
def found(made) -> np.ndarray:
    return made.probabilities(INPUTS[made.name])


def test_what_is_read_is_figure_1():
    words = TOKENIZER.encode
    (text,) = task("classify").encode(["it is dry"])
    assert text.tolist() == [START, *words("it is dry"), EXTRACT]
    (pair,) = task("entail").encode([("it rains", "it is wet")])
    assert pair.tolist() == [START, *words("it rains"), DELIMITER, *words("it is wet"), EXTRACT]
    (turned,) = task("entail", reverse=True).encode([("it rains", "red")])
    assert turned.tolist() == [
        START, *words("it rains")[::-1], DELIMITER, *words("red")[::-1], EXTRACT,
    ]  # fmt: skip


def test_probabilities_are_the_models(made, found):
    for row, ids in zip(found, made.encode(INPUTS[made.name]), strict=True):
        alone = logits(made.model, ids.tolist())[None].astype(np.float64)
        np.testing.assert_allclose(row, metrics.softmax(alone)[0], atol=1e-5)
    assert made.probabilities([]).shape == (0, len(made.labels))


def test_order_counts():
    entail = task("entail")
    one, other = entail.probabilities([("it rains", "it is wet"), ("it is wet", "it rains")])
    assert np.abs(one - other).max() > 1e-4


def test_labels_and_scores(made, found):
    inputs, labels = INPUTS[made.name], LABELS[made.name]
    assert made.predict(inputs) == [labels[i] for i in found.argmax(axis=1)]
    for row, scores in zip(found, made.predict(inputs, scores=True), strict=True):
        assert list(scores.values()) == sorted(scores.values(), reverse=True)
        assert scores == pytest.approx(dict(zip(labels, row, strict=True)))


def test_evaluate(made, found):
    labels = [made.labels[i] for i in (0, 1, 1)]
    measured = made.evaluate(list(zip(INPUTS[made.name], labels, strict=True)))
    right = (found.argmax(axis=1) == [0, 1, 1]).mean()
    assert measured["accuracy"] == pytest.approx(100 * right)
    assert measured["texts"] == sum(measured["confusion"][made.labels[1]].values()) + 1 == 3
    with pytest.raises(DataError, match="row 1: the model has no label 'maybe'"):
        made.evaluate([(INPUTS[made.name][0], "maybe")])
    with pytest.raises(DataError, match="no rows"):
        made.evaluate([])


def test_what_was_answered_is_recorded_and_read_back(made, found):
    """As JSON holds it, where a tuple is a list."""
    inputs = [each if isinstance(each, str) else list(each) for each in INPUTS[made.name]]
    held = golden.record(made, INPUTS[made.name]) | {"inputs": inputs}
    golden.check(made, held)
    np.testing.assert_allclose(held["log_probabilities"], np.log(found.max(axis=1)), atol=1e-3)
    rows = [(each, made.labels[i % 2]) for i, each in enumerate(INPUTS[made.name])]
    assert made.golden_inputs(rows) == INPUTS[made.name][:2]


def test_what_is_too_long_is_cut_and_told():
    """All of the hypothesis stays, and as much of the premise as there is room for."""
    long, short = "it is wet and " * 20, "it is red"
    entail, shorter = task("entail"), task("entail", max_length=10)
    with pytest.warns(ZooWarning, match=rf"^pair 2 is longer than the {CONTEXT} .*the premise was"):
        _, ids = entail.encode([("it rains", "red"), (long, short)])
    kept = TOKENIZER.encode(short)
    room = CONTEXT - 3 - len(kept)
    assert ids.tolist() == [START, *TOKENIZER.encode(long)[:room], DELIMITER, *kept, EXTRACT]
    with pytest.warns(ZooWarning, match="^pair 1 is longer than the 10 tokens"):
        assert [len(each) for each in shorter.encode([(long, long)])] == [10]


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("classify", ["red", " "], "text 2 is empty"),
        ("classify", [("a", "b")], "the text is tuple, not text"),
        ("entail", ["red"], r"the pair is str, not \(premise, hypothesis\)\n.*\"It is wet"),
        ("entail", [("a", "b"), "red"], "pair 2 is str, not"),
        ("entail", [("a", "b"), ("a",)], "pair 2 has 1 parts, not two: premise and hypothesis"),
        ("entail", [("a", "b"), ("a", "b", "c")], "pair 2 has 3 parts"),
        ("entail", [("a", "")], "the hypothesis of the pair is empty"),
        ("entail", [("a", 3)], "the hypothesis of the pair is int, not text"),
        ("entail", [{"premise": "a"}], "the pair is dict, not"),
    ],
)
def test_what_is_no_input(name, given, message):
    with pytest.raises(InputError, match=message):
        task(name).predict(given)
