"""Log-probabilities in pieces against one full pass and numpy's softmax."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from zoo import compiling
from zoo.models.merity2017 import LanguageModel
from zoo.tasks import likelihood

VOCABULARY = 23


@pytest.fixture(scope="module")
def model():
    """A language model whose weights are random and large, so that its whole past counts."""
    made = LanguageModel(vocabulary=VOCABULARY, embedding=6, width=10, layers=2)
    made.build()
    random = np.random.default_rng(3)
    for variable in made.trainable_variables:
        variable.assign(random.normal(size=variable.shape, scale=0.7))
    return made


def text(length, seed=0):
    return np.random.default_rng(seed).integers(0, VOCABULARY, length).astype(np.int32)


def by_numpy(model, ids):
    """Return log P of each id but the first, float64 [ids - 1], by one pass over all of them."""
    if len(ids) == 1:
        return np.zeros(0)
    logits = ops.convert_to_numpy(model(ids[None, :-1]))[0].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    log_softmax = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return log_softmax[np.arange(len(ids) - 1), ids[1:]]


def test_log_probabilities_are_those_of_the_full_pass(model):
    lengths = [5, 1, 2, 65, 66, 150, 64]
    texts = [text(length, seed) for seed, length in enumerate(lengths)]
    found = likelihood.log_probabilities(model, texts)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [by_numpy(model, each).sum() for each in texts], rtol=1e-5)


def test_many_texts_come_in_their_order(model):
    texts = [text(2 + seed % 7, seed) for seed in range(40)]
    found = likelihood.log_probabilities(model, texts)
    np.testing.assert_allclose(found, [by_numpy(model, each).sum() for each in texts], rtol=1e-5)
    assert likelihood.log_probabilities(model, []).shape == (0,)


def test_a_stream_is_read_as_one_text(model):
    ids = text(300)
    wanted = by_numpy(model, ids)
    np.testing.assert_allclose(likelihood.stream_log_probabilities(model, ids), wanted, rtol=1e-4)
    assert likelihood.stream_loss(model, ids, rows=1) == pytest.approx(-wanted.mean(), rel=1e-5)
    counted = np.where(ids[1:] != 7, wanted, 0.0)
    found = likelihood.stream_log_probabilities(model, ids, given=7)
    np.testing.assert_allclose(found, counted, rtol=1e-4)


def test_parts_of_a_stream_come_after_what_stands_before_them(model, monkeypatch):
    monkeypatch.setattr(likelihood, "PART", 64)
    monkeypatch.setattr(likelihood, "BEFORE", 20)
    ids = text(200)
    parts = [by_numpy(model, ids[max(0, first - 20) : first + 65]) for first in (0, 64, 128, 192)]
    wanted = np.concatenate([parts[0], *(part[20:] for part in parts[1:])])
    for rows in (1, 3, None):
        found = likelihood.stream_log_probabilities(model, ids, rows)
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_rows_change_nothing(model):
    texts = [text(2 + seed % 7, seed) for seed in range(40)]
    found = likelihood.log_probabilities(model, texts)
    for rows in (1, 8):
        again = likelihood.log_probabilities(model, texts, rows)
        np.testing.assert_allclose(again, found, rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing is compiled on PyTorch")
def test_another_length_compiles_nothing(model):
    likelihood.log_probabilities(model, [text(100), text(3)])
    before = compiling.traces()
    likelihood.log_probabilities(model, [text(400), text(9), text(1)])
    likelihood.stream_loss(model, text(1000), rows=8)
    assert compiling.traces() == before
