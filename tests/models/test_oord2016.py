"""WaveNet on text against PyTorch's convolutions, makemore's tree, and queues of the past."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from tiny import zeroed

from zoo.bundle import weights
from zoo.config import catalog
from zoo.layers.normalization import BatchNormalization
from zoo.models.oord2016 import LanguageModel

RANDOM = np.random.default_rng(7)
# Longer than what any of the tiny models sees.
TOKENS = RANDOM.integers(0, 20, (2, 30)).astype("int32")
PADDING = 3
MODELS = {
    "gated": {"units": "gated", "layers": 3, "stacks": 2},
    "gated, of three": {"units": "gated", "layers": 2, "size": 3},
    "tree": {"units": "tree", "layers": 3},
    "tree of threes": {"units": "tree", "layers": 2, "size": 3},
}


def tiny(**arguments) -> LanguageModel:
    sizes = {
        "vocabulary": 20, "width": 6, "gate": 5, "skip": 7, "embedding": 4, "start_id": PADDING,
    }  # fmt: skip
    model = LanguageModel(**(sizes | arguments))
    model.build()
    random = np.random.default_rng(1)
    for name, variable in weights.variables(model).items():
        value = random.normal(scale=0.5, size=variable.shape)
        variable.assign(abs(value) + 0.5 if name.endswith("variance") else value)
    return model


def numbers(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS)
def model(request) -> LanguageModel:
    return tiny(**request.param)


# Its weights


@pytest.mark.parametrize(
    ("size", "count", "window", "parts"),
    [
        ("characters", 139_483, 17, {"front": 3_520, "blocks": 4 * 28_992, "head": 19_995}),
        ("tree", 76_579, 8, {"embedding": 648, "blocks": 6_400 + 2 * 33_024, "output": 3_483}),
    ],
)
def test_the_sizes_to_the_weight(size, count, window, parts):
    found = catalog.size(catalog.entry("oord2016"), size)
    with zeroed():
        model = LanguageModel(**found.arguments)
        model.build()
    trainable = weights.variables(model)
    trainable = {name: each for name, each in trainable.items() if each.trainable}
    counts: dict[str, int] = {}
    for name, each in trainable.items():
        part = name.split(".")[0].removesuffix("_layer")
        part = "head" if part == "output" and size == "characters" else part
        counts[part] = counts.get(part, 0) + int(np.prod(each.shape))
    assert counts == parts
    assert sum(counts.values()) == found.params == count
    assert model.window == window


def test_names_of_weights_are_a_format():
    """A bundle is keyed by these names: changing one breaks every bundle that is out there."""
    gated = ["dilated.bias", "dilated.kernel", "projection.bias", "projection.kernel"]
    assert list(weights.variables(tiny(layers=1))) == [
        *[f"blocks.0.{name}" for name in gated], "front.bias", "front.embeddings", "head.bias",
        "head.kernel", "output_layer.bias", "output_layer.kernel",
    ]  # fmt: skip
    tree = ["beta", "gamma", "moving_mean", "moving_variance"]
    assert list(weights.variables(tiny(layers=1, units="tree"))) == [
        "blocks.0.dilated.kernel", *[f"blocks.0.normalization.{name}" for name in tree],
        "embedding.embeddings", "output_layer.bias", "output_layer.kernel",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"units": "wavenet"}, "units must be one of gated, tree, not 'wavenet'"),
        ({"size": 1}, "size is 1, and is at least 2"),
        ({"layers": 0}, "there is no layer"),
        ({"stacks": 0}, "there is no layer"),
    ],
)
def test_networks_that_see_nothing_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        tiny(**arguments)


# What it computes


@pytest.mark.parametrize("name", ["gated", "gated, of three"])
def test_gated_layers_are_pytorchs_dilated_convolutions(name):
    torch = pytest.importorskip("torch")
    model = tiny(**MODELS[name])
    sizes = model.arguments
    weight = {name: torch.tensor(each) for name, each in weights.arrays(model).items()}
    before = model.window - 1

    def convolve(x, kernel, bias, dilation):  # kernel [size, inputs, outputs]
        kernel = kernel.permute(2, 1, 0)
        return torch.nn.functional.conv1d(x, kernel, bias, dilation=dilation)

    tokens = torch.tensor(np.pad(TOKENS, ((0, 0), (before, 0)), constant_values=PADDING)).long()
    x = torch.nn.functional.one_hot(tokens, 20).float().transpose(1, 2)
    x = convolve(x, weight["front.embeddings"], weight["front.bias"], 1)
    skips = 0.0
    for i in range(sizes.layers * sizes.stacks):
        dilation, at = 2 ** (i % sizes.layers), f"blocks.{i}"
        kernel = weight[f"{at}.dilated.kernel"].reshape(sizes.size, sizes.width, -1)
        bias, gate = weight[f"{at}.dilated.bias"], sizes.gate
        filtered = convolve(x, kernel[..., :gate], bias[:gate], dilation)
        gated = convolve(x, kernel[..., gate:], bias[gate:], dilation)
        z = torch.tanh(filtered) * torch.sigmoid(gated)
        kernel, bias = weight[f"{at}.projection.kernel"][None], weight[f"{at}.projection.bias"]
        width = sizes.width
        skip = convolve(z, kernel[..., width:], bias[width:], 1)
        skips = skips + skip[:, :, -TOKENS.shape[1] :]
        x = x[:, :, -z.shape[2] :] + convolve(z, kernel[..., :width], bias[:width], 1)
    y = torch.relu(skips)
    y = torch.relu(convolve(y, weight["head.kernel"][None], weight["head.bias"], 1))
    y = convolve(y, weight["output_layer.kernel"][None], weight["output_layer.bias"], 1)
    np.testing.assert_allclose(numbers(model(TOKENS)), y.transpose(1, 2).numpy(), atol=2e-5)


@pytest.mark.parametrize("name", ["tree", "tree of threes"])
def test_dilated_layers_are_makemores_tree_of_each_window(name):
    """The lecture's network: neighbours side by side, a linear map, normalisation, tanh."""
    model = tiny(**MODELS[name])
    size, weight = model.arguments.size, weights.arrays(model)
    assert model.window == size**model.arguments.layers
    before = [PADDING] * (model.window - 1)
    padded = np.concatenate([np.tile(before, (2, 1)), TOKENS], axis=1)
    for t in range(TOKENS.shape[1]):
        x = weight["embedding.embeddings"][padded[:, t : t + model.window]]  # [2, window, 4]
        for i in range(model.arguments.layers):
            x = x.reshape(2, x.shape[1] // size, -1)  # FlattenConsecutive
            x = x @ weight[f"blocks.{i}.dilated.kernel"]
            norm = {
                name: weight[f"blocks.{i}.normalization.{name}"]
                for name in ("gamma", "beta", "moving_mean", "moving_variance")
            }
            x = (x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-5)
            x = np.tanh(x * norm["gamma"] + norm["beta"])
        assert x.shape[1] == 1
        y = x[:, 0] @ weight["output_layer.kernel"] + weight["output_layer.bias"]
        found = numbers(model(TOKENS[:, : t + 1]))[:, -1] if t in (0, 9) else None
        if found is not None:  # a text's logits do not wait for the rest of it
            np.testing.assert_allclose(found, y, atol=1e-5)
        np.testing.assert_allclose(numbers(model(TOKENS))[:, t], y, atol=1e-5)


def test_it_sees_its_window_and_nothing_before(model):
    at, window = 3, model.window
    changed = TOKENS.copy()
    changed[:, at] = (TOKENS[:, at] + 5) % 20
    apart = np.abs(numbers(model(changed)) - numbers(model(TOKENS))).max(axis=-1)
    assert (apart[:, at : at + window] > 1e-5).all()
    assert apart[:, :at].max(initial=0) < 1e-6
    assert apart[:, at + window :].max(initial=0) < 1e-6
    assert apart[:, at + window :].size


def test_the_last_blocks_way_on_leads_nowhere():
    model = tiny(**MODELS["gated"])
    expected = numbers(model(TOKENS))
    kernel = model.blocks[-1].projection.kernel
    value = numbers(kernel).copy()
    value[:, : model.arguments.width] = 9.0
    kernel.assign(value)
    np.testing.assert_array_equal(numbers(model(TOKENS)), expected)


# Queues of the past


def test_steps_with_queues_are_the_full_pass(model):
    """Far beyond what it sees, and the state stays as large as it was."""
    expected = numbers(model(TOKENS))
    memory, state = model.start({"tokens": ops.convert_to_tensor(TOKENS[:, :3])}, 30)
    shapes = {name: tuple(each.shape) for name, each in model.initial_state(2).items()}
    queues = [shape[1] for name, shape in shapes.items() if name.startswith("past")]
    assert queues == [block.dilated.reach for block in model.blocks]
    for position in range(2, TOKENS.shape[1]):
        token = ops.convert_to_tensor(TOKENS[:, position])
        logits, state = model.step(token, position - 2, memory, state)
        np.testing.assert_allclose(numbers(logits), expected[:, position], atol=1e-5)
        assert {name: tuple(each.shape) for name, each in state.items()} == shapes


@pytest.mark.parametrize("piece", [1, 4, 13])
def test_pieces_are_the_full_pass(model, piece):
    state, found = model.initial_state(2), []
    for first in range(0, TOKENS.shape[1], piece):
        logits, state = model.read(TOKENS[:, first : first + piece], state)
        found.append(numbers(logits))
    np.testing.assert_allclose(np.concatenate(found, 1), numbers(model(TOKENS)), atol=1e-5)


def test_prompts_of_different_length_after_a_text(model):
    """Rows padded on the left, which go on from a state that is not the first one."""
    rows = [TOKENS[0, :9], TOKENS[1, :4]]
    tokens = np.full((2, 9), 11, dtype="int32")
    for number, row in enumerate(rows):
        tokens[number, -len(row) :] = row
    _, before = model.read(TOKENS[:, 10:], model.initial_state(2))
    inputs = {"tokens": tokens, "lengths": np.array([9, 4], "int32")}
    inputs = {name: ops.convert_to_tensor(each) for name, each in inputs.items()}
    memory, state = model.start({**inputs, "state": before}, 1)
    found, _ = model.step(inputs["tokens"][:, -1], 0, memory, state)
    for number, row in enumerate(rows):
        own = {name: each[number : number + 1] for name, each in before.items()}
        expected, _ = model.read(row[None], own)
        np.testing.assert_allclose(numbers(found)[number], numbers(expected)[0, -1], atol=1e-5)


# Batch normalisation


def test_normalisation_is_the_lectures_and_its_running_statistics_are_pytorchs():
    x = RANDOM.normal(2.0, 3.0, size=(4, 5, 6)).astype("float32")
    layer = BatchNormalization(6)
    layer.build()
    found = numbers(layer(x, training=True))
    mean, variance = x.mean(axis=(0, 1)), x.var(axis=(0, 1), ddof=1)
    np.testing.assert_allclose(found, (x - mean) / np.sqrt(variance + 1e-5), atol=1e-5)
    torch = pytest.importorskip("torch")
    theirs = torch.nn.BatchNorm1d(6)
    theirs(torch.tensor(x).reshape(20, 6))
    running = {"running_mean": layer.moving_mean, "running_var": layer.moving_variance}
    for name, mine in running.items():
        np.testing.assert_allclose(numbers(mine), getattr(theirs, name).numpy(), rtol=1e-5)
    theirs.eval()
    expected = theirs(torch.tensor(x).reshape(20, 6)).detach().numpy().reshape(x.shape)
    np.testing.assert_allclose(numbers(layer(x)), expected, atol=1e-5)


@pytest.mark.parametrize("first", [5, PADDING])
def test_padding_on_the_right_is_not_counted(first):
    """Texts of 6 and 4 symbols. The first one of a text may be the padding's, as of names."""
    texts = [np.array([first, 6, 7, 8, 9, 10], "int32"), np.array([first, 12, 13, 14], "int32")]

    def statistics(rows: list[np.ndarray], width: int) -> tuple:
        model = tiny(**MODELS["tree"])
        tokens = np.full((len(rows), width), PADDING, dtype="int32")
        for number, row in enumerate(rows):
            tokens[number, : len(row)] = row
        logits, _ = model.read(tokens, model.initial_state(len(rows)), training=True)
        held = weights.arrays(model)
        moved = {name: held[name] for name in held if "moving" in name}
        return moved, [numbers(logits)[i, : len(row)] for i, row in enumerate(rows)]

    expected, logits = statistics(texts, 6)
    found, also = statistics(texts, 11)
    for name, each in expected.items():
        np.testing.assert_allclose(found[name], each, rtol=1e-5, err_msg=name)
    for mine, other in zip(also, logits, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
    # The first level sees pairs: by hand, over the ten symbols of both texts.
    model = tiny(**MODELS["tree"])
    table = weights.arrays(model)["embedding.embeddings"]
    kernel = weights.arrays(model)["blocks.0.dilated.kernel"]
    pairs = [[table[[PADDING, *row][t]], table[row[t]]] for row in texts for t in range(len(row))]
    x = np.reshape(pairs, (10, 8)) @ kernel
    before = weights.arrays(model)
    for name, value in (("mean", x.mean(axis=0)), ("variance", x.var(axis=0, ddof=1))):
        name = f"blocks.0.normalization.moving_{name}"
        np.testing.assert_allclose(
            found[name], 0.9 * before[name] + 0.1 * value, rtol=1e-4, err_msg=name
        )


def test_the_trees_gradients_are_pytorchs_through_the_normalisation():
    """One step of gradient descent at rate 1, on texts as long as the window reaches back.

    The window before a text is normalised by the running statistics, all others by the batch's.
    """
    torch = pytest.importorskip("torch")
    model = tiny(units="tree", layers=1)
    before = weights.arrays(model)
    weight = {name: torch.tensor(each, requires_grad=True) for name, each in before.items()}
    padded = torch.tensor(np.pad(TOKENS, ((0, 0), (1, 0)), constant_values=PADDING)).long()
    vectors = weight["embedding.embeddings"][padded]
    x = torch.cat([vectors[:, :-1], vectors[:, 1:]], dim=-1) @ weight["blocks.0.dilated.kernel"]
    real = torch.ones(TOKENS.shape)
    for row, text in enumerate(TOKENS):
        real[row, np.flatnonzero(text != PADDING)[-1] + 1 :] = 0
    chosen = x[real > 0]
    mean, variance = chosen.mean(0), chosen.var(0)
    norm = "blocks.0.normalization"
    x = (x - mean) / torch.sqrt(variance + 1e-5) * weight[f"{norm}.gamma"] + weight[f"{norm}.beta"]
    y = torch.tanh(x) @ weight["output_layer.kernel"] + weight["output_layer.bias"]
    labels = np.roll(TOKENS, -1, axis=1)
    loss = torch.nn.functional.cross_entropy(
        y.reshape(-1, 20), torch.tensor(labels).long().reshape(-1)
    )
    loss.backward()
    model.compile(
        optimizer=keras.optimizers.SGD(1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.train_on_batch(TOKENS, labels)
    for name, after in weights.arrays(model).items():
        if "moving" in name:
            continue
        gradient = weight[name].grad.numpy()
        np.testing.assert_allclose(before[name] - after, gradient, atol=2e-6, err_msg=name)
