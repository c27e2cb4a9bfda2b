"""GPT: its size to the weight, padding and context, special tokens, the auxiliary loss."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from tiny import zeroed

from zoo.bundle import weights
from zoo.config import catalog
from zoo.models.gpt1 import LanguageModel
from zoo.models.gpt1_tasks import Chooser, Classifier

SIZES = {
    "vocabulary": 20, "context": 12, "width": 16, "layers": 2, "heads": 4, "feed_forward": 24,
    "dropout": 0.0, "attention_dropout": 0.0,
}  # fmt: skip
START, DELIMITER, EXTRACT = 20, 21, 22
# Two sequences, the second one shorter.
TOKENS = np.array(
    [[START, 5, 6, 7, DELIMITER, 8, EXTRACT], [-1, -1, START, 9, 10, 11, EXTRACT]], dtype="int32"
)


def tiny(builder=LanguageModel, **arguments):
    """A model with weights far from zero, so that every term of the equations counts."""
    model = builder(**(SIZES | arguments))
    model.build()
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(random.normal(scale=0.4, size=variable.shape))
    return model


def numbers(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


# Its weights


@pytest.mark.parametrize(
    ("size", "count"), [("base", 116_534_784), ("classifier", 116_537_088 + 2 * 768 + 2)]
)
def test_the_papers_sizes_to_the_weight(size, count):
    """The sheet's: 40,478 tokens, 512 positions, 12 blocks of 7,087,872; three special rows."""
    entry = catalog.entry("gpt1")
    found = catalog.size(entry, size)
    with zeroed():
        model = catalog.builder(entry, size)(**found.arguments)
        model.build()
    assert model.count_params() == found.params == count
    assert {block.count_params() for block in model.decoder.blocks} == {7_087_872}


@pytest.mark.parametrize("size", list(catalog.entry("gpt1").sizes))
def test_every_size_has_the_parameters_that_it_states(size):
    entry = catalog.entry("gpt1")
    found = catalog.size(entry, size)
    with zeroed():
        model = catalog.builder(entry, size)(**found.arguments)
        model.build()
    assert model.count_params() == found.params


def test_names_of_weights_are_a_format():
    """A bundle is keyed by these names: changing one breaks every bundle that is out there."""
    layers = ["inner", "outer", "projection", "query_key_value"]
    names = {f"{layer}.{part}" for layer in layers for part in ("kernel", "bias")}
    norms = ("attention_norm", "feed_forward_norm")
    names |= {f"{norm}.{part}" for norm in norms for part in ("gamma", "beta")}
    tables = {"decoder.tokens", "decoder.positions"}
    blocks = {f"decoder.blocks.{layer}.{name}" for layer in range(2) for name in names}
    assert set(weights.variables(tiny())) == tables | blocks
    more = {"decoder.special", "head.kernel", "head.bias"}
    assert set(weights.variables(tiny(Classifier, classes=2))) == tables | blocks | more
    assert set(weights.variables(tiny(Chooser, classes=1))) == tables | blocks | more


def test_what_training_begins_with():
    """Matrices and embeddings are N(0, 0.02), biases zero, gains one (section 4.1)."""
    keras.utils.set_random_seed(3)
    model = Classifier(vocabulary=300, classes=40, width=64, layers=2, heads=4, feed_forward=128)
    model.build()
    for name, array in weights.arrays(model).items():
        if array.ndim == 2:
            tolerance = 0.1 if array.size > 1000 else 0.3
            assert array.std() == pytest.approx(0.02, rel=tolerance), name
        else:
            assert (array == (1.0 if name.endswith("gamma") else 0.0)).all(), name


# The language model


def test_padding_on_the_left_changes_nothing():
    model = tiny()
    tokens = np.array([[5, 6, 7, 8]], dtype="int32")
    padded = np.concatenate([[[-1, -1, -1]], tokens], axis=1).astype("int32")
    np.testing.assert_allclose(numbers(model(padded))[:, 3:], numbers(model(tokens)), atol=1e-5)


def test_positions_count():
    """The same token after itself is another one, and the first place is not the second."""
    found = numbers(tiny()(np.full((1, 4), 7, dtype="int32")))[0]
    assert min(np.abs(a - b).max() for a, b in itertools.pairwise(found)) > 1e-2


def test_more_than_the_context_is_refused():
    with pytest.raises(ValueError, match="13 tokens, but the context is 12"):
        tiny()(np.ones((1, 13), dtype="int32"))


@pytest.mark.parametrize("padding", [0, 3])
def test_steps_after_a_prompt_are_the_full_pass(padding):
    """In a batch of two prompts, the second one shorter; the cache grows in between."""
    model = tiny()
    tokens = np.array([[5, 6, 7, 8, 9, 10, 11], [4, 3, 2, 1, 6, 7, 8]], dtype="int32")
    full = numbers(model(tokens)), numbers(model(tokens[1:, 2:]))
    prompt = np.stack([tokens[0, :4], [-1, -1, *tokens[1, 2:4]]])
    prompt = np.pad(prompt, ((0, 0), (padding, 0)), constant_values=-1).astype("int32")
    memory, state = model.start({"tokens": prompt}, 2)
    for step in range(4):
        if step == 2:
            state = model.grow(state, 5)
        token = ops.convert_to_tensor(tokens[:, 3 + step])
        found, state = model.step(token, step, memory, state)
        np.testing.assert_allclose(numbers(found)[0], full[0][0, 3 + step], atol=1e-5)
        np.testing.assert_allclose(numbers(found)[1], full[1][0, 1 + step], atol=1e-5)


# Fine-tuning


def test_special_tokens_are_rows_of_their_own():
    model = tiny(Classifier, classes=3)
    assert model.specials == (START, DELIMITER, EXTRACT)
    before = numbers(model(TOKENS))
    table = np.array(numbers(model.decoder.special))
    for row, counts in ((0, [0, 1]), (1, [0]), (2, [0, 1])):
        changed = table.copy()
        changed[row] += 1.0
        model.decoder.special.assign(changed)
        apart = np.abs(numbers(model(TOKENS)) - before).max(axis=1)
        assert [i for i in range(2) if apart[i] > 1e-3] == counts
    model.decoder.special.assign(table)
    np.testing.assert_allclose(numbers(model(TOKENS)), before, atol=1e-6)


def test_a_label_comes_from_the_state_of_the_extract_token():
    """Equation 3, with the language model's own states."""
    model = tiny(Classifier, classes=3)
    hidden, _ = model.decoder(TOKENS)
    expected = numbers(hidden)[:, -1] @ numbers(model.head.kernel) + numbers(model.head.bias)
    np.testing.assert_allclose(numbers(model(TOKENS)), expected, atol=1e-5)


def test_states_of_both_orders_are_added():
    model = tiny(Classifier, classes=2)
    both = np.stack([TOKENS, TOKENS[::-1]], axis=1)  # [batch, 2, time]
    hidden = numbers(model.decoder(TOKENS)[0])[:, -1]
    total = np.stack([hidden[0] + hidden[1]] * 2)
    expected = total @ numbers(model.head.kernel) + numbers(model.head.bias)
    np.testing.assert_allclose(numbers(model(both)), expected, atol=1e-5)


def test_each_answer_gets_a_score_of_its_own():
    model = tiny(Chooser, classes=1)
    hidden = numbers(model.decoder(TOKENS)[0])[:, -1]
    scores = hidden @ numbers(model.head.kernel)[:, 0] + numbers(model.head.bias)
    found = numbers(model(np.stack([TOKENS, TOKENS[::-1]])))
    np.testing.assert_allclose(found, [scores, scores[::-1]], atol=1e-5)


@pytest.mark.parametrize("auxiliary", [0.5, 0.0])
def test_the_language_models_loss_is_added_in_training(auxiliary):
    """-log P of each token after the first, a mean for each sequence, then over them."""
    model = tiny(Classifier, classes=2, auxiliary=auxiliary, dropout_head=0.0)
    model(TOKENS, training=False)
    assert not model.losses
    model(TOKENS, training=True)
    if not auxiliary:
        assert not model.losses
        return
    logits = numbers(model.decoder.logits(model.decoder(TOKENS)[0])).astype("float64")
    assert logits.shape == (2, 7, 23)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    means = []
    for row, first in ((0, 0), (1, 2)):
        places = range(first, 6)
        means.append(-np.mean([logs[row, i, TOKENS[row, i + 1]] for i in places]))
    (found,) = model.losses
    assert float(numbers(found)) == pytest.approx(0.5 * np.mean(means), rel=1e-5)


def test_dropout_of_attention_is_only_in_training():
    whole = tiny()
    tokens = np.array([[5, 6, 7, 8]], dtype="int32")
    expected = numbers(whole(tokens))
    dropped = tiny(attention_dropout=0.5)
    np.testing.assert_allclose(numbers(dropped(tokens)), expected, atol=1e-6)
    assert np.abs(numbers(dropped(tokens, training=True)) - expected).max() > 1e-3
