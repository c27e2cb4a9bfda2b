"""F1 and exact match of SQuAD: values by hand, and those of another implementation."""

from __future__ import annotations

import random

import pytest

from zoo.tasks.answering import measured
from zoo.tasks.metrics import squad_exact_match, squad_f1, squad_words

WORDS = ["the", "a", "An", "Denver", "denver,", "Broncos", "1.5", "1-5", "U.S.", "it's", "—", "!"]


def test_words_are_those_of_the_official_program():
    assert squad_words(" The  Denver-Broncos, (in)\n1.5 an theme ") == [
        "denverbroncos", "in", "15", "theme",
    ]  # fmt: skip
    assert squad_words("l'An – “the”") == ["lan", "–", "“", "”"]
    assert squad_words("The!") == []


@pytest.mark.parametrize(
    ("predicted", "answers", "f1", "exact"),
    [
        ("the Denver Broncos", ["Denver Broncos", "Broncos"], 1.0, 1.0),
        ("Denver", ["Denver Broncos"], 2 / 3, 0.0),
        ("in Denver in", ["in Denver"], 0.8, 0.0),  # each word as often as it is there
        ("Carolina", ["Denver Broncos"], 0.0, 0.0),
        ("", ["Denver"], 0.0, 0.0),
        ("the", ["The"], 0.0, 1.0),  # no words: in version 1.1 equal, with an F1 of 0
        ("Denver", ["the", "Denver"], 1.0, 1.0),
    ],
)
def test_scores_by_hand(predicted, answers, f1, exact):
    assert squad_f1(predicted, answers) == pytest.approx(f1)
    assert squad_exact_match(predicted, answers) == exact
    found = measured([predicted], [answers])
    assert found == {"f1": pytest.approx(100 * f1), "exact_match": 100 * exact, "questions": 1}


def test_version_2_counts_no_answer():
    found = measured(["", "Denver", "the", "", "x"], [[], [], ["The"], ["Denver"], ["x", "!"]])
    # Right, wrong, right (its one answer has no words), wrong, right.
    assert found["exact_match"] == found["f1"] == pytest.approx(60.0)
    assert (found["questions"], found["without_answer"]) == (5, 2)
    assert found["f1_without_answer"] == 50.0
    assert found["f1_with_answer"] == pytest.approx(200 / 3)
    assert measured([""], [[]])["f1"] == 100.0


def test_scores_are_those_of_torchmetrics():
    """On answers that have words: of others its F1 is version 2.0's."""
    official = pytest.importorskip("torchmetrics.functional.text")
    draw = random.Random(8)

    def text(most):
        return " ".join(["in", *draw.choices(WORDS, k=draw.randint(0, most))])

    predicted = [text(4) for _ in range(400)]
    truth = [[text(4) for _ in range(draw.randint(1, 3))] for _ in predicted]
    found = measured(predicted, truth)
    theirs = official.squad(
        [{"prediction_text": each, "id": str(i)} for i, each in enumerate(predicted)],
        [
            {"id": str(i), "answers": {"text": each, "answer_start": [0] * len(each)}}
            for i, each in enumerate(truth)
        ],
    )
    assert found["exact_match"] == pytest.approx(float(theirs["exact_match"]))
    assert found["f1"] == pytest.approx(float(theirs["f1"]))
    assert 10 < found["exact_match"] < found["f1"] < 90
