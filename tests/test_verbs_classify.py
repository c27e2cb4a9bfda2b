"""The verbs of every classifier of the catalog: probabilities, whole documents, labels."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
from given import PAIRS, TEXTS, examples, good, quick, refused

import zoo
from zoo import golden
from zoo.bundle import weights
from zoo.errors import DataError
from zoo.pretrained import Pretrained
from zoo.tasks import metrics

# More words than are read in one piece, many more than the tiny models pool.
LONG = " ".join(source for source, _ in PAIRS)


@pytest.fixture(scope="module")
def long(every_classifier) -> str:
    """A document that is read in several pieces, or that a context just holds."""
    return LONG if not hasattr(every_classifier.model, "context") else LONG[:45]


@pytest.fixture(scope="module")
def documents(long) -> list[str]:
    return [TEXTS[0], long, *TEXTS[1:], long[: len(long) // 2]]


def test_probabilities_are_the_models_whatever_is_read_together(every_classifier, documents):
    found = every_classifier.probabilities(documents)
    assert found.shape == (len(documents), len(every_classifier.labels))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    for row, text in zip(found, documents, strict=True):
        tokens = np.array(every_classifier.encode_sources([text]), dtype="int32")
        logits = tiny.logits(every_classifier.model, tokens).astype(np.float64)
        np.testing.assert_allclose(row, metrics.softmax(logits)[0], atol=1e-5)
    for size in (1, 3):
        again = every_classifier.probabilities(documents, batch_size=size)
        np.testing.assert_allclose(again, found, atol=1e-6)
    assert every_classifier.probabilities([]).shape == (0, len(every_classifier.labels))


def test_predict_gives_the_most_probable_label_or_all(every_classifier, documents):
    found, labels = every_classifier.probabilities(documents), every_classifier.labels
    assert every_classifier.predict(documents) == [labels[i] for i in found.argmax(axis=1)]
    scores = every_classifier.predict(documents, scores=True)
    for row, each in zip(found, scores, strict=True):
        assert list(each.values()) == sorted(each.values(), reverse=True)
        assert each == pytest.approx(dict(zip(labels, row, strict=True)))
    assert every_classifier.predict(TEXTS[0], scores=True) == pytest.approx(scores[0])


def test_evaluate_counts_labels(every_classifier):
    rows = examples(every_classifier.recipe)
    found = every_classifier.evaluate(rows)
    given = every_classifier.predict([text for text, _ in rows])
    right = sum(label == true for label, (_, true) in zip(given, rows, strict=True))
    assert found["accuracy"] == pytest.approx(100 * right / len(rows))
    assert found["texts"] == len(rows)
    for (_, true), label in zip(rows, given, strict=True):
        found["confusion"][true][label] -= 1
    assert not any(n for row in found["confusion"].values() for n in row.values())
    texts, labels = zip(*rows, strict=True)
    assert every_classifier.evaluate(texts, labels)["loss"] == found["loss"]


def test_what_was_answered_is_recorded(every_classifier, documents):
    found = golden.record(every_classifier.task, documents)
    golden.check(every_classifier.task, found)
    assert found["outputs"] == every_classifier.predict(documents)
    best = every_classifier.probabilities(documents).max(axis=1)
    np.testing.assert_allclose(found["log_probabilities"], np.log(best), atol=1e-3)
    assert np.shape(found["logits"]) == (1, golden.IDS)


def test_a_backward_classifier_reads_from_the_last_word(every_classifier, long):
    recipe = every_classifier.recipe.changed({"data.reverse": True})
    backward = Pretrained(every_classifier.model, recipe, (every_classifier.tokenizer,) * 2)
    forward, turned = (each.encode_sources([long])[0] for each in (every_classifier, backward))
    assert turned[1:-1] == forward[1:-1][::-1]
    assert (turned[0], turned[-1]) == (forward[0], forward[-1])
    apart = every_classifier.probabilities([long]) - backward.probabilities([long])
    assert np.abs(apart).max() > 1e-4


def test_preprocess_gives_padded_texts_and_places_of_labels(every_classifier):
    rows = examples(every_classifier.recipe)
    changes = quick(every_classifier) | {"train.batch_sentences": 4}
    batches = list(every_classifier.preprocess(rows, validation=rows[:4], changes=changes))
    ids = every_classifier.encode_sources([text for text, _ in rows])
    places = [every_classifier.labels.index(label) for _, label in rows]
    wanted = sorted((tuple(each), place) for each, place in zip(ids, places, strict=True))
    pad = every_classifier.tokenizer.pad_id
    found = [
        (tuple(row[row != pad].tolist()), int(label))
        for tokens, labels in batches
        for row, label in zip(tokens, labels, strict=True)
    ]
    assert sorted(found) == wanted
    for tokens, _ in batches:
        assert tokens.shape == (4, changes["train.buckets"][0])
        assert {*tokens[:, -1].tolist()} == {ids[0][-1]}  # the end, or the extract token


# What it is trained on


def test_other_labels_give_another_head(every_classifier, tmp_path):
    """Also as many of them as before: what the old ones were told by says nothing of the new."""
    texts = [source for source, _ in PAIRS]
    names = [f"new {i}" for i in range(len(every_classifier.labels))]
    for labels in (names, [*names, "one more"]):
        given = [labels[i % len(labels)] for i in range(len(texts))]
        tuned = every_classifier.finetune(
            texts, given, changes=quick(every_classifier), out=tmp_path / str(len(labels))
        )
        assert tuned.labels == sorted(labels)
        assert tuned.predict(TEXTS[0]) in labels
        assert zoo.load(tmp_path / str(len(labels))).labels == tuned.labels
        assert tuned.recipe.model.arguments["classes"] == len(labels)
    # What was there before hardly moves at this rate; the head begins anew.
    changes = quick(every_classifier) | {"schedule.peak": 1e-9, "train.updates": 1}
    tuned = every_classifier.finetune(texts, given, changes=changes)
    before, after = (weights.arrays(each.model) for each in (every_classifier, tuned))
    for name, value in before.items():
        if not name.startswith("head."):
            np.testing.assert_allclose(after[name], value, atol=1e-6)
    kernels = [name for name in before if name.startswith("head.") and name.endswith("kernel")]
    for name in kernels:
        classes = min(after[name].shape[1], before[name].shape[1])
        apart = after[name][:, :classes] - before[name][:, :classes]
        assert np.abs(apart).max() > 0.1


def test_some_of_its_labels_leave_the_head_as_it_is(every_classifier):
    labels = every_classifier.labels[:2]
    rows = [(source, labels[i % 2]) for i, (source, _) in enumerate(PAIRS)]
    changes = quick(every_classifier) | {"schedule.peak": 1e-9}
    tuned = every_classifier.finetune(rows, changes=changes)
    assert tuned.labels == every_classifier.labels
    before, after = (weights.arrays(each.model) for each in (every_classifier, tuned))
    for name in before:
        if name.startswith("head.") and name.endswith("kernel"):
            np.testing.assert_allclose(after[name], before[name], atol=1e-6)


FINETUNING = [
    ({"data": TEXTS, "targets": ["a", "a", "a"]}, "all examples have the one label 'a'"),
    ({"data": TEXTS, "targets": ["a", "b"]}, "3 texts, but 2 labels.*each text needs one label"),
    ({"data": TEXTS, "targets": ["a", None, "b"]}, "row 2: the label is missing"),
    ({"data": TEXTS, "targets": ["a", float("nan"), "b"]}, "row 2: the label is missing"),
    ({"data": {"text": TEXTS, "label": ["a", "", "b"]}}, "row 2: the label is empty"),
    ({"data": {"text": TEXTS, "label": ["a", "b", 2.5]}}, "row 3: the label is float"),
    ({"data": {"label": ["a", "b", "a"], "text": [1, 2, 3]}}, "row 1: the text is int, not text"),
    ({"data": TEXTS}, "row 1: one str instead of a pair.*second list with the labels"),
    (
        {"data": {"a": TEXTS, "b": TEXTS, "c": TEXTS}},
        "found 3 columns: a, b, c.*'text' and 'label'",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), FINETUNING)
def test_finetune_and_preprocess_refuse_labels_without_sense(every_classifier, arguments, message):
    for verb in (every_classifier.finetune, every_classifier.preprocess):
        with refused(DataError, message):
            verb(**arguments)


def test_labels_to_validate_on_must_be_labels_to_train_on(every_classifier):
    with refused(DataError, "validation, row 1: no other example has the label 'x'"):
        rows = good(every_classifier)
        every_classifier.finetune(rows, validation=[(rows[0][0], "x"), (rows[1][0], "y")])


def test_a_batch_needs_as_many_texts(every_classifier):
    given = good(every_classifier)
    with refused(DataError, "there are 3 texts, fewer than a batch of 32.*batch_sentences"):
        every_classifier.finetune(given, validation=given, changes={"train.batch_sentences": 32})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([("a", None)], "row 1: the label is missing"),
        ([("a", "no label of this model")], "row 1: the model has no label .*its labels are"),
        ({"text": ["a"], "class": [None]}, "row 1: the class is missing"),
    ],
)
def test_evaluate_refuses_labels_without_sense(every_classifier, data, message):
    with refused(DataError, message):
        every_classifier.evaluate(data)
