"""AWD-LSTM: its size to the weight, PyTorch's LSTMs, carried state, and each of its dropouts."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from tiny import zeroed

from zoo.bundle import weights
from zoo.config import catalog
from zoo.layers import recurrence
from zoo.models.merity2017 import LanguageModel, WeightDropLSTM, WordEmbedding

TOKENS = np.array([[5, 6, 7, 5, 8, 1], [9, 10, 5, 3, 12, 6]], dtype="int32")
NONE = {
    "dropout_words": 0.0, "dropout_input": 0.0, "dropout_hidden": 0.0, "dropout_output": 0.0,
    "dropout_weights": 0.0,
}  # fmt: skip
EVERY = dict.fromkeys(NONE, 0.5)
# The authors count two biases for each gate, 4 (1150 + 1150 + 400) numbers more.
SECOND_BIASES = 10_800


def tiny(**arguments) -> LanguageModel:
    """A model with weights far from zero, so that every term of the equations counts."""
    sizes = {"vocabulary": 20, "embedding": 6, "width": 8, "layers": 2}
    model = LanguageModel(**(sizes | NONE | arguments))
    model.build()
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(random.normal(scale=0.5, size=variable.shape))
    return model


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return tiny()


def numbers(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


# Its weights


@pytest.mark.parametrize(
    ("size", "count", "lstms"),
    [("ptb", 24_221_600, 20_211_600), ("wikitext-2", 33_556_078, 20_211_600)],
)
def test_the_papers_sizes_to_the_weight(size, count, lstms):
    found = catalog.size(catalog.entry("merity2017"), size)
    with zeroed():
        model = LanguageModel(**found.arguments)
        model.build()
    assert model.count_params() == found.params == count - SECOND_BIASES
    counts = [layer.count_params() for layer in model.encoder.lstm_layers]
    assert sum(counts) == lstms - SECOND_BIASES
    second = [4 * 1150, 4 * 1150, 4 * 400]
    expected = [7_139_200, 10_589_200, 2_483_200]
    assert [a + b for a, b in zip(counts, second, strict=True)] == expected
    # Embedding and softmax share their matrix.
    vocabulary = found.arguments["vocabulary"]
    shapes = [tuple(each.shape) for each in weights.variables(model).values()]
    assert [shape for shape in shapes if vocabulary in shape] == [(vocabulary,), (vocabulary, 400)]


def test_names_of_weights_are_a_format(model):
    """A bundle is keyed by these names: changing one breaks every bundle that is out there."""
    parts = ("bias", "kernel", "recurrent_kernel")
    assert list(weights.variables(model)) == [
        "encoder.embedding.bias",
        "encoder.embedding.table",
        *[f"encoder.lstm_layers.{layer}.{part}" for layer in range(2) for part in parts],
    ]


def test_groups_go_from_the_input_up_and_leave_nothing_out(model):
    groups = model.groups()
    # The embedding's matrix is the softmax' too, which is the last layer.
    layers = [*model.encoder.lstm_layers, model.encoder.embedding]
    for group, layer in zip(groups, layers, strict=True):
        assert list(map(id, group)) == list(map(id, layer.trainable_variables))
    flat = [id(variable) for group in groups for variable in group]
    assert sorted(flat) == sorted(map(id, model.trainable_variables))


def test_what_training_begins_with():
    """Embeddings in +-0.1, the softmax' bias at zero, all else in +-1/sqrt(the layer's width)."""
    keras.utils.set_random_seed(3)
    model = LanguageModel(vocabulary=300, embedding=25, width=36, layers=3)
    model.build()
    arrays = weights.arrays(model)
    assert not arrays.pop("encoder.embedding.bias").any()
    for name, array in arrays.items():
        layer = name.split(".")[2]
        bound = {"table": 0.1, "0": 1 / 6, "1": 1 / 6, "2": 1 / 5}[layer]
        assert 0.9 * bound < np.abs(array).max() <= bound, name
        assert array.std() == pytest.approx(bound / np.sqrt(3), rel=0.1), name
    kernels = [arrays[f"encoder.lstm_layers.1.{name}"] for name in ("kernel", "recurrent_kernel")]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.1  # not one draw for both


# What it computes


def by_torch(model, tokens: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits and the last state by PyTorch's LSTMs, whose gates lie in the order i, f, g, o."""
    torch = pytest.importorskip("torch")
    weight = {name: torch.tensor(array) for name, array in weights.arrays(model).items()}
    table, state = weight["encoder.embedding.table"], {}
    x = table[torch.tensor(tokens).long()]
    for k, layer in enumerate(model.encoder.lstm_layers):
        lstm = torch.nn.LSTM(layer.inputs, layer.width, batch_first=True)
        names = {"weight_ih_l0": "kernel", "weight_hh_l0": "recurrent_kernel", "bias_ih_l0": "bias"}
        values = {
            theirs: weight[f"encoder.lstm_layers.{k}.{ours}"].T for theirs, ours in names.items()
        }
        lstm.load_state_dict({**values, "bias_hh_l0": torch.zeros(4 * layer.width)})
        with torch.no_grad():
            x, (h, c) = lstm(x)
        state |= {f"h_{k}": h[0].numpy(), f"c_{k}": c[0].numpy()}
    return (x @ table.T + weight["encoder.embedding.bias"]).numpy(), state


@pytest.mark.filterwarnings("ignore:The use of `x.T` on tensors")
def test_it_is_a_stack_of_pytorchs_lstms(model):
    expected, expected_state = by_torch(model, TOKENS)
    np.testing.assert_allclose(numbers(model(TOKENS)), expected, atol=1e-5)
    logits, state = model.read(TOKENS, model.initial_state(2))
    np.testing.assert_allclose(numbers(logits), expected, atol=1e-5)
    # What AR and TAR are made of: outputs [time, batch, ...], the same without training.
    raw, dropped, _ = model.encoder(TOKENS, model.initial_state(2))
    assert raw.shape[:2] == TOKENS.shape[::-1]
    np.testing.assert_array_equal(numbers(raw), numbers(dropped))
    assert state.keys() == expected_state.keys()
    for name, value in expected_state.items():
        np.testing.assert_allclose(numbers(state[name]), value, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("cut", [1, 4])
def test_reading_on_with_the_state_is_reading_at_once(model, cut):
    expected, last = model.read(TOKENS, model.initial_state(2))
    first, state = model.read(TOKENS[:, :cut], model.initial_state(2))
    second, state = model.read(TOKENS[:, cut:], state)
    found = np.concatenate([numbers(first), numbers(second)], axis=1)
    np.testing.assert_allclose(found, numbers(expected), atol=1e-5)
    for name, value in last.items():
        np.testing.assert_allclose(numbers(state[name]), numbers(value), atol=1e-5)
    anew, _ = model.read(TOKENS[:, cut:], model.initial_state(2))
    assert np.abs(numbers(anew) - numbers(second)).max() > 1e-2


def prompts(rows: list[list[int]], padding: int = 0) -> dict:
    """Texts of different length as `start` takes them, padded on the left."""
    lengths = [len(row) for row in rows]
    tokens = [[padding] * (max(lengths) - len(row)) + row for row in rows]
    arrays = {"tokens": np.array(tokens), "lengths": np.array(lengths)}
    return {name: ops.convert_to_tensor(each.astype("int32")) for name, each in arrays.items()}


def stepped(model, rows: list[list[int]], then: np.ndarray) -> np.ndarray:
    """Logits after the last word of each row, and after each word of `then` [rows, words]."""
    inputs = prompts(rows)
    memory, state = model.start(inputs, 4)
    found, token = [], inputs["tokens"][:, -1]
    for position in range(then.shape[1] + 1):
        logits, state = model.step(token, position, memory, state)
        found.append(numbers(logits))
        if position < then.shape[1]:
            token = ops.convert_to_tensor(then[:, position])
    return np.stack(found, axis=1)


@pytest.mark.parametrize("read", [1, 4])
def test_steps_are_the_full_pass(model, read):
    found = stepped(model, TOKENS[:, :read].tolist(), TOKENS[:, read:])
    np.testing.assert_allclose(found, numbers(model(TOKENS))[:, read - 1 :], atol=1e-5)


def test_prompts_of_different_length_are_read_as_each_alone(model):
    """The first has a word of the padding's id in it, as a line end is with words at spaces."""
    rows = [[5, 6, 0, 7, 8], [9]]
    then = np.array([[4, 5], [6, 7]], dtype="int32")
    found = stepped(model, rows, then)
    for row, words in enumerate(rows):
        text = np.array([[*words, *then[row]]], dtype="int32")
        expected = numbers(model(text))[:, len(words) - 1 :]
        np.testing.assert_allclose(found[row : row + 1], expected, atol=1e-5)


# Its dropouts


def dropped(share: float, array: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return where `array` is zero; elsewhere it must be `whole` over 1 - share."""
    mask = array == 0
    np.testing.assert_allclose(array[~mask], whole[~mask] / (1 - share), rtol=1e-5)
    return mask


def test_without_training_nothing_is_dropped(model):
    other = tiny(**EVERY)
    np.testing.assert_array_equal(numbers(other(TOKENS)), numbers(model(TOKENS)))
    first, second = (numbers(other(TOKENS, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-2


def test_a_dropped_word_is_dropped_wherever_it_stands():
    layer = WordEmbedding(50, 7, 0.3)
    layer.build()
    ids = np.random.default_rng(0).permutation(np.repeat(np.arange(50, dtype="int32"), 5))
    ids = ids.reshape(10, 25)
    whole = numbers(layer(ids))
    masks = []
    for _ in range(2):
        mask = dropped(0.3, numbers(layer(ids, training=True)), whole)
        assert (mask.all(axis=-1) == mask.any(axis=-1)).all()  # whole words
        gone = {word: set(mask[ids == word].ravel()) for word in range(50)}
        assert all(len(found) == 1 for found in gone.values())
        masks.append([next(iter(found)) for found in gone.values()])
        assert 5 <= sum(masks[-1]) <= 25
    assert masks[0] != masks[1]


def test_the_softmax_keeps_all_words(monkeypatch):
    model = tiny(dropout_words=0.5)
    read, outputs = model.encoder.call, []

    def recorded(*args, **options):
        outputs.append(read(*args, **options))
        return outputs[-1]

    monkeypatch.setattr(model.encoder, "call", recorded)
    logits, _ = model.read(TOKENS, model.initial_state(2), training=True)
    hidden = outputs[0][1]
    weight = weights.arrays(model)
    hidden = numbers(hidden).swapaxes(0, 1)
    expected = hidden @ weight["encoder.embedding.table"].T + weight["encoder.embedding.bias"]
    np.testing.assert_allclose(numbers(logits), expected, atol=1e-5)


@pytest.fixture
def passed(monkeypatch):
    """A function: run a model in training; return x [time, batch, ...] between all its parts."""

    def run(model, tokens) -> list[np.ndarray]:
        encoder, found = model.encoder, []
        embed = encoder.embedding.call

        def embedded(ids, training=False):
            found.append(embed(ids, training=training))
            return found[-1]

        monkeypatch.setattr(encoder.embedding, "call", embedded)
        for layer in encoder.lstm_layers:

            def call(x, *rest, original=layer.call, **options):
                out, state = original(x, *rest, **options)
                found.extend([x, out])
                return out, state

            monkeypatch.setattr(layer, "call", call)
        raw, dropped, _ = encoder(tokens, model.initial_state(len(tokens)), training=True)
        np.testing.assert_array_equal(numbers(raw), numbers(found[-1]))
        monkeypatch.undo()
        return [numbers(each) for each in (*found, dropped)]

    return run


@pytest.mark.parametrize(
    ("name", "layers", "places"),
    # Of the embeddings, and of the output of each LSTM.
    [("dropout_input", 1, {0}), ("dropout_hidden", 3, {1, 2}), ("dropout_output", 2, {2})],
)
def test_a_mask_is_the_same_at_all_times_and_another_in_each_row(passed, name, layers, places):
    model = tiny(embedding=30, width=40, layers=layers, **{name: 0.4})
    first, second = passed(model, TOKENS), passed(model, TOKENS)
    assert len(first) == 2 * (layers + 1)
    seen = []
    for place in range(layers + 1):
        whole, after = first[2 * place : 2 * place + 2]
        if place not in places:
            np.testing.assert_array_equal(after, whole)
            continue
        mask = dropped(0.4, after, whole)
        assert (mask == mask[:1]).all()
        assert 0.2 < mask.mean() < 0.6
        again = dropped(0.4, second[2 * place + 1], second[2 * place])
        seen += [*mask[0], *again[0]]  # of both rows, in both passes
    assert len({each.tobytes() for each in seen}) == len(seen)


def test_weights_are_dropped_once_for_a_pass(monkeypatch):
    """One matrix for all times and rows of a call; it alone is dropped."""
    keras.utils.set_random_seed(0)
    layer = WeightDropLSTM(6, 12, 0.5)
    layer.build()
    loop, given = recurrence.lstm, []

    def recorded(x, kernel, *rest, **options):
        given.append((numbers(x), numbers(kernel)))
        return loop(x, kernel, *rest, **options)

    monkeypatch.setattr(recurrence, "lstm", recorded)
    random = np.random.default_rng(0)
    x = random.normal(size=(4, 2, 6)).astype("float32")
    x[:, 1] = x[:, 0]  # two rows that are equal
    state = tuple(np.tile(random.normal(size=(1, 12)), (2, 1)).astype("float32") for _ in range(2))
    found = [numbers(layer(x, state, training=True)[0]) for _ in range(2)]
    np.testing.assert_array_equal(found[0][:, 1], found[0][:, 0])
    assert np.abs(found[0] - found[1]).max() > 1e-3
    kernel, recurrent, bias = map(numbers, (layer.kernel, layer.recurrent_kernel, layer.bias))
    masks = []
    for inputs, dropped_kernel in given:
        masks.append(dropped(0.5, dropped_kernel, recurrent))
        assert 0.4 < masks[-1].mean() < 0.6
        np.testing.assert_allclose(inputs, x @ kernel + bias, atol=1e-5)
    assert len(masks) == 2
    assert (masks[0] != masks[1]).mean() > 0.3
    layer(x, state)
    np.testing.assert_array_equal(given[-1][1], recurrent)
    # A layer with these weights and no dropout gives the same.
    plain = WeightDropLSTM(6, 12)
    plain.build()
    values = zip(layer.trainable_variables, plain.trainable_variables, strict=True)
    for mine, other in values:
        other.assign(numbers(mine))
    plain.recurrent_kernel.assign(given[1][1])
    np.testing.assert_allclose(numbers(plain(x, state, training=True)[0]), found[1], atol=1e-6)


# Precision


def test_logits_and_state_are_float32_in_low_precision(model):
    low = tiny(dtype="mixed_bfloat16")
    logits, state = low.read(TOKENS, low.initial_state(2))
    types = {keras.backend.standardize_dtype(each.dtype) for each in (logits, *state.values())}
    assert types == {"float32"}
    expected = numbers(model(TOKENS))
    np.testing.assert_allclose(numbers(logits), expected, atol=0.03 * np.abs(expected).max())
