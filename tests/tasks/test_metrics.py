"""What is measured of numbers and of choices, against numbers worked out elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.tasks import metrics

FOUND = np.array([1.0, 2.0, 2.0, 4.0, 7.5, -3.0])
TRUTH = np.array([0.5, 3.0, 2.5, 2.5, 9.0, 1.0])
# scipy.stats.pearsonr and spearmanr of these.
PEARSON, SPEARMAN = 83.91090738029527, 80.88235294117648


def test_correlations():
    found = metrics.regression(FOUND, TRUTH)
    assert found["pearson"] == pytest.approx(PEARSON)
    assert found["spearman"] == pytest.approx(SPEARMAN)
    assert found["loss"] == pytest.approx(((FOUND - TRUTH) ** 2).mean())
    assert found["texts"] == 6
    assert metrics.regression(-3 * TRUTH + 1, TRUTH)["pearson"] == pytest.approx(-100)
    assert metrics.regression(np.exp(TRUTH), TRUTH)["spearman"] == pytest.approx(100)


def test_a_constant_correlates_with_nothing():
    found = metrics.regression(np.ones(6), TRUTH)
    assert (found["pearson"], found["spearman"]) == (0, 0)
    assert metrics.regression(TRUTH, np.ones(6))["spearman"] == 0


def test_equal_values_share_a_rank():
    assert metrics.ranks(FOUND).tolist() == [2, 3.5, 3.5, 5, 6, 1]
    assert metrics.ranks(np.array([3.0, 3.0, 3.0])).tolist() == [2, 2, 2]


def test_choices():
    probabilities = np.array([[0.7, 0.3, 0.0], [0.2, 0.3, 0.5], [0.5, 0.4, 0.1]])
    found = metrics.choice(probabilities, np.array([0, 2, 1]))
    assert found["accuracy"] == pytest.approx(200 / 3)
    assert found["loss"] == pytest.approx(-np.log([0.7, 0.5, 0.4]).mean())
    assert found["texts"] == 3
