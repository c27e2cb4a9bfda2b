"""Multiple choice: each answer is scored after its context, softmax compares them."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops
from tiny_sequences import CONTEXT, INPUTS, TOKENIZER, VOCABULARY, logits, task

from zoo import golden
from zoo.errors import DataError, InputError, PredictionError, ZooWarning
from zoo.tasks import metrics

QUESTIONS = INPUTS["choose"]
START, DELIMITER, EXTRACT = VOCABULARY, VOCABULARY + 1, VOCABULARY + 2


@pytest.fixture(scope="module")
def made():
    return task("choose")


@pytest.fixture(scope="module")
def found(made) -> np.ndarray:
    return made.probabilities(QUESTIONS)


def test_each_answer_is_read_after_the_context(made):
    context, answers = QUESTIONS[1]
    (sequences,) = made.encode([(context, list(answers))])
    assert [each.tolist() for each in sequences] == [
        [START, *TOKENIZER.encode(context), DELIMITER, *TOKENIZER.encode(answer), EXTRACT]
        for answer in answers
    ]


def test_probabilities_are_of_the_answers_that_there_are(made, found):
    assert found.shape == (3, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found[0, 2] == found[2, 2] == 0
    for (context, answers), row in zip(QUESTIONS, found, strict=True):
        # An answer is scored by itself: others only share the probability.
        each = [made.logits([(context, (answer, answer))])[0, 0] for answer in answers]
        wanted = metrics.softmax(np.array([each]))[0]
        np.testing.assert_allclose(row[: len(answers)], wanted, atol=1e-5)
    again = made.probabilities(QUESTIONS[::-1], batch_size=1)
    np.testing.assert_allclose(again, found[::-1], atol=1e-5)
    assert made.probabilities([]).shape == (0, 0)


def test_a_score_is_the_models(made):
    sequences = [each.tolist() for each in made.encode([("it", ("red", "blue"))])[0]]
    longest = max(map(len, sequences))
    rows = [[-1] * (longest - len(each)) + each for each in sequences]
    wanted = logits(made.model, *rows)
    np.testing.assert_allclose(made.logits([("it", ("red", "blue"))])[0], wanted, atol=1e-5)


def test_a_logit_of_nan_is_an_error_and_a_missing_answer_is_none(made, found):
    bias = made.model.head.bias
    kept = ops.convert_to_numpy(bias).copy()
    bias.assign(np.full_like(kept, np.inf))
    try:
        for verb in (made.predict, made.probabilities):
            with pytest.raises(PredictionError, match="holds NaN or infinity"):
                verb(QUESTIONS)
    finally:
        bias.assign(kept)
    np.testing.assert_array_equal(made.probabilities(QUESTIONS), found)


def test_answers_and_scores(made, found):
    best = [answers[i] for (_, answers), i in zip(QUESTIONS, found.argmax(axis=1), strict=True)]
    assert made.predict(QUESTIONS) == best
    for (_, answers), row, scores in zip(
        QUESTIONS, found, made.predict(QUESTIONS, scores=True), strict=True
    ):
        assert list(scores.values()) == sorted(scores.values(), reverse=True)
        assert scores == pytest.approx(dict(zip(answers, row, strict=False)))
    (scores,) = made.predict([("it", ("red", "red", "blue"))], scores=True)
    assert set(scores) == {"red", "blue"}
    assert sum(scores.values()) == pytest.approx(1)


def test_evaluate(made, found):
    measured = made.evaluate(list(zip(QUESTIONS, [0, 2, 1], strict=True)))
    assert measured == metrics.choice(found, np.array([0, 2, 1]))
    for place in (2, -1, "blue"):
        with pytest.raises(DataError, match=f"row 1: there is no answer {place!r}\n.*0 to 1"):
            made.evaluate([(QUESTIONS[0], place)])
    with pytest.raises(DataError, match="no rows"):
        made.evaluate([])


def test_what_was_answered_is_recorded_and_read_back(made, found):
    given = [[context, list(answers)] for context, answers in QUESTIONS]
    held = golden.record(made, QUESTIONS) | {"inputs": given}
    golden.check(made, held)
    np.testing.assert_allclose(held["log_probabilities"], np.log(found.max(axis=1)), atol=1e-3)
    rows = list(zip(QUESTIONS, [0, 0, 1], strict=True))
    assert made.golden_inputs(rows) == [QUESTIONS[0], QUESTIONS[2]]


def test_a_context_that_is_too_long_gives_way(made):
    with pytest.warns(ZooWarning, match="^question 1 is longer than .*: the context was cut after"):
        (sequences,) = made.encode([("it is wet and " * 20, ("red", "it is dry"))])
    assert max(map(len, sequences)) == CONTEXT
    contexts = [ids.tolist()[: ids.tolist().index(DELIMITER)] for ids in sequences]
    assert contexts[0] == contexts[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["red"], r"the question is str, not \(context, answers\)\n.*a context and its answers"),
        ([("a", "b")], "the answers of the question are str, not a list"),
        ([("a", 3)], "the answers of the question are int, not a list"),
        ([QUESTIONS[0], ("a", ["b"])], "question 2 has fewer than two answers"),
        ([("a", ["b", ""])], "answer 1 of the question is empty"),
        ([("a", ["b", 3])], "answer 1 of the question is int, not text"),
        ([(" ", ["b", "c"])], "the context of the question is empty"),
    ],
)
def test_what_is_no_input(made, given, message):
    with pytest.raises(InputError, match=message):
        made.predict(given)
