"""One input or many, of each task."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.config.tasks import task_class
from zoo.errors import InputError
from zoo.tasks.base import listed

PAIR, QUESTION = ("It rains.", "It is wet."), ("The sky is", ["blue", "green"])


@pytest.mark.parametrize("task", ["translate", "generate", "classify"])
def test_texts(task):
    assert listed(task, "a") == (True, ["a"])
    assert listed(task, ("a", "b")) == (False, ["a", "b"])
    assert listed(task, iter(["a"])) == (False, ["a"])
    with pytest.raises(InputError, match="int is no text"):
        listed(task, 3)
    with pytest.raises(InputError, match="text 2 is tuple, not text"):
        listed(task, ["a", ("b", "c")])


@pytest.mark.parametrize(
    ("task", "one"), [("entail", PAIR), ("similarity", PAIR), ("choose", QUESTION)]
)
def test_tuples(task, one):
    assert listed(task, one) == (True, [one])
    for many in ([one, one], (one, one), iter([one, one])):
        assert listed(task, many) == (False, [one, one])
    assert listed(task, [list(one)]) == (False, [list(one)])
    assert listed(task, []) == listed(task, ()) == (False, [])
    assert listed(task, np.array([["a", "b"]]))[0] is False
    for wrong in ("a", b"a", 3, None, {"premise": "a"}):
        with pytest.raises(InputError, match=r"is no (pair|question) \(.*\n.*or a list of such"):
            listed(task, wrong)


def scored(task, texts, targets):
    owner = task_class(task)
    return owner.scored(owner.__new__(owner), texts, targets)


def test_what_is_scored():
    assert scored("translate", "a", "b") == (True, [["a"], ["b"]])
    assert scored("generate", ["a", "b"], None) == (False, [["a", "b"]])
    for task, texts, targets, message in (
        ("generate", "a", "b", "scores one text"),
        ("translate", "a", None, "there is no target"),
        ("translate", ["a", "b"], ["c"], "2 sources, but 1 target"),
        ("translate", "a", ["c"], "1 source, but 1 target"),
    ):
        with pytest.raises(InputError, match=message):
            scored(task, texts, targets)
