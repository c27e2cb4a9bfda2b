"""Masked language models in training: words, whole words and n-grams, pairs of texts."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tiny
from given import PAIRS, refused

from zoo.config import catalog
from zoo.data.batches import IGNORED
from zoo.data.encoded import padded
from zoo.data.examples import Example
from zoo.errors import RecipeError
from zoo.tasks import fill
from zoo.tasks.fill import Fill
from zoo.text import train_tokenizers
from zoo.training.masked import MaskedTrainer

LINES = [source for source, _ in PAIRS]
TEXTS = [Example(" ".join(LINES[i : i + 5])) for i in range(15)]
HEADS = {"bert2018": ("next_sentence", "next"), "albert2019": ("sentence_order", "order")}


def trainer(paper: str, head: bool = True, **changes) -> MaskedTrainer:
    name, kind = HEADS[paper]
    given = {
        f"model.arguments.{name}": head, "train.second_task": kind, "data.max_length": 40,
        "model.arguments.dropout": 0.0, "model.arguments.attention_dropout": 0.0,
        "train.batch_sentences": 8, "schedule.warmup": 1, "schedule.peak": 3e-3,
    } | {key.replace("__", "."): value for key, value in changes.items()}  # fmt: skip
    made = tiny.small(f"{paper}-starter").changed(given).resolved()
    tokenizers = train_tokenizers(made.tokenizer, [(line,) for line in LINES], ["en"])
    keras.utils.set_random_seed(1)
    model = catalog.builder(catalog.entry(paper), made.model.size)(**made.model.arguments)
    model.build()
    data = Fill.encode_examples(TEXTS, tokenizers, made)
    return MaskedTrainer(model, made, data, data, tokenizers[0])


def log_softmax(logits) -> np.ndarray:
    logits = keras.ops.convert_to_numpy(logits).astype(np.float64)
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def mean_loss(log_p: np.ndarray, labels: np.ndarray) -> float:
    real = labels != IGNORED
    chosen = np.take_along_axis(log_p, np.maximum(labels, 0)[..., None], -1)[..., 0]
    return -float(chosen[real].mean())


def test_sentences_begin_where_their_column_says():
    made = trainer("bert2018")
    data, tokenizer = made.valid, made.tokenizer
    assert len(data) == len(TEXTS)
    for i, (text, _) in enumerate(TEXTS):
        ids, starts = data.tokens[i], data.columns["sentences"][i]
        whole = [2, *tokenizer.encode(text), 3]
        assert ids.tolist() == whole
        assert len(starts) == 5
        parts = np.split(ids[:-1], starts)[1:]
        assert [tokenizer.decode(part.tolist()) for part in parts] == [
            tokenizer.decode(tokenizer.encode(line)) for line in LINES[i : i + 5]
        ]


@pytest.mark.parametrize("paper", HEADS)
def test_the_loss_is_that_of_both_tasks(paper):
    made = trainer(paper)
    inputs, labels = made.batches.batch(0)
    words, pairs = made.filler.fill_and_judge(inputs["tokens"], inputs["places"])
    wanted = mean_loss(log_softmax(words), labels["words"])
    wanted += mean_loss(log_softmax(pairs), labels["pairs"])
    before = [keras.ops.convert_to_numpy(each).copy() for each in made.filler.trainable_variables]
    assert made.update(0) == pytest.approx(wanted, rel=1e-4)
    for variable, value in zip(made.filler.trainable_variables, before, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(variable) - value).max() > 0, variable.path


@pytest.mark.parametrize("paper", HEADS)
def test_the_validation_loss_is_that_of_both_tasks(paper):
    made = trainer(paper)
    texts, labels = made.validation
    tokens = padded([each.tokens for each in texts], 40, made.tokenizer.pad_id)
    places = padded([each.places for each in texts], 8, 0)
    truth = padded([each.truth for each in texts], 8, IGNORED)
    words, pairs = map(log_softmax, made.filler.fill_and_judge(tokens, places))
    wanted = mean_loss(words, truth) + mean_loss(pairs, labels)
    assert made.validate() == pytest.approx(wanted, rel=1e-4)
    assert made.validate() == made.validate()


@pytest.mark.parametrize("paper", HEADS)
def test_training_lowers_the_loss_of_both_tasks(paper):
    made = trainer(paper, train__updates=60, schedule__name="constant", schedule__peak=1e-2)
    before = made.validate()
    assert before > 4.2 + 0.6  # about log of the vocabulary, and log 2
    for step in range(60):
        made.update(step)
    assert made.validate() < 0.85 * before


def test_a_model_without_the_head_is_refused():
    for paper, (name, _) in HEADS.items():
        with refused(RecipeError, f"no head for train.second_task.*model.arguments.{name} to true"):
            trainer(paper, head=False)


def test_whole_words_and_ngrams_are_the_recipes():
    made = trainer("albert2019", train__whole_words=True, train__ngrams=3)
    assert made.batches.hiding.ngrams == 3
    starts = made.batches.hiding.starts
    words = made.tokenizer.words
    assert starts.tolist() == [made.tokenizer.begins_word(word) for word in words]
    plain = trainer("albert2019").batches.hiding
    assert (plain.ngrams, plain.starts) == (1, None)
    # What is measured is the same whatever training hides.
    hidden = fill.hidden([np.arange(2, 40)], made.tokenizer)[0]
    assert len(hidden.places) == 6
