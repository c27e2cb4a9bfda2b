"""What holds for the language model of every paper: what it sees, its state, its steps."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import searching
import tiny
from keras import ops
from tiny import END, TOKENS

from zoo.decoding import search

VARIANTS = tiny.variants("generate")


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def variant(request) -> tiny.Variant:
    return request.param


@pytest.fixture(scope="module")
def model(variant) -> keras.Model:
    """Shared by the tests of a paper: not to be changed."""
    return variant.make()


@pytest.fixture(scope="module")
def expected(model) -> np.ndarray:
    return tiny.logits(model, TOKENS)


@pytest.fixture
def recurrent(model) -> keras.Model:
    """A model that carries a state from text to text; one with a context sees no more than that."""
    if not model.initial_state(1):
        pytest.skip("it carries no state")
    return model


@pytest.fixture
def padding(variant) -> int:
    """What a prompt is padded with: a word's id, whose lengths tell of it, or none's."""
    return 0 if "padding_id" in variant.arguments else -1


def numbers(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


# What it may see


def test_the_future_changes_nothing_before_it(model, expected):
    changed = TOKENS.copy()
    changed[:, 3:] = 20
    after = tiny.logits(model, changed)
    np.testing.assert_allclose(after[:, :3], expected[:, :3], atol=1e-5)
    assert np.abs(after[:, 3:] - expected[:, 3:]).max() > 1e-2


def test_every_word_counts_for_all_that_follow_in_its_row(model, expected):
    for position in range(TOKENS.shape[1]):
        changed = TOKENS.copy()
        changed[0, position] = 21
        after = tiny.logits(model, changed)
        apart = np.abs(after[0] - expected[0]).max(axis=-1)
        assert (apart[position:] > 1e-4).all()
        np.testing.assert_allclose(after[1], expected[1], atol=1e-5)


def test_order_counts(model, expected):
    turned = tiny.logits(model, TOKENS[:1, [0, 2, 1, 3, 4, 5]])
    assert np.abs(turned[0, 2:] - expected[0, 2:]).max() > 1e-2


# Its state


def test_reading_on_with_the_state_is_reading_at_once(recurrent, expected):
    """In pieces of 1, 2 and 3 words; the state is float32 and batch first."""
    state, found, first = recurrent.initial_state(2), [], 0
    for length in (1, 2, 3):
        logits, state = recurrent.read(TOKENS[:, first : first + length], state)
        assert {each.shape[0] for each in state.values()} == {2}
        found.append(numbers(logits))
        first += length
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected, atol=1e-5)
    assert {keras.backend.standardize_dtype(each.dtype) for each in state.values()} == {"float32"}


def test_what_is_read_within_the_context_is_the_full_pass(model, expected):
    logits, state = model.read(TOKENS, model.initial_state(2))
    np.testing.assert_allclose(numbers(logits), expected, atol=1e-5)
    assert set(state) == set(model.initial_state(2))


# One step at a time


def prompt(rows: list[list[int]], padding: int, told: bool = True) -> dict:
    """Return texts of different length as `start` takes them, padded on the left."""
    width = max(map(len, rows))
    tokens = [[padding] * (width - len(row)) + row for row in rows]
    inputs = {"tokens": tokens, "lengths": list(map(len, rows))}
    return {
        name: ops.convert_to_tensor(np.array(each, dtype="int32"))
        for name, each in inputs.items()
        if told or name == "tokens"
    }


def test_steps_are_the_full_pass(model, expected, padding):
    memory, state = model.start(prompt(TOKENS[:, :2].tolist(), padding), 5)
    for position in range(1, TOKENS.shape[1]):
        token = ops.convert_to_tensor(TOKENS[:, position])
        found, state = model.step(token, position - 1, memory, state)
        np.testing.assert_allclose(numbers(found), expected[:, position], atol=1e-5)


def test_padding_on_the_left_changes_nothing(model, padding):
    rows = [TOKENS[0, :5].tolist(), TOKENS[1, :2].tolist()]
    inputs = prompt(rows, padding)
    memory, state = model.start(inputs, 4)
    found, _ = model.step(inputs["tokens"][:, -1], 0, memory, state)
    wanted = [tiny.logits(model, np.array([row], "int32"))[0, -1] for row in rows]
    np.testing.assert_allclose(numbers(found), wanted, atol=1e-5)


def test_padding_may_be_any_word_where_lengths_tell_of_it(variant, model, padding):
    """Or where the padding's id is an argument."""
    if padding == -1:
        pytest.skip("its padding is no word")
    rows = [TOKENS[0, :5].tolist(), TOKENS[1, :2].tolist()]
    wanted = [tiny.logits(model, np.array([row], "int32"))[0, -1] for row in rows]
    other = variant.copy(model, padding_id=29)
    for reader, inputs in (
        (model, prompt(rows, 0)),
        (model, prompt(rows, 7)),
        (model, prompt(rows, 0, told=False)),
        (other, prompt(rows, 29, told=False)),
    ):
        memory, state = reader.start(inputs, 4)
        found, _ = reader.step(inputs["tokens"][:, -1], 0, memory, state)
        np.testing.assert_allclose(numbers(found), wanted, atol=1e-5)
    memory, state = other.start(prompt(rows, 0, told=False), 4)
    found, _ = other.step(inputs["tokens"][:, -1], 0, memory, state)
    assert np.abs(numbers(found)[1] - wanted[1]).max() > 1e-3


def test_a_prompt_in_pieces_is_a_prompt(recurrent):
    """`start` goes on with the state that another one gave."""
    rows = TOKENS[:, :5].tolist()
    _, state = recurrent.start(prompt(rows, 0), 4)
    _, first = recurrent.start(prompt([row[:3] for row in rows], 0), 4)
    inputs = prompt([row[2:] for row in rows], 0)
    _, second = recurrent.start({**inputs, "state": first}, 4)
    for name, each in state.items():
        np.testing.assert_allclose(numbers(second[name]), numbers(each), atol=1e-5)


# Searching with it


@pytest.mark.parametrize("beams", [1, 3])
def test_a_search_finds_what_full_passes_find(model, beams, padding):
    limit, prompts = 6, [[2, 5, 6, 7], [2, 9]]
    lasts = np.array([row[-1] for row in prompts])
    found = search.decode(
        model, prompt(prompts, padding), start_id=lasts, end_id=END, pad_id=0,
        max_length=limit, beam_size=beams, num_return=beams,
    )  # fmt: skip
    for row, given in enumerate(prompts):

        def following(sequences, given=given):
            tokens = np.zeros((beams, len(given) + limit), dtype="int32")
            for place, sequence in enumerate(sequences):
                tokens[place, : len(given) + len(sequence)] = [*given, *sequence]
            full = tiny.logits(model, tokens)
            return full[: len(sequences), len(given) + len(sequences[0]) - 1]

        wanted = searching.plain_search(following, beams, limit, END)
        assert len(wanted) == beams
        searching.check(found, row, wanted, limit)
