"""The arguments of fine-tuning: passes, rates, batches, seeds, callbacks; and held-out metrics."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
import tiny
import tiny_stream
from given import PAIRS
from tiny_run import TOKENIZER, copies, made

from zoo.config import recipe as recipes
from zoo.data.encoded import Encoded, Ragged
from zoo.errors import CheckpointError, OptionError
from zoo.training import finetune, resuming, run
from zoo.training.options import Options
from zoo.training.trainers import trainer_class

LABELS = [("neg", "pos")[len(source) % 2] for source, _ in PAIRS]
TEXTS = [source for source, _ in PAIRS]
SHORT = {"data.max_length": 60, "train.buckets": [60], "train.jit": False}


@pytest.fixture(scope="module")
def translator(loaded):
    """Shared: do not change its weights."""
    return loaded("vaswani2017-tatoeba-en-fr")


@pytest.fixture(scope="module")
def reader(loaded):
    """ULMFiT's language model. Shared: do not change its weights."""
    return loaded(tiny.own_recipes("ulmfit2018", "generate")[0])


def planned(model, *rows, changes=None, task=None, **options):
    tokenizers = model.source_tokenizer, model.target_tokenizer
    return finetune.plan(
        model.recipe, tokenizers, *rows, task=task, changes=changes, options=Options(**options)
    )


# What they stand for


def test_epochs_are_passes_and_the_rate_is_the_peak(translator):
    plan = planned(
        translator, PAIRS, changes=SHORT, epochs=3, batch_size=5, learning_rate=2e-3, seed=11
    )
    recipe, per_pass = plan.recipe, plan.batches(TOKENIZER).per_pass
    assert per_pass == 4  # of 18 pairs; two are held out
    assert (recipe.train.updates, recipe.train.updates_per_epoch) == (3 * per_pass, per_pass)
    assert (recipe.train.batch_sentences, recipe.train.batch_tokens) == (5, None)
    assert (recipe.schedule.peak, recipe.optimizer.learning_rate) == (2e-3, 1.0)
    assert recipe.seed == 11
    other = planned(translator, PAIRS, changes=SHORT, seed=12)
    assert other.held_out != plan.held_out


def test_the_rate_of_a_schedule_without_a_peak_is_its_highest(translator):
    from zoo.optim.schedules import schedule

    noam = {**SHORT, "schedule.name": "noam", "schedule.peak": None, "schedule.warmup": 7}
    recipe = planned(
        translator, PAIRS, changes={k: v for k, v in noam.items() if k != "schedule.peak"},
        learning_rate=3e-3,
    ).recipe  # fmt: skip
    rates = [float(schedule(recipe)(step)) for step in range(30)]
    assert max(rates) == pytest.approx(3e-3, rel=1e-5)
    assert rates.index(max(rates)) == 6


def test_batches_are_no_larger_than_the_data(reader):
    changes = {"train.buckets": [20]}
    plan = planned(
        reader, TEXTS[:6], LABELS[:6], changes=changes, task="classify", batch_size=64, epochs=2
    )
    assert (plan.recipe.train.batch_sentences, plan.recipe.train.updates) == (5, 2)


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ({"epochs": 2}, {"train.updates": 5}, "both epochs and train.updates are given"),
        ({"learning_rate": 1e-3}, {"schedule.peak": 1e-3}, "both learning_rate and schedule.peak"),
        (
            {"learning_rate": 1e-3},
            {"optimizer.learning_rate": 2.0},
            "both learning_rate and optimizer.learning_rate",
        ),
        ({"batch_size": 8}, {"train.batch_tokens": 99}, "both batch_size and train.batch_tokens"),
        ({"seed": 8}, {"seed": 8}, "both seed and seed"),
        ({"epochs": 0}, {}, "epochs is 0"),
        ({"epochs": 1.5}, {}, "epochs is 1.5"),
        ({"batch_size": True}, {}, "batch_size is True"),
        ({"learning_rate": 0.0}, {}, r"learning_rate is 0\.0"),
        ({"learning_rate": float("nan")}, {}, "learning_rate is nan"),
        ({"learning_rate": "1e-3"}, {}, "learning_rate is '1e-3'"),
        ({"seed": -1}, {}, "seed is -1"),
        ({"callbacks": ["EarlyStopping"]}, {}, "callbacks has 'EarlyStopping'"),
    ],
)
def test_options_without_sense(translator, options, changes, message):
    with pytest.raises(OptionError, match=message):
        translator.finetune(PAIRS, changes=changes, **options)


# Few examples


def test_warm_up_keeps_its_share_of_the_updates(loaded):
    """267 texts make a hundred updates; the recipe's warm-up has a hundred of 1,500."""
    base = recipes.load("gpt1-imdb").resolved()
    texts = Ragged.of([np.full(12, 5, dtype=np.int32)] * 240)
    data = Encoded.texts(texts, np.arange(240, dtype=np.int32) % 2)
    found = finetune.sized(base, data, TOKENIZER)
    assert (found.train.updates, found.schedule.warmup) == (100, 7)
    told = {"schedule.warmup": 50}
    assert finetune.sized(base.changed(told), data, TOKENIZER, told).schedule.warmup == 50
    # As long as the recipe's, or longer: its own.
    many = Encoded.texts(Ragged.of([texts[0]] * 30_000), np.arange(30_000, dtype=np.int32) % 2)
    assert finetune.sized(base, many, TOKENIZER).schedule.warmup == 100
    # And with a number of updates that a user chooses.
    writer = loaded("gpt1-starter")
    plan = planned(
        writer, TEXTS, LABELS, task="classify",
        changes={"train.updates": 30, "train.buckets": [64]},
    )  # fmt: skip
    start = recipes.load("gpt1-sst2")
    assert plan.recipe.schedule.warmup == max(
        1, round(30 * start.schedule.warmup / start.train.updates)
    )
    assert plan.recipe.schedule.name == start.schedule.name
    for epochs in (1, 4):
        train = planned(writer, TEXTS, epochs=epochs).recipe
        assert train.schedule.warmup < train.train.updates or train.train.updates == 1


@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_few_short_texts_are_enough_for_a_language_model(reader, count):
    """Its recipe reads two rows of 70 words at least."""
    plan = planned(reader, ["Go.", "I am cold.", "We are going home.", *TEXTS][:count])
    batches, tokens = plan.batches(TOKENIZER), len(plan.train.tokens.ids) - 1
    assert batches.per_pass >= 1
    inputs, _ = batches.batch(0)
    assert inputs["tokens"].size > tokens / 2  # nearly all of it is read
    assert len(plan.valid) == 1


# Going on


def test_a_resumed_run_keeps_its_sizes(translator, tmp_path):
    """More updates would change the length of its epochs too, but for what it began with."""
    begun = planned(translator, PAIRS, changes=SHORT | {"train.updates": 50})
    resuming.write(tmp_path, begun.recipe)
    (tmp_path / "step-00000010").mkdir()
    longer = planned(translator, PAIRS, changes=SHORT | {"train.updates": 80})
    assert longer.recipe.train.updates_per_epoch == 16
    going = longer.resumed(tmp_path).recipe
    assert (going.train.updates, going.train.updates_per_epoch) == (80, 10)
    told = resuming.check(tmp_path, going, True)
    assert told == ["train.updates from 50 to 80 at step 10"]
    # Without a number of updates it is that of the run.
    assert planned(translator, PAIRS, changes=SHORT).resumed(tmp_path).recipe == begun.recipe
    other = planned(translator, PAIRS, changes=SHORT, learning_rate=1e-2).resumed(tmp_path)
    with pytest.raises(CheckpointError, match=r"schedule\.peak was 0\.0001, not 0\.01"):
        resuming.check(tmp_path, other.recipe, True)
    other = planned(translator, PAIRS, changes=SHORT, seed=5).resumed(tmp_path)
    with pytest.raises(CheckpointError, match=r"seed was \d+, not 5"):
        resuming.check(tmp_path, other.recipe, True)


# What is told


class Told(keras.callbacks.Callback):
    """Keeps what Keras tells, and stops after an epoch."""

    def __init__(self, last: int = 99) -> None:
        super().__init__()
        self.last = last
        self.events: list[tuple] = []
        self.logs: list[dict] = []

    def on_train_begin(self, logs=None):
        self.events.append(("train begin", self.params["epochs"], self.params["steps"]))

    def on_epoch_begin(self, epoch, logs=None):
        self.events.append(("epoch begin", epoch))

    def on_train_batch_begin(self, batch, logs=None):
        self.events.append(("batch begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.events.append(("batch end", batch, *logs))

    def on_test_begin(self, logs=None):
        self.events.append(("test begin",))

    def on_test_end(self, logs=None):
        self.events.append(("test end", "loss" in logs))

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(("epoch end", epoch))
        self.logs.append(dict(logs))
        assert self.model.optimizer is not None
        if epoch + 1 == self.last:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.events.append(("train end",))


def by_keras(epochs: int, steps: int, rows: int, last: int) -> list[tuple]:
    """Return what Keras' own fit tells."""
    told, model = Told(last), keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    x, y = np.ones((steps * rows, 2)), np.ones((steps * rows, 1))
    model.fit(
        x, y, batch_size=rows, epochs=epochs, validation_data=(x, y), callbacks=[told], verbose=0
    )
    return told.events


def test_callbacks_are_told_what_keras_tells_and_may_stop(translator, tmp_path):
    """Nothing of it touches the caller's random states; the metric is in logs and in history."""
    keras.utils.set_random_seed(5)
    expected = [random.random(), np.random.rand(), keras.ops.convert_to_numpy(_drawn())]  # noqa: NPY002
    keras.utils.set_random_seed(5)
    told = Told(last=2)
    tuned = translator.finetune(
        PAIRS, validation=PAIRS[:6], epochs=4, batch_size=10, learning_rate=1e-3, seed=3,
        changes=SHORT, callbacks=[told],
    )  # fmt: skip
    found = [random.random(), np.random.rand(), keras.ops.convert_to_numpy(_drawn())]  # noqa: NPY002
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)

    assert told.events == by_keras(epochs=4, steps=2, rows=10, last=2)
    assert [row["step"] for row in tuned.history] == [2, 4]
    for logs, row in zip(told.logs, tuned.history, strict=True):
        assert set(logs) == {"loss", "val_loss", "val_bleu", "learning_rate"}
        assert logs["learning_rate"] == pytest.approx(1e-3)
        assert {"loss", "val_loss", "val_bleu"} < set(row)
        assert row["val_bleu"] == logs["val_bleu"]
    # At the end it is measured as `evaluate` measures, on all that is held out.
    again = tuned.evaluate(PAIRS[:6], progress=False)
    for name in ("metric", "value", "bleu", "chrf", "signature", "sentences"):
        assert tuned.metrics[name] == again[name], name
    assert (tuned.metrics["split"], tuned.metrics["sentences"]) == ("validation", 6)


def _drawn():
    """Numbers of Keras' global generator, and of the backend's."""
    numbers = [keras.random.uniform((2,))]
    if keras.backend.backend() == "torch":
        import torch

        numbers.append(torch.rand(2))
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        numbers.append(tensorflow.random.uniform((2,)))
    return keras.ops.concatenate([keras.ops.cast(each, "float32") for each in numbers])


def test_training_and_validation_losses_are_of_one_kind(loaded):
    """With nothing learned, no dropout and the same examples they are equal.

    The auxiliary loss of GPT, a language model's, is several nats.
    """
    quiet = {
        f"model.arguments.{name}": 0.0 for name in ("dropout", "attention_dropout", "dropout_head")
    }
    tuned = loaded("gpt1-starter").finetune(
        TEXTS, LABELS, task="classify", validation=list(zip(TEXTS, LABELS, strict=True)),
        epochs=1, batch_size=10, learning_rate=1e-12,
        changes=quiet | {"train.buckets": [64], "train.jit": False, "train.precision": "float32"},
    )  # fmt: skip
    assert tuned.recipe.model.arguments["auxiliary"] == 0.5
    (row,) = tuned.history
    assert row["loss"] == pytest.approx(row["val_loss"], rel=1e-4)
    assert row["val_accuracy"] == tuned.metrics["accuracy"] == tuned.metrics["value"]


def test_ar_and_tar_are_no_part_of_the_loss_that_is_told():
    arguments = {"ar_alpha": 2.0, "tar_beta": 1.0}
    none = dict.fromkeys(
        ("dropout_words", "dropout_input", "dropout_hidden", "dropout_output", "dropout_weights"),
        0.0,
    )
    recipe = tiny_stream.made(
        **{f"model__arguments__{name}": value for name, value in (arguments | none).items()}
    )
    trainer = trainer_class(recipe.task)(
        run.build(recipe),
        recipe,
        tiny_stream.documents(20, 0),
        tiny_stream.documents(4, 1),
        TOKENIZER,
    )
    inputs, labels = trainer.batches.batch(0)
    logits = keras.ops.convert_to_numpy(trainer.model(inputs)).astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    expected = -np.take_along_axis(log_p, labels[..., None], axis=-1).mean()
    assert trainer.update(0) == pytest.approx(expected, rel=1e-4)


def test_the_mean_of_an_epoch_is_over_tokens_as_in_validation():
    data = copies(12, 1)
    recipe = made(train__batch_tokens=64, train__buckets=[8, 16])
    trainer_type = trainer_class(recipe.task)
    batches = trainer_type.make_batches(recipe, data, TOKENIZER)
    trainer = trainer_type.__new__(trainer_type)
    trainer.recipe, trainer.batches = recipe, batches
    weights = [trainer.weight(step) for step in range(batches.per_pass)]
    assert sum(weights) == data.target.lengths.sum()
    trainer.recipe = recipe.changed({"train.loss": "sentence"})
    assert sum(trainer.weight(step) for step in range(batches.per_pass)) == 12


def test_tensorboard_gets_what_keras_gives_it(loaded, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = keras.callbacks.TensorBoard(tmp_path, update_freq=1)
    loaded("ulmfit2018-imdb").finetune(
        list(zip(TEXTS, LABELS, strict=True)), epochs=2, batch_size=9, callbacks=[board],
        changes={"train.jit": False, "train.buckets": [40]},
    )  # fmt: skip
    steps = {}
    for name in ("train", "validation"):
        events = EventAccumulator(str(tmp_path / name), size_guidance={"tensors": 0})
        events.Reload()
        steps |= {tag: [e.step for e in events.Tensors(tag)] for tag in events.Tags()["tensors"]}
    assert steps == {
        "batch_loss": [1, 2, 3, 4], "epoch_loss": [0, 1], "epoch_learning_rate": [0, 1],
        "epoch_accuracy": [0, 1], "evaluation_loss_vs_iterations": [2, 4],
        "evaluation_accuracy_vs_iterations": [2, 4],
    }  # fmt: skip


def test_what_callbacks_do_at_the_end_holds(reader):
    class Zero(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            for weight in self.model.trainable_variables:
                weight.assign(keras.ops.zeros_like(weight))

    tuned = reader.finetune(
        TEXTS, epochs=1, batch_size=2, callbacks=[Zero()], changes={"train.jit": False}
    )
    assert not any(array.any() for array in map(np.asarray, tuned.model.get_weights()[:1]))
    assert tuned.metrics["weights"] == "left by the callbacks"
    assert tuned.metrics["loss"] == pytest.approx(np.log(tuned.tokenizer.size), rel=0.1)
