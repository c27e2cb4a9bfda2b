"""Hidden words: what is guessed, measured and refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tiny
from given import PAIRS, refused

from zoo.config import recipe
from zoo.data.encoded import Encoded, Ragged
from zoo.data.masking import pieces
from zoo.errors import DataError, InputError, OptionError
from zoo.tasks import fill
from zoo.text.wordpiece import SPECIAL, WordPieceTokenizer
from zoo.training.masked import MaskedTrainer

LINES = [source for source, _ in PAIRS]


@pytest.fixture(scope="module")
def filler(loaded):
    """A tiny BERT, shared: not to be changed."""
    return loaded("bert2018-starter")


def logits_at(filler, text: str) -> np.ndarray:
    """Return the whole pass' logits at the hidden places of a text, one after another."""
    ids = np.array([[2, *filler.tokenizer.encode(text), 3]], dtype="int32")
    found = keras.ops.convert_to_numpy(filler.model(ids))[0]
    return found[ids[0] == filler.tokenizer.mask_id].astype(np.float64)


def test_the_best_word_stands_at_each_hidden_place(filler):
    texts = ["The [MASK] sleeps.", "[MASK]", "She is [MASK] [MASK]."]
    words = filler.tokenizer.words
    for text, written in zip(texts, filler.predict(texts), strict=True):
        rows = logits_at(filler, text)
        rows[:, :5] = -np.inf
        assert written == fill.filled(text, [words[i] for i in rows.argmax(1)])
        assert "[" not in written
        assert filler.predict(text) == written


def test_words_come_with_their_probabilities(filler):
    text = "The [MASK] sleeps."
    (row,) = logits_at(filler, text)
    row[:5] = -np.inf
    p = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
    best = np.argsort(-p)[:5]
    found = filler.predict(text, scores=True)
    assert list(found) == [filler.tokenizer.words[i] for i in best]
    np.testing.assert_allclose(list(found.values()), p[best], rtol=1e-4)
    assert list(filler.predict(text, scores=True, num_return=2)) == list(found)[:2]
    several = filler.predict("[MASK] is [MASK].", scores=True)
    assert [len(each) for each in several] == [5, 5]
    assert not {*SPECIAL} & {word for each in several for word in each}


def test_the_best_texts_for_one_hidden_place(filler):
    text = "The [MASK] sleeps."
    found = filler.predict(text, num_return=3)
    words = list(filler.predict(text, scores=True))[:3]
    assert found == [fill.filled(text, [word]) for word in words]
    assert found[0] == filler.predict(text)
    with refused(OptionError, "num_return is 2, and text 2 has 2 hidden places"):
        filler.predict([text, "[MASK] [MASK]"], num_return=2)


def test_a_text_does_not_depend_on_those_beside_it(filler):
    texts = ["The [MASK] sleeps.", "The cat eats a fish and the dog eats the [MASK].", "[MASK]."]
    together = filler.predict(texts, scores=True)
    for batch_size in (1, 2):
        for found, wanted in zip(
            filler.predict(texts, scores=True, batch_size=batch_size), together, strict=True
        ):
            assert list(found) == list(wanted)
            np.testing.assert_allclose(list(found.values()), list(wanted.values()), rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "words", "whole"),
    [
        ("The [MASK] sleeps.", ["cat"], "The cat sleeps."),
        ("sleep [MASK] [MASK]", ["##ing", "well"], "sleeping well"),
        ("[MASK]s", ["cat"], "cats"),
        (r"[MASK]  \1", [r"\g<0>"], r"\g<0>  \1"),
    ],
)
def test_a_piece_within_a_word_joins_the_word(text, words, whole):
    assert fill.filled(text, words) == whole


def test_hidden_tokens_are_measured(filler):
    """Accuracy, loss and perplexity of the same hidden tokens, by the whole pass."""
    measured = filler.evaluate(LINES)
    tokenizer = filler.tokenizer
    ids = Ragged.of([np.array([2, *tokenizer.encode(line), 3]) for line in LINES])
    right, log_p = [], []
    for each in fill.hidden(pieces(ids, filler.recipe.data.max_length), tokenizer):
        found = keras.ops.convert_to_numpy(filler.model(each.tokens[None]))[0][each.places]
        found = found.astype(np.float64)
        best = found.max(1)
        total = best + np.log(np.exp(found - best[:, None]).sum(1))
        log_p += (found[np.arange(len(found)), each.truth] - total).tolist()
        right += (found.argmax(1) == each.truth).tolist()
    assert measured["hidden"] == len(right) >= len(LINES)
    assert measured["texts"] == len(LINES)
    assert measured["accuracy"] == pytest.approx(100 * np.mean(right))
    assert measured["loss"] == pytest.approx(-np.mean(log_p), rel=1e-4)
    assert measured["perplexity"] == pytest.approx(np.exp(-np.mean(log_p)), rel=1e-3)
    again = filler.evaluate(LINES, batch_size=3)
    assert again["loss"] == pytest.approx(measured["loss"], rel=1e-5)
    assert again["accuracy"] == measured["accuracy"]


def test_what_is_refused(filler):
    long = " ".join(["the"] * 60) + " [MASK]"
    for text, message in {
        "The cat sleeps.": "the text has no .MASK.",
        "": "the text is empty",
        long: "tokens, and the model reads no more than 48",
    }.items():
        with refused(InputError, message):
            filler.predict(text)
    with refused(InputError, "text 2 has no .MASK."):
        filler.predict(["[MASK]", "a cat"])
    with refused(OptionError, "num_return"):
        filler.predict("[MASK]", num_return=0)
    with refused(DataError, "no rows"):
        filler.evaluate([])


def test_a_tokenizer_without_a_mask_is_refused(loaded):
    with refused(OptionError, "'bpe' has no word that hides others"):
        fill.hiding(loaded("gpt1-starter").tokenizer)


def test_training_learns_what_is_hidden(filler, tmp_path):
    """A few passes over a few lines: the loss of the hidden tokens falls far."""
    lines = LINES * 4
    tuned = filler.finetune(
        lines, out=tmp_path / "mine",
        changes={
            "train.updates": 120, "train.updates_per_epoch": 60, "train.batch_sentences": 16,
            "schedule.peak": 3e-3, "schedule.warmup": 5, "model.arguments.dropout": 0.0,
        },
    )  # fmt: skip
    before, after = (each.evaluate(LINES)["loss"] for each in (filler, tuned))
    assert after < 0.8 * before


def test_pieces_are_no_longer_than_the_context(filler):
    made = filler.recipe.changed({"data.max_length": 500, "model.arguments.context": 7})
    text = Ragged.of([np.array([2, *range(5, 25), 3])])
    found = MaskedTrainer.pieces(made, Encoded.texts(text))
    assert [len(each) for each in found] == [7, 7, 7, 7]


@pytest.mark.parametrize("name", tiny.own_recipes("bert2018", "fill"))
def test_a_recipe_that_learns_pieces_knows_their_separator(name):
    made = recipe.load(name)
    assert not made.tokenizer.weights
    learned = WordPieceTokenizer.train(LINES, vocabulary=80)
    for each in (made, made.smoke()):
        arguments = each.resolved().model.arguments
        assert (arguments["separator_id"], arguments["padding_id"]) == (
            learned.end_id,
            learned.pad_id,
        )
