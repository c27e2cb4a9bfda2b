"""The model of n-grams: all its logits against dictionaries, in every kind of smoothing."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from plain_ngrams import Plain, drawn, joined

from zoo.bundle import weights
from zoo.models import bigram
from zoo.models.bigram import NGramModel
from zoo.ngrams import layout
from zoo.ngrams.counts import count
from zoo.ngrams.smoothing import smooth

WORDS = 7
MARKED = drawn(WORDS, 60)
OPEN = drawn(WORDS, 60, mark=None)
# Rows of words after the start, and rows that begin anywhere.
ROWS = np.array([[0, 1, 2, 1, 5, 3, 3], [0, 6, 6, 1, 1, 4, 2], [0, 3, 1, 2, 5, 5, 6]], "int32")


def made(texts, order: int, smoothing: str, *, interpolated: bool = True, k: float = 1.0):
    """Return the model of counts of texts, and the dictionaries of the same."""
    started = texts is MARKED
    counts = count(*joined(texts), order, WORDS, started)
    table = smooth(counts, smoothing, interpolated=interpolated, k=k, started=started)
    sizes, values = layout.laid_out(table)
    start = 0 if started else None
    model = NGramModel(vocabulary=WORDS, smoothing=smoothing, k=k, start=start, **sizes)
    model.build()
    for name, variable in weights.variables(model).items():
        variable.assign(values[name])
    plain = Plain(
        texts, order, smoothing, interpolated=interpolated, started=started,
        events=range(WORDS), k=k,
    )  # fmt: skip
    return model, plain


def numbers(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("texts", [MARKED, OPEN], ids=["marked", "open"])
@pytest.mark.parametrize(
    ("order", "smoothing", "interpolated", "k"),
    [
        (1, "kneser-ney", True, 1.0), (2, "add-k", True, 1.0), (3, "add-k", True, 0.2),
        (4, "kneser-ney", True, 1.0), (4, "kneser-ney", False, 1.0),
        (3, "witten-bell", True, 1.0), (3, "witten-bell", False, 1.0),
    ],
)  # fmt: skip
def test_logits_are_the_logarithms_of_probabilities(texts, order, smoothing, interpolated, k):
    model, plain = made(texts, order, smoothing, interpolated=interpolated, k=k)
    rows = ROWS if texts is MARKED else ROWS[:, 1:]
    found = np.exp(numbers(model(rows)).astype(np.float64))
    for row, each in zip(rows.tolist(), found, strict=True):
        for place in range(len(row)):
            history = tuple(row[: place + 1])
            expected = [plain.p(word, history) for word in range(WORDS)]
            np.testing.assert_allclose(each[place], expected, rtol=2e-5)


def test_add_one_on_pairs_is_a_table_of_counts():
    """As the lectures build it: N + 1 over its row's sum."""
    table = np.ones((WORDS, WORDS))
    for text in MARKED:
        for first, second in itertools.pairwise(text):
            table[first, second] += 1
    model, _ = made(MARKED, 2, "add-k")
    found = numbers(model(np.arange(WORDS, dtype="int32")[:, None]))[:, 0]
    np.testing.assert_allclose(found, np.log(table / table.sum(1, keepdims=True)), atol=1e-5)


def test_what_went_before_the_text_may_be_given():
    model, _ = made(MARKED, 4, "kneser-ney")
    whole, last = model.read(ROWS, model.initial_state(3))
    _, state = model.read(ROWS[:, :3], model.initial_state(3))
    again, end = model.read(ROWS[:, 3:], state)
    np.testing.assert_allclose(numbers(again), numbers(whole)[:, 3:], atol=1e-6)
    np.testing.assert_array_equal(numbers(end["words"]), ROWS[:, -3:])
    np.testing.assert_array_equal(numbers(last["words"]), ROWS[:, -3:])


def test_words_beyond_the_order_count_for_nothing():
    model, _ = made(MARKED, 3, "kneser-ney")
    changed = ROWS.copy()
    changed[:, 2] = 5
    apart = np.abs(numbers(model(changed)) - numbers(model(ROWS))).max(axis=(0, 2))
    assert (apart > 1e-3).tolist() == [False, False, True, True, False, False, False]


def test_a_long_list_of_ngrams_is_written_in_pieces(monkeypatch):
    model, _ = made(MARKED, 4, "kneser-ney")
    whole = numbers(model(ROWS))
    for least in (1, 3):
        monkeypatch.setattr(bigram, "SHARE", 0)
        monkeypatch.setattr(bigram, "LEAST", least)
        np.testing.assert_allclose(numbers(model(ROWS)), whole, atol=1e-6)


def test_names_and_types_of_weights_are_a_format():
    """A bundle is keyed by these names: changing one breaks every bundle that is out there."""
    model, _ = made(MARKED, 3, "kneser-ney")
    types = {
        name: keras.backend.standardize_dtype(variable.dtype)
        for name, variable in weights.variables(model).items()
    }
    assert types == {
        "levels": "int32",
        "tables.0.backoff": "int16", "tables.0.begin": "int16", "tables.0.block_begin": "int32",
        "tables.0.probability": "int16",
        "tables.1.backoff": "int16", "tables.1.begin": "int16", "tables.1.block_begin": "int32",
        "tables.1.probability": "int16", "tables.1.word": "int16",
        "tables.2.probability": "int16", "tables.2.word": "int16",
    }  # fmt: skip
    assert not model.trainable_variables


def test_parameters_are_probabilities_and_backoffs():
    model, _ = made(MARKED, 3, "kneser-ney")
    singles, pairs, triples = (
        len({tuple(text[i : i + n]) for text in MARKED for i in range(len(text) - n + 1)})
        for n in (1, 2, 3)
    )
    assert singles == WORDS - 1  # one word never occurs, and has its probability
    assert model.parameter_count == 2 * (singles + 1 + pairs) + triples
