"""The similarity of two texts: the same in both orders, as a label or as a number."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_sequences import INPUTS, TOKENIZER, VOCABULARY, logits, task

from zoo import golden
from zoo.errors import DataError, InputError, NotSupported, OptionError
from zoo.tasks import metrics

PAIRS = INPUTS["similarity"]
TURNED = [(other, one) for one, other in PAIRS]
START, DELIMITER, EXTRACT = VOCABULARY, VOCABULARY + 1, VOCABULARY + 2


@pytest.fixture(scope="module")
def labelled():
    return task("similarity")


@pytest.fixture(scope="module")
def regression():
    return task("similarity", labels=[])


def test_both_orders_are_read(labelled):
    one, other = map(TOKENIZER.encode, PAIRS[0])
    ((first, second),) = labelled.encode(PAIRS[:1])
    assert first.tolist() == [START, *one, DELIMITER, *other, EXTRACT]
    assert second.tolist() == [START, *other, DELIMITER, *one, EXTRACT]


def test_the_order_does_not_count(labelled, regression):
    found = labelled.probabilities(PAIRS)
    np.testing.assert_allclose(labelled.probabilities(TURNED), found, atol=1e-5)
    assert regression.predict(TURNED) == pytest.approx(regression.predict(PAIRS), abs=1e-5)
    assert np.ptp(found[:, 0]) > 1e-4
    sequences = [each.tolist() for each in labelled.encode(PAIRS[:1])[0]]
    alone = logits(labelled.model, *sequences)[None].astype(np.float64)
    np.testing.assert_allclose(found[:1], metrics.softmax(alone), atol=1e-5)


def test_labels(labelled):
    found = labelled.probabilities(PAIRS)
    assert labelled.predict(PAIRS) == [labelled.labels[i] for i in found.argmax(axis=1)]
    scores = labelled.predict(PAIRS, scores=True)
    assert scores[0] == pytest.approx(dict(zip(labelled.labels, found[0], strict=True)))
    measured = labelled.evaluate([(pair, "1") for pair in PAIRS])
    assert measured["accuracy"] == pytest.approx(100 * (found.argmax(axis=1) == 1).mean())


def test_numbers(regression):
    found = regression.predict(PAIRS)
    for number, sequences in zip(found, regression.encode(PAIRS), strict=True):
        alone = logits(regression.model, *(each.tolist() for each in sequences))
        assert number == pytest.approx(float(alone[0]), abs=1e-4)
    assert regression.predict([]) == []
    truth = [1.0, 0.5, 4]
    measured = regression.evaluate(list(zip(PAIRS, truth, strict=True)))
    assert measured == pytest.approx(metrics.regression(np.array(found), np.array(truth)))
    with pytest.raises(OptionError, match=r"gives numbers, not labels.*\n.*leave scores out"):
        regression.predict(PAIRS, scores=True)
    with pytest.raises(NotSupported, match="gives numbers, not labels"):
        regression.probabilities(PAIRS)
    with pytest.raises(DataError, match="row 2: the label 'same' is no number"):
        regression.evaluate([(PAIRS[0], 1.0), (PAIRS[1], "same")])
    with pytest.raises(DataError, match="no rows"):
        regression.evaluate([])


def test_what_was_answered_is_recorded(labelled, regression):
    for each in (labelled, regression):
        held = golden.record(each, PAIRS)
        golden.check(each, held)
    # The logits differ by less than another backend's would; a number may, too.
    golden.check(regression, held | {"outputs": [x + 1e-4 for x in held["outputs"]]})
    moved = [x + 0.1 for x in held["log_probabilities"]]
    with pytest.raises(Exception, match="the score of"):
        golden.check(regression, held | {"log_probabilities": moved})
    rows = list(zip(PAIRS, [1.0, 1.5, 1.0], strict=True))
    assert regression.golden_inputs(rows) == PAIRS[:2]


def test_what_is_no_input(labelled):
    with pytest.raises(InputError, match=r"pair 2 is str, not \(first text, second text\)"):
        labelled.predict([PAIRS[0], "it rains"])
    with pytest.raises(InputError, match="the second text of the pair is empty"):
        labelled.predict([("it rains", " ")])
