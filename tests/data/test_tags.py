"""Schemes of tags, and the entities that tags mark."""

from __future__ import annotations

import random

import pytest

from zoo.data.tags import Entity, Tagged, as_iob2, complete, entities
from zoo.errors import DataError


def sentence(tags: str, name: str = "mine.txt") -> Tagged:
    words = tuple(tags.split())
    places = tuple(f"{name}:{number}" for number in range(1, len(words) + 1))
    return Tagged(words, words, places)


def iob2(*sentences: str) -> list[str]:
    return [" ".join(each.tags) for each in as_iob2([sentence(tags) for tags in sentences])]


def test_iob1_becomes_iob2():
    assert iob2("I-ORG O I-MISC O", "I-PER I-PER B-PER I-LOC") == [
        "B-ORG O B-MISC O", "B-PER I-PER B-PER B-LOC",
    ]  # fmt: skip


def test_iob2_stays():
    kept = ["B-PER I-PER O B-LOC B-LOC", "O O", "B-PER"]
    assert iob2(*kept) == kept


def test_iob1_of_other_sentences_tells_the_scheme():
    assert iob2("I-PER", "I-LOC O") == ["B-PER", "B-LOC O"]
    assert iob2("I-LOC I-PER B-PER", "I-ORG I-ORG") == ["B-LOC B-PER B-PER", "B-ORG I-ORG"]


@pytest.mark.parametrize(
    "theirs", ["B-PER E-PER O S-LOC B-ORG I-ORG E-ORG", "B-PER L-PER O U-LOC B-ORG I-ORG L-ORG"]
)
def test_iobes_and_bilou_become_iob2(theirs):
    assert iob2(theirs) == ["B-PER I-PER O B-LOC B-ORG I-ORG I-ORG"]


def test_plain_tags_stay():
    assert iob2("NOUN VERB O") == ["NOUN VERB O"]


def test_a_tag_of_no_scheme_is_named():
    with pytest.raises(DataError, match=r"mine.txt:2: the tag 'PERSON' is no IOB"):
        iob2("B-PER PERSON O")
    with pytest.raises(DataError, match=r"mine.txt:1 begins an entity with I-, and mine.txt:3"):
        iob2("I-PER O B-PER")
    with pytest.raises(DataError, match="neither IOB nor IOBES nor BILOU"):
        iob2("B-PER E-PER U-LOC")
    row = Tagged(("a", "b"), ("B-PER", "oops"), ("row 3",))
    with pytest.raises(DataError, match="row 3, word 2: the tag 'oops'"):
        as_iob2([row])


def test_entities_are_those_of_seqeval():
    from seqeval.metrics.sequence_labeling import get_entities

    draw = random.Random(1)
    tags = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    for _ in range(500):
        drawn = draw.choices(tags, k=draw.randint(0, 8))
        theirs = [Entity(kind, first, last + 1) for kind, first, last in get_entities(drawn)]
        assert entities(drawn) == theirs


def test_labels_are_complete():
    assert complete({"B-PER", "O", "I-ORG"}) == ["O", "B-ORG", "I-ORG", "B-PER", "I-PER"]
    assert complete({"VERB", "NOUN"}) == ["NOUN", "VERB"]
