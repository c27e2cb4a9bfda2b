"""Learning rates against the papers' formulas, update by update, counted from 1."""

from __future__ import annotations

import math

import numpy as np
import pytest
from keras import ops

from zoo.config import recipe as recipes
from zoo.config.choices import SCHEDULES
from zoo.errors import RecipeError
from zoo.optim.schedules import schedule


def rate(made: recipes.Recipe, update: int) -> float:
    """Return the rate of an update; Keras counts the updates made before it."""
    return float(ops.convert_to_numpy(schedule(made)(update - 1)))


@pytest.fixture
def small() -> recipes.Recipe:
    changes = {"schedule.warmup": 100, "schedule.peak": 2e-3, "train.updates": 500}
    return recipes.load("vaswani2017-tatoeba-en-fr").changed(changes)


@pytest.mark.parametrize(("size", "width", "peak"), [("base", 512, 7.0e-4), ("big", 1024, 4.9e-4)])
def test_noam_is_equation_3(size, width, peak):
    paper = recipes.load("vaswani2017-wmt14-en-de").changed({"model.size": size})
    for update in (1, 2, 100, 3999, 4000, 4001, 25_000, 100_000):
        expected = width**-0.5 * min(update**-0.5, update * 4000**-1.5)
        assert rate(paper, update) == pytest.approx(expected, rel=1e-5)
    rates = [rate(paper, update) for update in range(3900, 4101, 10)]
    assert max(rates) == rate(paper, 4000) == pytest.approx(peak, rel=0.01)


def test_the_learning_rate_scales_the_schedule(small):
    small = small.changed(
        {
            "schedule.halve_after": 20,
            "schedule.halve_every": 5,
            "schedule.cut": 0.1,
            "schedule.ratio": 32.0,
            "schedule.improvement": 1.003,
            "schedule.decay": 0.01,
        }
    )
    twice = small.changed({"optimizer.learning_rate": 2.0})
    for name in SCHEDULES:
        change: dict = {"schedule.name": name}
        if SCHEDULES[name].by_validation:
            change["schedule.warmup"] = 0
        first, second = rate(small.changed(change), 30), rate(twice.changed(change), 30)
        assert second == pytest.approx(2 * first)


@pytest.mark.parametrize("update", [1, 50, 99, 100, 101, 300, 499, 500, 501, 900])
def test_the_others(small, update):
    warm = min(update / 100, 1)
    expected = {
        "constant": 2e-3 * warm,
        "inverse_sqrt": 2e-3 * (warm if update <= 100 else math.sqrt(100 / update)),
        "linear": 2e-3 * (warm if update <= 100 else max(0, (501 - update) / 400)),
        "cosine": 2e-3
        * (warm if update <= 100 else (1 + math.cos(math.pi * min(1, (update - 100) / 400))) / 2),
    }
    for name, value in expected.items():
        found = rate(small.changed({"schedule.name": name}), update)
        assert found == pytest.approx(value, rel=1e-5, abs=1e-10), name


def test_linear_still_learns_at_the_last_update_and_not_after(small):
    linear = small.changed({"schedule.name": "linear"})
    assert rate(linear, 500) > 0
    assert rate(linear, 501) == 0


@pytest.mark.parametrize("name", ["constant", "inverse_sqrt", "linear", "noam"])
def test_no_warm_up_is_finite(small, name):
    made = small.changed({"schedule.name": name, "schedule.warmup": 0})
    assert all(np.isfinite(rate(made, update)) for update in (1, 2, 500))


def test_halving_is_constant_and_then_halved_at_once_and_in_even_steps(small):
    changes = {"schedule.name": "halving", "schedule.peak": 0.7}
    made = small.changed(changes | {"schedule.halve_after": 10, "schedule.halve_every": 3})
    expected = [*[0.7] * 10, *[0.35] * 3, *[0.175] * 3, *[0.0875] * 3, 0.04375]
    found = [rate(made, update) for update in range(1, len(expected) + 1)]
    assert found == pytest.approx(expected, rel=1e-6)
    assert rate(made.changed({"optimizer.learning_rate": 2.0}), 11) == pytest.approx(0.7)


def test_bengios_rate_falls_with_the_updates_made(small):
    """epsilon_t = epsilon_0 / (1 + r t) of bengio2003, where t counts from 0."""
    changes = {"schedule.name": "inverse_time", "schedule.peak": 1e-3, "schedule.decay": 0.25}
    made = small.changed(changes | {"schedule.warmup": 0})
    for t in (0, 1, 2, 7, 1000):
        assert rate(made, t + 1) == pytest.approx(1e-3 / (1 + 0.25 * t), rel=1e-6)
    with pytest.raises(RecipeError, match="'inverse_time' needs how fast the rate falls"):
        small.changed({"schedule.name": "inverse_time"})


def test_sutskevers_rates():
    """0.7 for 5 epochs of 93,750 updates, then a half of the last for each half epoch."""
    paper = recipes.load("sutskever2014-wmt14-en-fr")
    ends = [468_750, 515_625, 562_500, 609_375, 656_250, 703_125]
    rates = [0.7, 0.35, 0.175, 0.0875, 0.04375, 0.021875]
    first = 1
    for end, expected in zip(ends, rates, strict=True):
        for update in (first, (first + end) // 2, end):
            assert rate(paper, update) == pytest.approx(expected, rel=1e-6), update
        first = end + 1
    assert paper.train.updates == ends[-1]


def test_bahdanaus_rate_is_one():
    paper = recipes.load("bahdanau2015-wmt14-en-fr")
    assert {rate(paper, update) for update in (1, 2, 1000, 667_000)} == {1.0}


@pytest.mark.parametrize(("share", "ratio"), [(0.1, 32.0), (0.15, 32.0), (0.5, 8.0)])
def test_slanted_triangular_is_equation_3(small, share, ratio):
    """Of ulmfit2018: T updates, t of them made, cut_frac and ratio as the paper names them."""
    made = small.changed(
        {
            "schedule.name": "slanted_triangular",
            "schedule.peak": 0.01,
            "schedule.cut": share,
            "schedule.ratio": ratio,
            "train.updates": 100,
        }
    )
    t = np.arange(100)
    cut = math.floor(100 * share)
    p = np.where(t < cut, t / cut, 1 - (t - cut) / (cut * (1 / share - 1)))
    expected = 0.01 * (1 + p * (ratio - 1)) / ratio
    found = [rate(made, update) for update in range(1, 101)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert np.argmax(found) == cut
    assert max(found) == pytest.approx(0.01)
    assert found[0] == pytest.approx(0.01 / ratio)
    assert rate(made, 101) == pytest.approx(0.01 / ratio, rel=1e-3)
    assert rate(made, 150) == rate(made, 200) > 0
    # Two triangles are the same one twice.
    twice = made.changed({"schedule.cycles": 2, "train.updates": 200})
    assert [rate(twice, update) for update in range(1, 201)] == pytest.approx(found * 2)
    assert rate(twice, 250) == rate(made, 150)


def test_pieces_of_another_length_have_another_rate(small):
    """merity2017, section 4.1: the rate of each update times its length over bptt."""
    made = small.changed({"train.bptt": 70, "train.updates": 5})
    lengths = np.array([70, 35, 80, 70, 20], dtype="int32")
    for name in ("constant", "linear"):
        plain = made.changed({"schedule.name": name})
        scaled = schedule(plain, lengths)
        found = [float(ops.convert_to_numpy(scaled(step))) for step in range(5)]
        expected = [rate(plain, step + 1) * lengths[step] / 70 for step in range(5)]
        assert found == pytest.approx(expected, rel=1e-6)


def test_what_is_missing_is_named(small):
    with pytest.raises(RecipeError, match="'halving' needs the number of updates") as caught:
        small.changed({"schedule.name": "halving", "schedule.halve_every": 5})
    assert caught.value.hint == "set schedule.halve_after"
    with pytest.raises(RecipeError, match="'linear' needs a peak rate"):
        small.changed({"schedule.name": "linear", "schedule.peak": None})
    for key, what in (("cut", "share of the updates"), ("ratio", "the ratio of the peak")):
        numbers = {"schedule.cut": 0.1, "schedule.ratio": 32.0, f"schedule.{key}": None}
        with pytest.raises(RecipeError, match=what) as caught:
            small.changed({"schedule.name": "slanted_triangular"} | numbers)
        assert caught.value.hint == f"set schedule.{key}"
    with pytest.raises(RecipeError, match="no schedule 'nom'") as caught:
        small.changed({"schedule.name": "nom"})
    assert "did you mean 'noam'" in caught.value.hint
