"""What holds for every classifier that reads documents in pieces, whatever their lengths.

The documents are longer than what the tiny models pool and train on, `kept` words.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tiny
from keras import ops
from tiny import DOCUMENTS

from zoo.bundle import weights

VARIANTS = {
    name: each for name, each in tiny.variants("classify").items() if "kept" in each.arguments
}


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def variant(request) -> tiny.Variant:
    return request.param


@pytest.fixture(scope="module")
def model(variant) -> keras.Model:
    """Shared by the tests of a paper: not to be changed."""
    made = variant.make()
    assert made.kept < DOCUMENTS.shape[1]
    return made


@pytest.fixture(scope="module")
def expected(model) -> np.ndarray:
    return tiny.logits(model, DOCUMENTS)


def test_the_padding_id_is_an_argument(variant, model, expected):
    other = variant.copy(model, padding_id=29)
    moved = np.where(DOCUMENTS == 0, 29, DOCUMENTS)
    np.testing.assert_allclose(tiny.logits(other, moved), expected, atol=1e-5)
    assert np.abs(tiny.logits(other, DOCUMENTS) - expected)[0].max() > 1e-3


def test_padding_changes_nothing(model, expected):
    wider = np.pad(DOCUMENTS, ((0, 0), (5, 0)))
    np.testing.assert_allclose(tiny.logits(model, wider), expected, atol=1e-5)
    alone = tiny.logits(model, DOCUMENTS[:1, -4:])
    np.testing.assert_allclose(alone[0], expected[0], atol=1e-5)


def test_every_word_counts_in_its_own_document(model, expected):
    """Also one that is too far from the end to be pooled: the state remembers it."""
    for position in range(DOCUMENTS.shape[1]):
        changed = DOCUMENTS.copy()
        changed[1, position] = 4
        apart = np.abs(tiny.logits(model, changed) - expected).max(axis=-1)
        assert apart[1] > 1e-5, position
        np.testing.assert_allclose(np.delete(apart, 1), 0, atol=1e-5)


def test_order_counts(model, expected):
    turned = DOCUMENTS[1:2, [0, 8, 7, 6, 5, 4, 3, 2, 1, 9]]
    assert np.abs(tiny.logits(model, turned)[0] - expected[1]).max() > 1e-3


@pytest.mark.parametrize("length", [1, 4, 10])
def test_a_document_read_in_pieces_is_one_that_is_read_at_once(model, expected, length):
    """Pieces need not end where pooling begins: `pooled` tells each position apart."""
    time = DOCUMENTS.shape[1]
    pooled = np.broadcast_to(np.arange(time) >= time - model.kept, DOCUMENTS.shape)
    carry = model.initial_carry(len(DOCUMENTS))
    assert {each.shape[0] for each in carry.values()} == {len(DOCUMENTS)}
    for first in range(0, time, length):
        piece = slice(first, first + length)
        carry = model.read(DOCUMENTS[:, piece], carry, pooled=pooled[:, piece])
    found = ops.convert_to_numpy(model.decide(carry))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_gradients_come_from_the_last_words_alone(variant):
    """Of a document of other words each, those that are not pooled do not learn."""
    model = variant.make(vocabulary=60, **dict.fromkeys(dropouts(variant), 0.0))
    words = np.arange(4, 54, dtype="int32").reshape(5, 10)
    name = "encoder.embedding.table"
    before = weights.arrays(model)[name]
    model.compile(
        optimizer=keras.optimizers.SGD(10.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=keras.backend.backend() != "jax",
    )
    model.train_on_batch(words, tiny.LABELS["classify"])
    moved = np.abs(weights.arrays(model)[name] - before).max(axis=-1)
    assert not moved[words[:, : -model.kept]].any()
    assert (moved[words[:, -model.kept :]] > 0).all()


def dropouts(variant: tiny.Variant) -> list[str]:
    return [each.name for each in variant.parameters if each.name.startswith("dropout")]
