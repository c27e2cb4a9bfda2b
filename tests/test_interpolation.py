"""Mixtures of language models: the mean of probabilities, and the weights that EM learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tiny
from given import PAIRS

import zoo
from zoo.errors import InputError, NotSupported, OptionError
from zoo.interpolation import learn_weights

TEXTS = [english for english, _ in PAIRS]


@pytest.fixture(scope="module")
def two(bundles):
    """Two models of one vocabulary, with other weights."""
    models = [zoo.load(bundles("merity2017-ptb-starter")) for _ in range(2)]
    random = np.random.default_rng(4)
    for variable in models[1].model.trainable_variables:
        variable.assign(random.normal(scale=0.4, size=variable.shape))
    return models


def test_em_finds_the_most_probable_weights():
    random = np.random.default_rng(0)
    log_p = np.log(random.dirichlet(np.ones(50), size=(3, 400))[:, :, 0])
    weights = learn_weights(log_p)
    assert weights.sum() == pytest.approx(1.0)

    def mean(shares):
        return np.log(np.einsum("k,kt->t", shares, np.exp(log_p))).mean()

    best = mean(weights)
    for shares in random.dirichlet(np.ones(3), size=2000):
        assert mean(shares) <= best + 1e-9


def test_em_takes_tokens_that_are_impossible_for_one():
    log_p = np.array([[-np.inf, 0.0, 0.0, 0.0], [-1.0, -1.0, -1.0, -1.0]])
    weights = learn_weights(log_p)
    # d/dw of log((1 - w) / e) + 3 log(w + (1 - w) / e) is 0
    e = math.e
    assert weights[0] == pytest.approx((3 * e - 4) / (4 * (e - 1)), abs=1e-5)


def test_the_probability_is_the_mean(two):
    mixture = zoo.mixture(two, weights=[0.3, 0.7])
    for text in TEXTS[:3]:
        ids = np.array([0, *two[0].tokenizer.encode(text), 0], dtype="int32")
        p = 0.0
        for model, share in zip(two, mixture.weights, strict=True):
            logits = tiny.logits(model.model, ids[None, :-1])[0].astype(np.float64)
            all_p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
            p = p + share * np.take_along_axis(all_p, ids[1:, None], axis=-1)[:, 0]
        assert mixture.score(text) == pytest.approx(np.log(p).sum(), rel=1e-4)
    np.testing.assert_allclose(mixture.score(TEXTS[:3]), [mixture.score(t) for t in TEXTS[:3]])
    with pytest.raises(InputError, match="text 2 is empty"):
        mixture.score(["a b", " "])


def test_it_is_measured_as_one_model_is(two):
    one, found = two[0].evaluate(TEXTS), zoo.mixture(two, weights=[1.0, 0.0]).evaluate(TEXTS)
    assert found.keys() == one.keys()
    for name, value in one.items():
        assert found[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6))
    mixture = zoo.mixture(two, TEXTS)
    learned = mixture.evaluate(TEXTS)["perplexity"]
    others = [zoo.mixture(two, weights=[w, 1 - w]).evaluate(TEXTS) for w in (0.0, 0.5, 1.0)]
    assert learned <= min(each["perplexity"] for each in others) * (1 + 1e-6)
    assert repr(mixture).count(" tiny") == 2


def test_it_writes_as_its_models_say(two):
    prompts = [" ".join(text.split()[:2]) for text in TEXTS[:3]]
    for number in (0, 1):
        mixture = zoo.mixture(two, weights=[1.0 - number, float(number)])
        found = mixture.predict(prompts, max_length=8)
        assert found == two[number].predict(prompts, max_length=8)
    sampled = zoo.mixture(two, weights=[0.5, 0.5]).predict(prompts, max_length=8, seed=1)
    assert all(map(str.startswith, sampled, prompts))


def test_what_cannot_be_mixed(two, bundles):
    with pytest.raises(OptionError, match="a mixture of 1"):
        zoo.mixture(two[:1])
    with pytest.raises(NotSupported, match="how probable each next word"):
        zoo.mixture([two[0], bundles("vaswani2017-tatoeba-en-fr")])
    with pytest.raises(
        OptionError,
        match=r"has another vocabulary .*: 80 symbols of kind 'bpe', the first model 40",
    ):
        zoo.mixture([two[0], bundles("gpt1-starter")], TEXTS)
    with pytest.raises(OptionError, match="data to learn its weights on, and weights"):
        zoo.mixture(two, TEXTS, weights=[0.5, 0.5])
    with pytest.raises(OptionError, match="bigram is one model"):
        zoo.mixture("bigram")
    with pytest.raises(OptionError, match="weights are 'ab'"):
        zoo.mixture(two, weights="ab")
    for weights in ([1.0], [0.7, 0.7], [-0.5, 1.5], [float("nan"), 1.0]):
        with pytest.raises(OptionError, match="one share for each model"):
            zoo.mixture(two, weights=weights)


# With counts, as in bengio2003 and mikolov2010


# Words as they were counted, and words in an order that never occurred.
HELD_OUT = ["The cat eats a fish.", "cat dog cat dog dog cat"]


@pytest.fixture(scope="module", params=["bigram-ptb", "bigram-ptb-trigram"])
def network_and_counts(request, bundles, loaded):
    """A network that finds cats and dogs everywhere, and counts of the same words."""
    network = zoo.load(bundles("bengio2003-ptb"))
    bias = network.model.output_layer.bias
    often = np.zeros(bias.shape, dtype="float32")
    often[network.tokenizer.encode("cat dog")] = 4.0
    bias.assign(often)
    return [network, loaded(request.param)]


def probabilities(pretrained, ids: np.ndarray) -> np.ndarray:
    """Return the probability of each of the ids after the first, float64, by one model."""
    logits = tiny.logits(pretrained.model, ids[None, :-1])[0].astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return np.take_along_axis(p, ids[1:, None], axis=-1)[:, 0]


def test_a_network_is_mixed_with_counts(network_and_counts):
    """The words of both have the same ids, and the mixture is better than either."""
    models = network_and_counts
    mixture = zoo.mixture(models, HELD_OUT)
    assert 0.1 < mixture.weights[1] < 0.9
    own = [model.evaluate(HELD_OUT)["perplexity"] for model in models]
    assert mixture.evaluate(HELD_OUT)["perplexity"] < min(own) / 1.2
    for text in HELD_OUT:
        ids = np.array([0, *models[0].tokenizer.encode(text), 0], dtype="int32")
        p = sum(
            share * probabilities(model, ids)
            for model, share in zip(models, mixture.weights, strict=True)
        )
        assert mixture.score(text) == pytest.approx(np.log(p).sum(), rel=1e-4)


def test_a_mixture_with_counts_writes(network_and_counts):
    models = network_and_counts
    prompts = ["The cat", "A dog"]
    for weights, alone in (([1.0, 0.0], models[0]), ([0.0, 1.0], models[1])):
        found = zoo.mixture(models, weights=weights).predict(prompts, max_length=6)
        assert found == alone.predict(prompts, max_length=6)
