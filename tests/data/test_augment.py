"""Augmentation: a pure function of pairs and seed, and what each step does to a pair."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from zoo.config.choices import AUGMENTATIONS
from zoo.data import augment

NAMES = augment.Names(["Peter", "Adam"], ["Julia", "Emma"], ["Miller"], ["Berlin"])
EVERY = [
    ("Tom is here.", "Tom est ici."), ("How are you?", "Ça va ?"),
    ("How are you?", "Comment ça va ?"), ("I have 12 cats.", "J'ai 12 chats."),
    ("He saw Mary in Boston.", "Il a vu Marie à Boston."),
]  # fmt: skip


def augmented(pairs, *steps, seed=1):
    return augment.augment(pairs, steps, seed, "here", NAMES)


def test_equal_arguments_give_equal_pairs():
    pairs = EVERY * 20
    first, again, other = (augmented(pairs, *AUGMENTATIONS, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert pairs == EVERY * 20


def test_keyboard_and_french_spacing():
    pair = ("It\u2019s \u201cfine\u201d \u2013 why?", "C\u2019est \u00ab bien \u00bb: pourquoi?")
    assert augmented([pair], "keyboard") == [('It\'s "fine" - why?', 'C\'est "bien": pourquoi?')]
    assert augmented([pair], "keyboard", "french_spacing")[0][1] == 'C\'est "bien" : pourquoi ?'


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("Oui!", "Oui !"), ("Oui ?", "Oui ?"), ("Quoi ?!", "Quoi ?!"), ("à 14:30", "à 14:30"),
        ("a::b", "a::b"), ("12.000 yens.", "12 000 yens."), ("1.5", "1.5"), ("a; b", "a ; b"),
    ],
)  # fmt: skip
def test_french_spacing(given, wanted):
    assert augment.french_spacing(given) == wanted


def test_openings_that_agree_are_sentences():
    pairs = [("No, I see.", "Non, je vois.")] * 6 + [("Well, no.", "Bon, non.")] * 4
    assert augmented(pairs, "openings")[len(pairs) :] == [("No.", "Non.")] * 6


def test_the_commonest_answer_has_the_majority():
    answers = ["Comment vas-tu ?", "Comment ça va ?", "Ça va ?", "Comment il va ?"]
    found = Counter(augmented([("How are you?", each) for each in answers], "commonest"))
    assert found["How are you?", "Comment ça va ?"] == len(answers)
    assert sum(found.values()) == 2 * len(answers) - 1


def test_between_two_answers_the_familiar_one():
    words, sentences = Counter(bonjour=9, oyez=1), Counter({"Bonjour !": 3, "Oyez !": 1})
    assert augment.commonest(["Oyez !", "Bonjour !"], words, sentences) == "Bonjour !"


@pytest.mark.parametrize(
    ("pair", "name", "new", "wanted"),
    [
        (("Ask Tom.", "Demande à Tom."), "Tom", "Peter", ("Ask Peter.", "Demande à Peter.")),
        (("I see Mary.", "Je vois Marie."), "Mary", "Julia", ("I see Julia.", "Je vois Julia.")),
        (
            ("Tom's cat says that Tom is.", "Le chat de Tom dit que Tom est."), "Tom", "Adam",
            ("Adam's cat says that Adam is.", "Le chat d'Adam dit qu'Adam est."),
        ),
        (("Alice's cat", "Le chat d'Alice"), "Alice", "Zoé", ("Zoé's cat", "Le chat de Zoé")),
        (("Tom", "Il"), "Tom", "Peter", ("Tom", "Il")),
    ],
)  # fmt: skip
def test_a_name_is_replaced_on_both_sides(pair, name, new, wanted):
    assert augment.replace_name(pair, name, new) == wanted


def test_names_and_towns():
    found = augmented(EVERY[-1:] * 50, "names")
    assert len(found) == 100
    assert {"Julia", "Emma"} <= {word for source, _ in found for word in source.split()}
    assert any("Berlin" in source and "Berlin" in target for source, target in found)


def test_lists_of_names():
    first = augment.first_names(["emma", "liam", "peter", "otto"])
    assert first.female[-1] == "Emma"
    assert first.male[-1] == "Otto"
    assert "Liam" in first.male
    pairs = [("Mr Haug is in Berlin.", "M. Haug est à Berlin.")] * 3
    assert augment.with_mined(first, pairs).surnames == ["Haug"]
    assert augment.with_mined(first, pairs).towns == ["Berlin"]


def test_numbers_are_alike_and_thousands_are_written_as_each_language_does():
    pair = ("It cost 10,000 yen in 1998.", "Ça a coûté 10 000 yens en 1998.")
    kinds = set()
    for seed in range(60):
        source, target = augment.renumbered(pair, random.Random(seed))
        left, right = source.split()[2], target.split(" yens")[0].removeprefix("Ça a coûté ")
        assert left.replace(",", "") == right.replace(" ", "")
        assert source[-5:-1] == target[-5:-1]
        kinds.add(("," in left, len(left.replace(",", ""))))
    assert {size for _, size in kinds} == {2, 3, 4, 5, 6}
    for kept in (("At 2:30 or 1.", "À 2:30 ou 1."), ("I see 4.", "Je vois cinq.")):
        assert augment.renumbered(kept, random.Random(0)) == kept


def test_case_adds_copies():
    pairs = [(f"How is {i} Tom?", f"Comment va {i} Tom ?") for i in range(2000)]
    added = augmented(pairs, "case")[len(pairs) :]
    kinds = Counter(
        "capitals" if source.isupper() else "lower" if source.islower() else "bare"
        for source, _ in added
    )
    assert 50 < kinds["lower"] < 110
    assert 20 < kinds["capitals"] < 60
    assert 35 < kinds["bare"] < 90
    assert all(target.isupper() == source.isupper() for source, target in added)
    assert not any(source.endswith("?") for source, _ in added if source[:3] == "How")


def test_paragraphs_are_sentences_together():
    pairs = [(f"I am {i}.", f"Je suis {i}.") for i in range(500)]
    added = augmented(pairs, "paragraphs")[len(pairs) :]
    assert 10 < len(added) < 60
    for source, target in added:
        assert source.count(".") == target.count(".") in (2, 3)
        assert source.replace("I am", "Je suis") == target
