"""The loss against sums in plain NumPy, per token and per sentence.

Label smoothing is that of vaswani2017, section 5.4, as tensor2tensor spreads it.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo.tasks.losses import LabelSmoothedCrossEntropy

VOCABULARY = 7


def example() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 5, VOCABULARY)).astype("float32") * 3
    labels = np.array([[3, 6, 1, 0, 0], [2, 2, 5, 4, 0]], dtype="int32")
    return labels, logits


def plain(
    labels: np.ndarray, logits: np.ndarray, smoothing: float, sentences: int | None = None
) -> float:
    """Mean over real positions of -sum q log p, q = 1 - s at the label, s / (V - 1) elsewhere.

    With `sentences` the sum is divided by that many.
    """
    total, count = 0.0, 0
    for label, row in zip(labels.reshape(-1), logits.reshape(-1, VOCABULARY), strict=True):
        if label == 0:
            continue
        row = row.astype(np.float64)
        log_p = row - np.log(np.exp(row).sum())
        wanted = np.full(VOCABULARY, smoothing / (VOCABULARY - 1))
        wanted[label] = 1 - smoothing
        total -= (wanted * log_p).sum()
        count += 1
    return total / (sentences or count)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_it_is_the_cross_entropy_with_the_smoothed_distribution(smoothing):
    labels, logits = example()
    loss = LabelSmoothedCrossEntropy(smoothing)
    found = float(keras.ops.convert_to_numpy(loss(labels, logits)))
    assert found == pytest.approx(plain(labels, logits, smoothing), abs=1e-5)


def test_padding_adds_nothing():
    labels, logits = example()
    loss = LabelSmoothedCrossEntropy(0.1)
    first = keras.ops.convert_to_numpy(loss(labels, logits))
    logits[labels == 0] = 100 * np.random.default_rng(1).normal(size=(3, VOCABULARY))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loss(labels, logits)), first, rtol=1e-6)
    longer = np.pad(labels, ((0, 3), (0, 2)))
    more = np.pad(logits, ((0, 3), (0, 2), (0, 0)))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loss(longer, more)), first, rtol=1e-6)


@pytest.mark.parametrize("per", ["token", "sentence"])
def test_only_padding_is_a_loss_of_zero(per):
    labels, logits = example()
    loss = LabelSmoothedCrossEntropy(0.1, per=per)(labels * 0, logits)
    assert float(keras.ops.convert_to_numpy(loss)) == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_per_sentence_is_the_sum_over_a_sentence_averaged_over_the_batch(smoothing):
    """Section 3.4 of sutskever2014: the gradient of the sum, divided by the number of sentences."""
    labels, logits = example()
    loss = LabelSmoothedCrossEntropy(smoothing, per="sentence")
    found = float(keras.ops.convert_to_numpy(loss(labels, logits)))
    assert found == pytest.approx(plain(labels, logits, smoothing, sentences=2), abs=1e-5)
    each = [plain(labels[i : i + 1], logits[i : i + 1], smoothing, sentences=1) for i in range(2)]
    assert found == pytest.approx(np.mean(each), abs=1e-5)
    # Seven tokens in two sentences.
    tokens = LabelSmoothedCrossEntropy(smoothing)(labels, logits)
    assert found == pytest.approx(float(keras.ops.convert_to_numpy(tokens)) * 7 / 2, abs=1e-5)


def test_rows_that_fill_up_are_no_sentences():
    labels, logits = example()
    loss = LabelSmoothedCrossEntropy(per="sentence")
    first = keras.ops.convert_to_numpy(loss(labels, logits))
    fuller = loss(np.pad(labels, ((0, 3), (0, 2))), np.pad(logits, ((0, 3), (0, 2), (0, 0))))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(fuller), first, rtol=1e-6)


def test_the_padding_id_is_an_argument():
    labels, logits = example()
    moved = np.where(labels == 0, 6, np.where(labels == 6, 3, labels))
    ours = LabelSmoothedCrossEntropy(0.1, padding_id=6)
    shown = float(keras.ops.convert_to_numpy(ours(moved, logits)))
    # Scored by hand: the same positions are real, with 3 in place of 6.
    assert shown == pytest.approx(plain(np.where(moved == 6, 0, moved), logits, 0.1), abs=1e-5)


def test_config_rebuilds_it():
    loss = LabelSmoothedCrossEntropy(0.2, padding_id=5, per="sentence")
    again = LabelSmoothedCrossEntropy.from_config(loss.get_config())
    assert (again.smoothing, again.padding_id, again.per) == (0.2, 5, "sentence")
    assert again.name == "cross_entropy"


def test_its_gradient_is_the_probabilities_without_the_label():
    """Over the number of tokens, and nothing at padding; by one step of plain gradient descent."""
    labels, logits = example()
    logits[0, 0] = [0, 0, 0, -300, 9, 0, 0]  # of a label whose P no float32 can hold

    class Logits(keras.Model):
        def __init__(self):
            super().__init__()
            self.logits = self.add_weight(shape=logits.shape, name="logits")

        def call(self, inputs):
            return self.logits + 0.0 * keras.ops.cast(inputs[..., None], "float32")

    model = Logits()
    model.logits.assign(logits)
    model.compile(keras.optimizers.SGD(1.0), LabelSmoothedCrossEntropy())
    model.train_on_batch(labels, labels)
    found = logits - keras.ops.convert_to_numpy(model.logits)
    p = np.exp(logits.astype(np.float64))
    expected = p / p.sum(-1, keepdims=True) - np.eye(VOCABULARY)[labels]
    expected *= (labels != 0)[..., None] / np.count_nonzero(labels)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_label_that_seems_impossible_has_a_large_loss_and_no_infinite_one():
    logits = np.array([[[0.0, 80.0, 0.0], [0.0, 400.0, 0.0]]], "float32")
    loss, labels = LabelSmoothedCrossEntropy(0.0, -1), np.array([[2]], "int32")
    found = [
        float(keras.ops.convert_to_numpy(loss(labels, logits[:, i : i + 1]))) for i in range(2)
    ]
    assert found[0] == pytest.approx(80.0, rel=1e-5)
    assert found[1] == pytest.approx(37 * np.log(10.0), rel=1e-5)
