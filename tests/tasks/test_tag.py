"""Tagging: words and entities with their places, metrics, training, what is refused."""

from __future__ import annotations

import itertools
import json
import random
import sys

import keras
import numpy as np
import pytest

from zoo import tasks
from zoo.cli import lines
from zoo.config import recipe as recipes
from zoo.config.recipe import Data, Evaluate
from zoo.data.examples import Example
from zoo.data.marked import Marked
from zoo.errors import DataError, InputError, NotSupported
from zoo.models.bert2018 import MaskedLanguageModel
from zoo.models.bert2018_tasks import Tagger
from zoo.pretrained import Pretrained
from zoo.tasks import tagging
from zoo.tasks.tagging import measured, of_entities
from zoo.text.wordpiece import WordPieceTokenizer
from zoo.training.tagging import TaggerTrainer

NAMES = ["ada", "bob", "eve", "zoe"]
PLACES = ["rome", "oslo", "lima", "bonn"]
TEXTS = [f"{name} went to {place} ." for name in NAMES for place in PLACES]
SIGNS = "the cafe is naive doesn't 10 a b … ’ “ ” , ( ) ' 👩 👧 new york abcdefghijklmnopqrstuvwxyz"
TOKENIZER = WordPieceTokenizer.train([*TEXTS, SIGNS], vocabulary=160)
SIZES = {
    "vocabulary": TOKENIZER.size, "context": 24, "width": 16, "layers": 2, "heads": 2,
    "feed_forward": 32, "padding_id": TOKENIZER.pad_id, "separator_id": TOKENIZER.end_id,
}  # fmt: skip
ENTITIES = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
PLAIN = ["NOUN", "PUNCT", "VERB"]


def task(labels: list[str]):
    keras.utils.set_random_seed(4)
    model = Tagger(classes=len(labels), **SIZES)
    model.build()
    draw = np.random.default_rng(4)
    for variable in model.trainable_variables:
        value = keras.ops.convert_to_numpy(variable)
        variable.assign(value + draw.normal(scale=0.3, size=variable.shape))
    data = Data(corpus="x", language="en", labels=labels)
    options = Evaluate(metric="f1", batch_size=4)
    return tasks.task("tag")(model, TOKENIZER, TOKENIZER, options, data)


@pytest.fixture(scope="module")
def names():
    """A tagger of entities with random weights, shared."""
    return task(ENTITIES)


@pytest.fixture(scope="module")
def parts():
    """A tagger of plain tags with random weights, shared."""
    return task(PLAIN)


# Words and entities, with their places


AWKWARD = [
    "Ada went to Rome.",
    "  the cafe\u0301 is nai\u0308ve… \n\n ada’s “bob” 👩‍👩‍👧 a\u200bb ",
    "ada\x07 went\tto\u00a0rome \u200b .",
    "Zoe doesn't, (eve) 10",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_words_and_entities_are_cut_from_the_users_own_string(names, parts, text):
    for result in (*names.predict([text]), *parts.predict([text])):
        assert result.text == text
        for word in result.words:
            assert text[word["start"] : word["end"]] == word["word"]
            assert word["word"].strip()
            assert 0 < word["score"] <= 1
    (entities,) = names.predict([text])
    for entity in entities:
        assert text[entity["start"] : entity["end"]] == entity["text"]
        inside = [
            word["score"] for word in entities.words
            if entity["start"] <= word["start"] < entity["end"]
        ]  # fmt: skip
        assert entity["score"] == pytest.approx(np.mean(inside))
    (words,) = parts.predict([text])
    assert words == words.words
    assert {word["tag"] for word in words} <= {*PLAIN}


def test_tags_are_those_of_the_logits_at_first_pieces(names):
    words = ("ada", "wents", "to", "romeroma")
    (pieces,) = TOKENIZER.encode_words([words])
    assert max(map(len, pieces)) > 1
    ids = [TOKENIZER.start_id, *itertools.chain(*pieces), TOKENIZER.end_id]
    logits = keras.ops.convert_to_numpy(names.model(np.array([ids], "int32")))[0]
    firsts = np.cumsum([1, *map(len, pieces)])[:-1]
    expected = [ENTITIES[i] for i in logits[firsts].argmax(axis=1)]
    (found,) = names.predict([words])
    assert [word["tag"] for word in found.words] == expected
    assert names.golden_outputs([words]) == [expected]
    (scored,) = names.predict([words], scores=True)
    p = np.exp(logits[firsts] - logits[firsts].max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    for word, row in zip(scored, p, strict=True):
        np.testing.assert_allclose([word["scores"][tag] for tag in ENTITIES], row, rtol=1e-3)
        assert next(iter(word["scores"])) == word["tag"]


def test_one_input_or_several(names):
    model = Pretrained(names.model, recipes.load("bert2018-ner"), (TOKENIZER, TOKENIZER))
    model.task = names
    assert isinstance(model.predict("ada went"), Marked)
    assert model.predict(("ada", "went")) == model.predict("ada went")
    several = model.predict(["ada went", ["ada", "went"]])
    assert len(several) == 2
    assert several[0].words == several[1].words


def test_words_of_lists_keep_their_places_in_the_joined_text(names):
    (found,) = names.predict([["ada", "New York", "."]])
    assert found.text == "ada New York ."
    assert [(w["start"], w["end"]) for w in found.words] == [(0, 3), (4, 12), (13, 14)]


def test_long_texts_lose_no_word(names):
    text = " ".join(TEXTS)
    (found,) = names.predict([text])
    assert [word["word"] for word in found.words] == text.split()
    rows = names.encode_sources([text])[0]
    assert len(rows) > 1
    assert max(map(len, rows)) <= SIZES["context"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([5], r"the text is int, neither text nor words"),
        ([""], r"the text is empty"),
        (["\u200b"], r"the text is empty"),
        ([[]], r"the text is empty"),
        (["ada", ("ada", 3)], r"word 2 of text 2 is int"),
        ([("ada", "\u200b")], r"word 2 of the text has nothing that the model reads: '\\u200b'"),
        ([{"a": 1}], r"the text is dict"),
    ],
)
def test_inputs_that_are_refused(names, given, message):
    with pytest.raises(InputError, match=message):
        names.predict(given)


# How it shows itself


def test_a_marked_text_shows_itself():
    entities = [{"label": "PER", "text": "Ada <b>", "start": 0, "end": 7, "score": 0.5}]
    words = [{"word": "Ada", "tag": "B-PER", "start": 0, "end": 3, "score": 0.5}]
    found = Marked("Ada <b> met.", words, entities)
    assert str(found) == "[PER Ada <b>] met."
    assert "Ada &lt;b&gt; <small><b>PER</b></small></mark> met." in found._repr_html_()
    assert found.rich().plain == "Ada <b> PER met."
    assert lines.written(found, lines.Format.text) == "[PER Ada <b>] met."
    assert json.loads(lines.written(found, lines.Format.jsonl)) == entities
    assert str(Marked("Ada", words)) == "Ada/B-PER"
    assert json.loads(lines.written([words[0]], lines.Format.text)) == words


# Metrics


def conlleval(predicted, truth) -> float:
    """Return F1 by the rules of conlleval, counted anew."""

    def spans(sentence):
        found, begin = set(), None
        for i, tag in enumerate([*sentence, "O"]):
            if begin is not None and (not tag.startswith("I-") or tag[2:] != begin[1]):
                found.add((begin[0], i, begin[1]))
                begin = None
            if tag != "O" and begin is None:
                begin = (i, tag[2:])
        return found

    right = wanted = given = 0
    for ours, theirs in zip(predicted, truth, strict=True):
        right += len(spans(ours) & spans(theirs))
        given, wanted = given + len(spans(ours)), wanted + len(spans(theirs))
    return 200.0 * right / (given + wanted) if given + wanted else 0.0


def test_f1_is_that_of_conlleval():
    draw = random.Random(5)
    truth = [["B-PER", "I-PER", "O"], ["O"], ["B-LOC", "O", "B-PER", "B-PER"]]
    for _ in range(200):
        predicted = [draw.choices(ENTITIES, k=len(tags)) for tags in truth]
        assert of_entities(predicted, truth)["f1"] == pytest.approx(conlleval(predicted, truth))


def test_strict_f1_counts_no_entity_that_begins_with_i():
    truth, predicted = [["B-PER", "I-PER", "O"]], [["I-PER", "I-PER", "O"]]
    found = of_entities(predicted, truth)
    assert (found["f1"], found["f1_strict"]) == (100.0, 0.0)
    assert found["kinds"]["PER"]["entities"] == 1


def test_nothing_tagged_is_no_failure():
    found = of_entities([["O", "O"]], [["B-PER", "O"]])
    assert (found["f1"], found["f1_strict"], found["micro_recall"]) == (0.0, 0.0, 0.0)
    assert of_entities([["O"]], [["O"]])["f1"] == 0.0


def test_accuracy_and_loss():
    logits = [np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.array([[0.0, 3.0, 0.0]])]
    found = measured(logits, [["NOUN", "NOUN"], ["PUNCT"]], PLAIN)
    log_p = [row - np.log(np.exp(row).sum()) for row in np.concatenate(logits)]
    assert found["loss"] == pytest.approx(-(log_p[0][0] + log_p[1][0] + log_p[2][1]) / 3)
    assert found["accuracy"] == pytest.approx(200 / 3)
    assert "f1" not in found


def test_evaluate_names_what_the_model_does_not_know(names):
    with pytest.raises(DataError, match=r"row 2: the tag 'B-ORG' of word 1, 'rome'"):
        names.evaluate([Example(("ada",), ("O",)), Example(("rome",), ("B-ORG",))])
    with pytest.raises(DataError, match="row 1: 2 words, but 1 tags"):
        names.evaluate([Example(("ada", "b"), ("O",))])
    with pytest.raises(DataError, match="word 1 of row 1 has nothing"):
        names.evaluate([Example(("\u200b",), ("O",))])


# Training


def test_a_tiny_tagger_learns_names_from_an_encoder():
    """A masked language model becomes a tagger of the examples' kinds, and knows their words."""
    made = recipes.load("bert2018-starter").smoke().resolved()
    keras.utils.set_random_seed(6)
    base = MaskedLanguageModel(**SIZES)
    base.build()
    arguments = {**made.model.arguments, **SIZES}
    made = made.changed(
        {"model.arguments": arguments, "tokenizer.vocabulary": TOKENIZER.size}
    )  # fmt: skip
    model = Pretrained(base, made, (TOKENIZER, TOKENIZER))
    rows = [(text.split(), ["I-PER", "O", "O", "I-LOC", "O"]) for text in TEXTS]  # IOB1
    few = {
        "train.updates": 60, "train.updates_per_epoch": 30, "train.batch_sentences": 8,
        "schedule.peak": 1e-2, "train.jit": False, "train.buckets": [8, 16],
    }  # fmt: skip
    tuned = model.finetune(rows, task="tag", validation=rows[:4], changes=few)
    assert tuned.labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert tuned.recipe.evaluate.metric == "f1"
    assert tuned.evaluate(rows)["f1"] == 100.0
    (person, place) = tuned.predict("Bob went to Lima.")
    assert (person["label"], person["text"], person["start"]) == ("PER", "Bob", 0)
    assert (place["label"], place["text"], place["end"]) == ("LOC", "Lima", 16)
    with pytest.raises(DataError, match="B-ORG"):
        model.finetune(rows, task="tag", validation=[(["ada"], ["B-ORG"])], changes=few)


def test_names_need_seqeval_from_the_start(monkeypatch):
    monkeypatch.setitem(sys.modules, "seqeval.metrics", None)
    with pytest.raises(NotSupported, match=r"not installed\n.*paperzoo\[tag\]"):
        tagging.seqeval()
    made = recipes.load("bert2018-ner")
    with pytest.raises(NotSupported, match="seqeval"):
        TaggerTrainer.make_batches(made, None, None)
