"""Rows held out to validate on: the same share of each label, never the last one of a label."""

from __future__ import annotations

from collections import Counter

import pytest

from zoo.data.examples import Example, split


def labelled(**counts: int) -> list[Example]:
    return [Example(f"{label} {i}", label) for label, count in counts.items() for i in range(count)]


@pytest.mark.parametrize("seed", range(20))
def test_each_label_stays_in_training(seed):
    examples = labelled(a=40, b=40, rare=2, single=1)
    train, valid = split(examples, 0.25, seed, by_label=True)
    assert sorted([*train, *valid]) == sorted(examples)
    held = Counter(label for _, label in valid)
    assert (held["a"], held["b"], held["single"]) == (10, 10, 0)
    assert held["rare"] <= 1
    assert sum(held.values()) == 21
    assert split(examples, 0.25, seed, by_label=True) == (train, valid)
    assert split(examples, 0.25, seed + 1, by_label=True) != (train, valid)


def test_a_large_share_leaves_one_of_each_label():
    train, valid = split(labelled(a=3, b=3, c=1), 0.9, 0, by_label=True)
    assert Counter(label for _, label in train) == {"a": 1, "b": 1, "c": 1}
    assert len(valid) == 4


def test_equal_texts_stay_together_whatever_their_labels():
    examples = [Example(text, label) for text in "abcdefgh" for label in ("x", "y")]
    examples += [Example("only", "z"), Example("only", "z")]
    for seed in range(10):
        train, valid = split(examples, 0.3, seed, by_label=True)
        assert not {given for given, _ in train} & {given for given, _ in valid}
        assert {label for _, label in train} == {"x", "y", "z"}
        assert valid


def test_one_is_held_out_of_labels_of_one_example_each():
    train, valid = split(labelled(a=1, b=1, c=1), 0.1, 0, by_label=True)
    assert (len(train), len(valid)) == (2, 1)
