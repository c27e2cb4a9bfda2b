"""One input or many, of each task."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.config.tasks import task_class
from zoo.errors import InputError, OptionError
from zoo.tasks import options
from zoo.tasks.base import Task, listed

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


@pytest.mark.parametrize(("task", "name"), [("entail", "pair"), ("choose", "question")])
@pytest.mark.parametrize(("part", "problem"), [("a\0", "a NUL"), ("\ud800", "a lone surrogate")])
def test_parts_are_unicode_without_nul(task, name, part, problem):
    bad = ("It rains.", part) if task == "entail" else ("The sky is", ["blue", part])
    good = PAIR if task == "entail" else QUESTION
    for given, where in ((bad, f"the {name}"), ([good, bad], f"{name} 2")):
        with pytest.raises(InputError, match=f"{where} has {problem}"):
            listed(task, given)


def test_an_option_that_a_task_lacks_names_the_task_as_it_is_registered():
    class Shouting(Task):
        name = "shout"

        def predict(self, texts, *, loud=None):
            return texts

    task = Shouting.__new__(Shouting)
    assert options(task, "predict", {"loud": 3, "soft": None}) == {"loud": 3}
    with pytest.raises(OptionError, match="a model for the task 'shout' has no option 'soft'"):
        options(task, "predict", {"soft": 1})


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
