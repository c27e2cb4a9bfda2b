"""The caller's random states stay as they are, whatever the zoo draws."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
import tiny

import zoo
from zoo import seeds


@pytest.fixture
def states():
    """A function: the states of all generators that a caller may use."""

    def all_states() -> list:
        found = [random.getstate(), np.random.get_state()[1].tolist()]  # noqa: NPY002
        if keras.backend.backend() == "torch":
            import torch

            found.append(torch.get_rng_state().tolist())
        return found

    return all_states


def test_a_block_draws_from_its_seed(states):
    before = states()
    drawn = []
    for seed in (1, 1, 2):
        with seeds.building(seed):
            drawn.append(random.random())
        assert states() == before
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(ValueError), seeds.building(3), seeds.training():  # noqa: PT012
        random.random()
        seeds.dropout(4)
        raise ValueError
    assert states() == before


def test_dropout_of_a_seed(states):
    generator, masks = keras.random.SeedGenerator(), []  # without a seed, as layers have it
    before = states()
    for _ in range(2):
        with seeds.training():
            generator.state.assign([1, 0])
            seeds.dropout(9)
            masks.append(keras.ops.convert_to_numpy(
                keras.random.dropout(keras.ops.ones((4, 50)), 0.5, seed=generator)
            ))  # fmt: skip
        assert states() == before
    np.testing.assert_array_equal(*masks)


def test_no_verb_draws_from_the_caller(bundles, states):
    folder = bundles(tiny.own_recipes("ulmfit2018", "generate")[0])
    before = states()
    model = zoo.load(folder)
    assert states() == before
    for options in ({}, {"seed": 1}, {"temperature": 0.8}):
        model.predict("I am cold.", max_length=12, **options)
    model.score("I am cold.")
    model.evaluate(["I am cold.", "The cat sleeps."], progress=False)
    next(iter(model.preprocess(["I am cold.", "The cat sleeps."] * 9)))
    assert states() == before
