"""Carried state, AR and TAR, and whole runs of a language model on a stream."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tiny_stream
from keras import ops
from tiny_run import Run

from zoo.errors import RecipeError
from zoo.models.merity2017 import LanguageModel
from zoo.tasks.likelihood import stream_loss
from zoo.tasks.losses import LabelSmoothedCrossEntropy
from zoo.training import checkpoints, loop
from zoo.training.streaming import Carried
from zoo.training.trainers import NextTokenTrainer

TOKENS = np.array([[5, 6, 7, 5, 8, 1, 4], [9, 10, 5, 3, 2, 6, 7]], dtype="int32")
FIRST, SECOND = slice(0, 3), slice(3, 6)
NONE = {
    "dropout_words": 0.0, "dropout_input": 0.0, "dropout_hidden": 0.0, "dropout_output": 0.0,
    "dropout_weights": 0.0,
}  # fmt: skip


def tiny(rate: float = 0.0, **changes) -> Carried:
    """A compiled model with weights far from zero, for batches of two rows."""
    sizes = {"vocabulary": 12, "embedding": 6, "width": 8, "layers": 1}
    model = LanguageModel(**(sizes | NONE | changes))
    model.build()
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(random.normal(scale=0.7, size=variable.shape))
    carried = Carried(model, 2)
    carried.compile(
        optimizer=keras.optimizers.SGD(rate), loss=LabelSmoothedCrossEntropy(padding_id=0)
    )
    return carried


def batch(piece: slice, carry: float = 1.0) -> tuple[dict, np.ndarray]:
    following = slice(piece.start + 1, piece.stop + 1)
    filled = np.full((2, 1), carry, dtype="float32")
    return {"tokens": TOKENS[:, piece], "carry": filled}, TOKENS[:, following]


def numbers(variables) -> list[np.ndarray]:
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def cross_entropy(logits, labels: np.ndarray) -> float:
    logits = np.array(ops.convert_to_numpy(logits), dtype=np.float64)
    each = np.log(np.exp(logits).sum(axis=-1))
    return float((each - np.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]).mean())


def assert_close(first, second, tolerance: float = 1e-6) -> None:
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)


# The state between two batches


def test_two_batches_are_one_text():
    carried = tiny(layers=2)
    model = carried.model
    assert [len(each) for each in numbers(carried.carried)] == [2, 2, 2, 2]
    whole, last = model.read(TOKENS[:, :6], model.initial_state(2))
    losses = [cross_entropy(whole[:, piece], batch(piece)[1]) for piece in (FIRST, SECOND)]
    found = [
        carried.train_on_batch(*batch(FIRST, carry=0.0)),
        carried.train_on_batch(*batch(SECOND)),
    ]
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    assert_close(numbers(carried.carried), numbers(last[name] for name in carried.names))


def test_a_text_that_begins_anew_knows_nothing_of_the_one_before():
    carried = tiny()
    model = carried.model
    alone, last = model.read(TOKENS[:, SECOND], model.initial_state(2))
    carried.train_on_batch(*batch(FIRST, carry=0.0))
    found = carried.train_on_batch(*batch(SECOND, carry=0.0))
    assert found == pytest.approx(cross_entropy(alone, batch(SECOND)[1]), rel=1e-5)
    assert_close(numbers(carried.carried), numbers(last[name] for name in carried.names))


def test_no_gradient_flows_into_the_batch_before():
    """The update is that of a state that was written down and read again, not of one long text."""
    carried, other, through = tiny(0.5), tiny(0.5), tiny(0.5)
    carried(batch(FIRST, carry=0.0)[0])
    for variable, value in zip(other.carried, numbers(carried.carried), strict=True):
        variable.assign(value)
    inputs, labels = batch(slice(0, 6), carry=0.0)
    labels = np.where(np.arange(6) < 3, 0, labels)  # only the second half counts
    losses = [
        carried.train_on_batch(*batch(SECOND)),
        other.train_on_batch(*batch(SECOND)),
        through.train_on_batch(inputs, labels),
    ]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)
    ends = [numbers(each.trainable_variables) for each in (carried, other, through)]
    assert_close(ends[0], ends[1])
    assert max(np.abs(a - b).max() for a, b in zip(ends[0], ends[2], strict=True)) > 1e-3


def test_the_state_is_no_weight():
    carried = tiny()
    assert [id(each) for each in carried.trainable_variables] == [
        id(each) for each in carried.model.trainable_variables
    ]


# AR and TAR (4.6)


def test_activations_and_their_changes_are_held_small(monkeypatch):
    """AR is of what dropout has left of the outputs, TAR of the outputs before it."""
    carried = tiny(ar_alpha=2.0, tar_beta=1.5, dropout_output=0.5)
    encoder, seen = carried.model.encoder, []
    read = encoder.call

    def recorded(*args, **options):
        seen.append(read(*args, **options))
        return seen[-1]

    monkeypatch.setattr(encoder, "call", recorded)
    carried(batch(FIRST, carry=0.0)[0], training=True)
    raw, dropped, _ = seen[0]
    raw, dropped = numbers([raw, dropped])
    assert (dropped == 0).any()
    assert not (raw == 0).any()
    expected = [2.0 * (dropped**2).mean(), 1.5 * ((raw[1:] - raw[:-1]) ** 2).mean()]
    assert raw.shape == (3, 2, 6)
    np.testing.assert_allclose(numbers(carried.losses), expected, rtol=1e-5)
    carried(batch(FIRST)[0])
    assert len(carried.losses) == 0


def test_they_are_part_of_the_loss():
    carried = tiny(ar_alpha=2.0, tar_beta=1.5)
    model = carried.model
    logits, _ = model.read(TOKENS[:, FIRST], model.initial_state(2))
    raw, _, _ = model.encoder(TOKENS[:, FIRST], model.initial_state(2))
    raw = ops.convert_to_numpy(raw)
    inputs, labels = batch(FIRST, carry=0.0)
    expected = cross_entropy(logits, labels)
    expected += 2.0 * (raw**2).mean() + 1.5 * ((raw[1:] - raw[:-1]) ** 2).mean()
    assert carried.train_on_batch(inputs, labels) == pytest.approx(expected, rel=1e-5)


# An epoch


def test_an_epoch_goes_in_order_and_tells_the_mean_so_far(tmp_path, monkeypatch):
    seen, told = [], []

    class Told(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            told.append(("begin", epoch))

        def on_train_batch_end(self, batch, logs=None):
            told.append((batch, logs["loss"]))

        def on_epoch_end(self, epoch, logs=None):
            told.append(("end", epoch, logs["loss"], logs["val_loss"]))

    def update(step):
        seen.append(step)
        return float(step)

    trainer = SimpleNamespace(
        model=tiny(), batches=SimpleNamespace(tokens=lambda step: 1), update=update,
        weight=lambda step: 1, validate=lambda: 1.5,
    )  # fmt: skip
    recipe = tiny_stream.made(train__updates=7, train__updates_per_epoch=3)
    monkeypatch.setattr(loop, "_restore", lambda *_: 4)
    loop.fit(trainer, recipe, tmp_path, callbacks=[Told()])
    assert seen == [4, 5, 6]
    assert told == [("begin", 0), (0, 4.0), (1, 4.5), (2, 5.0), ("end", 0, 5.0, 1.5)]


# Whole runs


def same(first: keras.Model, second: keras.Model) -> bool:
    return all(map(np.array_equal, numbers(first.variables), numbers(second.variables)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Run, Path]:
    """A run of six updates that nothing disturbed, and its folder, which is only read."""
    folder = tmp_path_factory.mktemp("whole")
    return tiny_stream.fitted(folder, tiny_stream.made()), folder


def test_a_run_learns(whole):
    run, _ = whole
    rows = run.result.history
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert rows[0]["loss"] > rows[1]["loss"] > rows[2]["loss"]
    assert rows[-1]["val_loss"] < rows[0]["val_loss"] - 0.1
    # The validation loss is the model's own, without AR, TAR and dropout.
    ids = tiny_stream.documents(4, 1).tokens.ids
    loss = stream_loss(run.model, ids, tiny_stream.made().evaluate.batch_size)
    assert run.result.val_loss == pytest.approx(loss, rel=1e-5)


def stream():
    data = tiny_stream.documents(20, 0)
    return NextTokenTrainer.make_batches(tiny_stream.made(), data, tiny_stream.TOKENIZER)


def test_its_batches_are_of_several_lengths():
    """On TensorFlow the second length makes the time unknown to what is compiled."""
    data = stream()
    assert len(set(data.lengths(6))) > 1


def test_a_run_that_was_broken_off_ends_as_if_it_never_was(whole, tmp_path):
    """Resumed after four updates, in the middle of a pass, from another random state."""
    first, folder = whole
    shutil.copytree(folder, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "step-00000006")
    carries = stream().batch(4)[0]["carry"]
    assert carries.all()
    resumed = tiny_stream.fitted(tmp_path / "run", tiny_stream.made(), seed=99, resume=True)
    assert same(first.model, resumed.model)
    for name in (checkpoints.WEIGHTS, checkpoints.OPTIMIZER):
        ends = [(each / "step-00000006" / name).read_bytes() for each in (folder, tmp_path / "run")]
        assert ends[0] == ends[1], name
    assert resumed.result.val_loss == first.result.val_loss


# Separate texts


def test_separate_texts_are_read_from_the_first_state():
    """Loss and validation are those of each text alone, after its start; padding does not count."""
    recipe = tiny_stream.made(
        train__separate=True, train__vary_bptt=False, train__shuffle=False, train__bptt=99
    )
    model = LanguageModel(**({"vocabulary": 16, "embedding": 6, "width": 8, "layers": 1} | NONE))
    model.build()
    train, valid = tiny_stream.documents(20, 0), tiny_stream.documents(4, 1)
    trainer = NextTokenTrainer(model, recipe, train, valid, tiny_stream.TOKENIZER)

    def alone(tokens, wanted):
        logits, _ = model.read(tokens[None], model.initial_state(1))
        return cross_entropy(logits, wanted[None]) * len(wanted)

    inputs, labels = trainer.batches.batch(1)
    kept = labels >= 0
    assert not kept.all()
    rows = zip(inputs["tokens"], labels, kept, strict=True)
    expected = sum(alone(tokens[real], wanted[real]) for tokens, wanted, real in rows)
    found = trainer.model.test_on_batch(inputs, labels, return_dict=True)["loss"]
    np.testing.assert_allclose(found, expected / kept.sum(), rtol=1e-5)

    texts = [np.array([0, *valid.tokens[i]]) for i in range(4)]
    expected = sum(alone(ids[:-1], ids[1:]) for ids in texts)
    counted = sum(len(ids) - 1 for ids in texts)
    np.testing.assert_allclose(trainer.validate(), expected / counted, rtol=1e-5)


def test_separate_texts_have_no_order_to_vary():
    with pytest.raises(RecipeError, match="separate texts are shuffled and whole"):
        tiny_stream.made(train__separate=True)
