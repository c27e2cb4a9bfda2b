"""Dynamic evaluation against a plain loop of predicting a piece, then taking a step on it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tiny
from keras import ops

import zoo
from zoo.bundle import weights
from zoo.errors import NotSupported, OptionError, PredictionError
from zoo.models.mikolov2010 import RecurrentNetwork
from zoo.tasks import dynamic, likelihood
from zoo.training.streaming import Carried

NAMES = ("mikolov2010", "graves2013", "merity2017", "ulmfit2018")
RECURRENT = {name: each for name, each in tiny.variants("generate").items() if name in NAMES}
IDS = [np.random.default_rng(seed).integers(4, 16, 14).astype("int32") for seed in (1, 2)]


def plain_loop(model: keras.Model, texts: list[np.ndarray], rate: float, chunk: int) -> list[float]:
    """Return log P of each text: numpy reads the logits, Keras' SGD takes the steps.

    It changes the model.
    """
    found = []
    for text in texts:
        state, total = model.initial_state(1), 0.0
        carried = Carried(model, 1)
        carried.compile(
            optimizer=keras.optimizers.SGD(rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"),
            run_eagerly=keras.backend.backend() != "jax",
        )
        for first in range(0, len(text) - 1, chunk):
            tokens, labels = (ids[None, first : first + chunk] for ids in (text[:-1], text[1:]))
            logits, state = model.read(tokens, state)
            z = ops.convert_to_numpy(logits)[0].astype(float)
            log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
            total += log_p[np.arange(len(z)), labels[0]].sum()
            carry = np.full((1, 1), float(first > 0), "float32")
            carried.train_on_batch({"tokens": tokens, "carry": carry}, labels)
        found.append(total)
    return found


@pytest.mark.parametrize("name", RECURRENT)
def test_each_token_is_predicted_before_the_weights_learn_from_it(name):
    variant = RECURRENT[name]
    # A plain loop's training has them on; its loss is a sum.
    without = {"ar_alpha": 0.0, "tar_beta": 0.0, "weight_noise": 0.0, "mean_of": 1.0}
    silent = {
        each.name: without.get(each.name, 0.0)
        for each in variant.parameters
        if each.name.startswith("dropout") or each.name in without
    }
    model = variant.copy(variant.make(), **silent)
    before = weights.arrays(model)
    settings = dynamic.Dynamic(rate=0.05, chunk=4)
    each = settings.log_probabilities(model, IDS)
    found = np.array([log_p.sum() for log_p in each])
    for key, array in weights.arrays(model).items():
        np.testing.assert_array_equal(array, before[key])
    static = likelihood.log_probabilities(model, IDS)
    expected = plain_loop(variant.copy(model, **silent), IDS, 0.05, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert np.abs(found - static).max() > 1e-3
    # The first piece is predicted by the weights as they were.
    whole = likelihood.token_log_probabilities(model, IDS[:1])[0]
    np.testing.assert_allclose(each[0][:4], whole[:4], rtol=1e-4)
    assert np.abs(each[0][4:] - whole[4:]).max() > 1e-3


def test_errors_reach_the_words_of_earlier_pieces():
    """With tau 4 and pieces of one word, as the authors train while they test."""
    model = RecurrentNetwork(vocabulary=16, width=6, tau=4)
    model.build()
    tiny.randomise(model)
    found, alone = (
        dynamic.Dynamic(rate=0.5, chunk=1).log_probabilities(each, IDS[:1])[0].sum()
        for each in (model, _with_tau_1(model))
    )
    assert abs(found - alone) > 1e-3
    assert found == pytest.approx(plain_loop(model, IDS[:1], 0.5, 1)[0], rel=1e-4)


def _with_tau_1(model: RecurrentNetwork) -> RecurrentNetwork:
    def build():
        made = RecurrentNetwork(**{**vars(model.arguments), "tau": 1})
        made.build()
        return made

    return weights.filled(build, weights.arrays(model))


def test_tokens_that_do_not_count_are_not_learned_from():
    """The only label that counts is the last: nothing is learned before it."""
    model = RecurrentNetwork(vocabulary=16, width=6)
    model.build()
    tiny.randomise(model)
    ids = np.array([5, 6, 6, 6, 6, 6, 9], dtype="int32")
    settings = dynamic.Dynamic(rate=0.5, chunk=2)
    (found,) = settings.log_probabilities(model, [ids], given=6)
    assert not found[:-1].any()
    static = likelihood.token_log_probabilities(model, [ids])[0]
    assert found[-1] == pytest.approx(static[-1], rel=1e-5)


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    lines = ["the cat sat on the mat", "a dog ran to the cat", "the mat is on the dog"] * 4
    pairs = [(line, "") for line in lines]
    return zoo.load(tiny.write_bundle("mikolov2010-ptb", tmp_path_factory.mktemp("a") / "b", pairs))


TEXTS = ["the cat ran on the mat", "a dog sat", "the dog ran to the cat"]


@pytest.mark.parametrize("stream", [False, True])
def test_evaluate_tells_how_it_learned_and_leaves_the_model_alone(writer, stream):
    static = writer.evaluate(TEXTS, stream=stream, progress=False)
    found = writer.evaluate(
        TEXTS, stream=stream, dynamic=True, dynamic_rate=0.3, dynamic_chunk=2, progress=False
    )
    assert found["dynamic"] == {"rate": 0.3, "chunk": 2}
    assert abs(found["perplexity"] / static["perplexity"] - 1) > 1e-3
    assert {"words", "tokens", "characters"} <= found.keys()
    assert writer.evaluate(TEXTS, stream=stream, progress=False) == static
    # A rate near none learns nothing.
    slow = writer.evaluate(TEXTS, stream=stream, dynamic=True, dynamic_rate=1e-9, progress=False)
    assert slow["perplexity"] == pytest.approx(static["perplexity"], rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dynamic": True, "dynamic_rate": 0}, "dynamic_rate is 0"),
        ({"dynamic": True, "dynamic_rate": float("nan")}, "dynamic_rate is nan"),
        ({"dynamic": True, "dynamic_rate": "fast"}, "dynamic_rate is 'fast'"),
        ({"dynamic": True, "dynamic_chunk": 0}, "dynamic_chunk is 0"),
        ({"dynamic": True, "dynamic_chunk": 1.5}, "dynamic_chunk is 1.5"),
        ({"dynamic_rate": 0.1}, "dynamic_rate is given and dynamic is not"),
        ({"dynamic_chunk": 3}, "dynamic_chunk is given and dynamic is not"),
    ],
)
def test_an_invalid_option_is_one_error(writer, options, message):
    with pytest.raises(OptionError, match=message):
        writer.evaluate(TEXTS, progress=False, **options)


def test_weights_that_leave_all_bounds_are_one_error(writer):
    with pytest.raises(PredictionError, match="lower dynamic_rate"):
        writer.evaluate(TEXTS, dynamic=True, dynamic_rate=1e38, dynamic_chunk=2, progress=False)


def test_a_perplexity_beyond_all_numbers_is_the_same_error(writer, monkeypatch):
    far = {"perplexity": float("inf"), "loss": 900.0}
    monkeypatch.setattr("zoo.tasks.perplexity.measure", lambda *given: far)
    with pytest.raises(PredictionError, match="lower dynamic_rate"):
        writer.evaluate(TEXTS, dynamic=True, progress=False)


def test_a_model_without_a_state_is_refused():
    model = tiny.variants("generate")["gpt1"].make()
    with pytest.raises(NotSupported, match="carries no state"):
        dynamic.chosen(model, True, None, None)
    fixed = RecurrentNetwork(vocabulary=16, width=6)
    fixed.build()
    fixed.trainable = False
    with pytest.raises(NotSupported, match="no weights that gradients change"):
        dynamic.chosen(fixed, True, None, None)
