"""The prediction network: counts, plain NumPy forward and backward, clipping, null input, noise."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from tiny import zeroed

from zoo import compiling
from zoo.bundle import weights
from zoo.config import catalog
from zoo.errors import NotSupported
from zoo.models.graves2013 import PredictionNetwork
from zoo.tasks.losses import LabelSmoothedCrossEntropy

WIDTH, LAYERS = 5, 3
TOKENS = np.array([[3, 6, 7, 5, 8, 1], [9, 10, 5, 3, 12, 6]], dtype="int32")
LABELS = np.array([[6, 7, 5, 8, 1, 2], [10, 5, 3, 12, 6, 4]], dtype="int32")
# A vocabulary smaller than a batch is read as a whole table, a larger one by its rows.
VOCABULARIES = {"few": 13, "many": 40}
assert VOCABULARIES["few"] > TOKENS.max()
SMALL = np.concatenate([TOKENS, TOKENS[::-1]]), np.concatenate([LABELS, LABELS[::-1]])
assert VOCABULARIES["few"] < SMALL[0].size < VOCABULARIES["many"]


def tiny(**arguments) -> PredictionNetwork:
    """A model with weights far from zero, so that every term of the equations counts."""
    sizes = {"vocabulary": VOCABULARIES["few"], "width": WIDTH, "layers": LAYERS, "null_id": 3}
    model = PredictionNetwork(**(sizes | arguments))
    model.build()
    random = np.random.default_rng(1)
    for variable in weights.variables(model).values():
        variable.assign(random.normal(scale=0.6, size=variable.shape))
    return model


def numbers(tensor) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


# Its weights


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"vocabulary": 49}, 4_252_049),  # the paper: about 4.3M
        ({"vocabulary": 10_000}, 54_017_000),  # 54M
        ({"vocabulary": 205, "width": 700, "layers": 5}, 21_252_205),  # about 21.3M
        ({"vocabulary": 205, "width": 700, "layers": 7}, 30_537_005),  # what its text says
    ],
)
def test_it_has_as_many_weights_as_the_papers(changes, count):
    with zeroed():
        model = PredictionNetwork(**changes)
        model.build()
    assert sum(int(np.prod(each.shape)) for each in model.trainable_variables) == count
    sizes = catalog.entry("graves2013").sizes.values()
    assert count in [each.params for each in sizes] + [30_537_005]


def test_names_of_weights_are_a_format():
    """A bundle is keyed by these names: changing one breaks every bundle that is out there."""
    parts = ("bias", "embeddings", "kernel", "peepholes", "recurrent_kernel")
    assert list(weights.variables(tiny(layers=2))) == [
        *[f"lstm_layers.0.{part}" for part in parts if part != "kernel"],
        *[f"lstm_layers.1.{part}" for part in parts],
        "softmax.bias",
        "softmax.kernel",
    ]


def test_what_training_begins_with():
    """Matrices in +-1/sqrt(width), biases at zero but one at the forget gate, no peepholes."""
    keras.utils.set_random_seed(3)
    model = PredictionNetwork(vocabulary=60, width=25, layers=2)
    model.build()
    matrices = {}
    for name, array in weights.arrays(model).items():
        if name.endswith("bias"):
            forget = array[25:50] if "lstm" in name else np.ones(1)
            assert (forget == 1).all()
            assert array.sum() == (25 if "lstm" in name else 0)
        elif name.endswith("peepholes"):
            assert not array.any()
        else:
            bound = (50 if "softmax" in name else 25) ** -0.5
            assert 0.9 * bound < np.abs(array).max() <= bound, name
            assert array.std() == pytest.approx(bound / np.sqrt(3), rel=0.1), name
            matrices[name] = array
    kernels = [matrices[f"lstm_layers.1.{name}"] for name in ("kernel", "recurrent_kernel")]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.1  # not one draw for both


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"layers": 0}, "layers is 0"),
        ({"null_id": 13}, "null_id is 13"),
        ({"clip": 0.0}, "clip is 0.0"),
        ({"mean_of": 0.5}, "mean_of is 0.5"),
        ({"weight_noise": -0.1}, "weight_noise is -0.1"),
    ],
)
def test_arguments_without_a_meaning_are_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        tiny(**wrong)


# What it computes, in plain NumPy


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Plain:
    """The paper's equations and their derivatives, in float64, one symbol after the other."""

    def __init__(self, arrays: dict[str, np.ndarray], null_id: int | None, clip: float) -> None:
        self.w = {name: array.astype("float64") for name, array in arrays.items()}
        self.null_id, self.clip = null_id, clip

    def layer(self, n: int) -> dict[str, np.ndarray]:
        start = f"lstm_layers.{n}."
        return {
            name.removeprefix(start): array
            for name, array in self.w.items()
            if name.startswith(start)
        }

    def forward(self, tokens: np.ndarray) -> np.ndarray:
        """Return logits [batch, time, vocabulary]; keep all that `gradients` needs."""
        batch, time = tokens.shape
        h = np.zeros((LAYERS, batch, WIDTH))
        c = np.zeros((LAYERS, batch, WIDTH))
        self.tokens, self.kept, logits = tokens, [], []
        for t in range(time):
            step, below = [], None
            for n in range(LAYERS):
                w = self.layer(n)
                x = np.eye(len(w["embeddings"]))[tokens[:, t]]  # one-hot
                if self.null_id is not None:
                    x[tokens[:, t] == self.null_id] = 0
                z = x @ w["embeddings"] + h[n] @ w["recurrent_kernel"] + w["bias"]
                if n:
                    z = z + below @ w["kernel"]
                i, f, g, o = np.split(z, 4, axis=-1)
                p_i, p_f, p_o = w["peepholes"]
                i, f, g = sigmoid(i + p_i * c[n]), sigmoid(f + p_f * c[n]), np.tanh(g)
                new = f * c[n] + i * g
                o = sigmoid(o + p_o * new)
                step.append((x, below, h[n].copy(), c[n].copy(), i, f, g, o, new))
                c[n], h[n] = new, o * np.tanh(new)
                below = h[n].copy()
            self.kept.append((step, np.concatenate(h, axis=-1)))
            logits.append(self.kept[-1][1] @ self.w["softmax.kernel"] + self.w["softmax.bias"])
        return np.stack(logits, axis=1)

    def gradients(self, tokens: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Return those of the cross-entropy summed over time and averaged over rows."""
        logits = self.forward(tokens)
        y = np.exp(logits - logits.max(-1, keepdims=True))
        dy = y / y.sum(-1, keepdims=True) - np.eye(y.shape[-1])[labels]
        dy /= len(tokens)
        found = {name: np.zeros_like(array) for name, array in self.w.items()}
        dh = np.zeros((LAYERS, len(tokens), WIDTH))  # of what the next time step reads
        dc = np.zeros_like(dh)
        self.largest = 0.0
        for t in reversed(range(tokens.shape[1])):
            step, hidden = self.kept[t]
            found["softmax.kernel"] += hidden.T @ dy[:, t]
            found["softmax.bias"] += dy[:, t].sum(0)
            above = np.split(dy[:, t] @ self.w["softmax.kernel"].T, LAYERS, axis=-1)
            down = 0.0
            for n in reversed(range(LAYERS)):
                w, start = self.layer(n), f"lstm_layers.{n}."
                x, below, h, c, i, f, g, o, new = step[n]
                p_i, p_f, p_o = w["peepholes"]
                total = dh[n] + above[n] + down
                do = self.cut(total * np.tanh(new) * o * (1 - o))
                dnew = dc[n] + total * o * (1 - np.tanh(new) ** 2) + do * p_o
                di = self.cut(dnew * g * i * (1 - i))
                df = self.cut(dnew * c * f * (1 - f))
                dg = self.cut(dnew * i * (1 - g**2))
                dz = np.concatenate([di, df, dg, do], axis=-1)
                found[f"{start}embeddings"] += x.T @ dz
                found[f"{start}recurrent_kernel"] += h.T @ dz
                found[f"{start}bias"] += dz.sum(0)
                found[f"{start}peepholes"] += np.stack(
                    [(di * c).sum(0), (df * c).sum(0), (do * new).sum(0)]
                )
                down = 0.0
                if n:
                    found[f"{start}kernel"] += below.T @ dz
                    down = dz @ w["kernel"].T
                dh[n] = dz @ w["recurrent_kernel"].T
                dc[n] = dnew * f + di * p_i + df * p_f
        return found

    def cut(self, derivative: np.ndarray) -> np.ndarray:
        self.largest = max(self.largest, np.abs(derivative).max())
        return np.clip(derivative, -self.clip, self.clip)


def read(model: PredictionNetwork, tokens: np.ndarray, training: bool = False) -> np.ndarray:
    """Return logits by the model, compiled on all backends."""
    return numbers(compiling.run(_logits, model, training, {"tokens": tokens}))


def _logits(model, training, arrays):
    return model(arrays["tokens"], training=training)


def gradients(
    model: PredictionNetwork, tokens, labels, dtype: str = "float32", jit: bool = False
) -> dict[str, np.ndarray]:
    """Return the gradients of a step in training: what SGD at rate 1 takes off the weights.

    The loss is the sum over time, averaged over rows.

    Args:
        dtype: policy of the computation.
        jit: whether XLA compiles the step.
    """
    copied = PredictionNetwork(**vars(model.arguments), dtype=dtype)
    copied.build()
    before = weights.arrays(model)
    for name, variable in weights.variables(copied).items():
        variable.assign(before[name])
    for mine, theirs in zip(_layers(copied), _layers(model), strict=True):
        if "drawn" in vars(theirs):
            object.__setattr__(mine, "drawn", vars(theirs)["drawn"])
    copied.compile(
        optimizer=keras.optimizers.SGD(1.0), loss=LabelSmoothedCrossEntropy(0.0, -1, "sentence"),
        jit_compile=jit,
    )  # fmt: skip
    copied.train_on_batch(tokens, labels)
    return {name: before[name] - after for name, after in weights.arrays(copied).items()}


def _layers(model: PredictionNetwork) -> list:
    return [*model.lstm_layers, model.softmax]


@pytest.mark.parametrize("null_id", [3, None])
@pytest.mark.parametrize("many", VOCABULARIES)
def test_logits_are_the_equations(many, null_id):
    model = tiny(vocabulary=VOCABULARIES[many], null_id=null_id)
    expected = Plain(weights.arrays(model), null_id, 1.0).forward(SMALL[0])
    np.testing.assert_allclose(read(model, SMALL[0]), expected, atol=1e-5)


@pytest.mark.parametrize("clip", [1e9, 0.02])
@pytest.mark.parametrize("many", VOCABULARIES)
def test_gradients_are_those_of_plain_backpropagation_through_time(many, clip):
    """With derivatives clipped where they enter a gate, and without."""
    model = tiny(vocabulary=VOCABULARIES[many], clip=clip)
    plain = Plain(weights.arrays(model), 3, clip)
    expected = plain.gradients(*SMALL)
    assert plain.largest > 0.1
    found = gradients(model, *SMALL)
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, atol=2e-5, err_msg=name)
        assert np.abs(gradient).max() > 1e-3, name
    if clip < 1:
        free = Plain(weights.arrays(model), 3, 1e9).gradients(*SMALL)
        for name, gradient in expected.items():
            if "lstm" in name:
                assert np.abs(gradient - free[name]).max() > 1e-2, name


def test_no_clipping_is_a_bound_that_nothing_reaches():
    free, bound = gradients(tiny(clip=None), *SMALL), gradients(tiny(clip=1e9), *SMALL)
    for name, gradient in free.items():
        np.testing.assert_allclose(gradient, bound[name], atol=1e-6, err_msg=name)


def test_the_bound_is_divided_as_the_loss_is_in_training_alone():
    """So that dynamic evaluation, which takes a sum, clips as the paper does."""
    divided, whole = tiny(clip=0.08, mean_of=4), tiny(clip=0.02)
    expected = gradients(whole, *SMALL)
    for name, gradient in gradients(divided, *SMALL).items():
        np.testing.assert_array_equal(gradient, expected[name], err_msg=name)
    arrays = {"tokens": SMALL[0], "labels": SMALL[1]}
    for bound, same in ((0.08, True), (0.02, False)):
        _, found = compiling.descend(_summed, divided, None, 1.0, arrays)
        _, learned = compiling.descend(_summed, tiny(clip=bound), None, 1.0, arrays)
        apart = max(
            np.abs(numbers(a) - numbers(b)).max() for a, b in zip(found, learned, strict=True)
        )
        assert (apart < 1e-5) == same


def _summed(model, options, arrays):
    loss = LabelSmoothedCrossEntropy(0.0, -1, "sentence")(arrays["labels"], model(arrays["tokens"]))
    return loss, loss


def test_a_null_input_is_no_symbol():
    """Its row of each table changes nothing and learns nothing."""
    model = tiny()
    expected = read(model, SMALL[0])
    for layer in model.lstm_layers:
        table = numbers(layer.embeddings).copy()
        table[3] += 5.0
        layer.embeddings.assign(table)
    np.testing.assert_array_equal(read(model, SMALL[0]), expected)
    found = gradients(model, *SMALL)
    for n in range(LAYERS):
        gradient = found[f"lstm_layers.{n}.embeddings"]
        assert not gradient[3].any()
        assert gradient[5].all()
    other = tiny(null_id=5)
    assert np.abs(read(other, SMALL[0])[:, 3:] - expected[:, 3:]).max() > 1e-2


def test_the_input_reaches_every_layer_and_every_layer_the_output():
    """Of three layers, with one path left open at a time."""
    for n in range(LAYERS):
        model = tiny()
        for m, layer in enumerate(model.lstm_layers):
            if m != n:
                layer.embeddings.assign(np.zeros(layer.embeddings.shape))
            if m:
                layer.kernel.assign(np.zeros(layer.kernel.shape))
        kernel = numbers(model.softmax.kernel).copy()
        kernel[: n * WIDTH], kernel[(n + 1) * WIDTH :] = 0, 0
        model.softmax.kernel.assign(kernel)
        logits = read(model, SMALL[0])
        changed = SMALL[0].copy()
        changed[:, 2] = 11
        assert (np.abs(read(model, changed) - logits)[:, 2:].max(axis=-1) > 1e-3).all()


# Weight noise


def fixed(model: PredictionNetwork, scale: float, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Let a model draw the same noise at each call, one for each shape; return it by weight.

    Of a large vocabulary the noise is drawn by places, and a symbol takes that of its last one.
    """
    drawn: dict[tuple, np.ndarray] = {}

    def draw(shape):
        shape = tuple(shape)
        if shape not in drawn:
            random = np.random.default_rng([*shape])
            drawn[shape] = random.normal(scale=scale, size=shape).astype("float32")
        return ops.convert_to_tensor(drawn[shape])

    for layer in _layers(model):
        object.__setattr__(layer, "drawn", draw)
    found = {}
    ids = tokens.T.reshape(-1)
    for name, each in weights.variables(model).items():
        found[name] = ops.convert_to_numpy(draw(each.shape))
        if name.endswith("embeddings") and len(found[name]) > len(ids):
            places = ops.convert_to_numpy(draw((len(ids), each.shape[1])))
            found[name] = np.zeros_like(found[name])
            for place, symbol in enumerate(ids):
                found[name][symbol] = places[place]
    return found


@pytest.mark.parametrize("many", VOCABULARIES)
def test_noise_is_on_every_weight_and_gradients_are_those_at_the_noisy_point(many):
    sizes = {"vocabulary": VOCABULARIES[many], "clip": 0.05}
    model = tiny(**sizes, weight_noise=0.3)
    noise = fixed(model, 0.3, SMALL[0])
    moved = tiny(**sizes)
    for name, variable in weights.variables(moved).items():
        variable.assign(numbers(variable) + noise[name])
    np.testing.assert_allclose(
        read(model, SMALL[0], training=True), read(moved, SMALL[0]), atol=1e-5
    )
    expected = Plain(weights.arrays(moved), 3, 0.05).gradients(*SMALL)
    found = gradients(model, *SMALL)
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, atol=2e-5, err_msg=name)


def test_noise_is_drawn_once_for_a_batch_and_anew_for_the_next():
    keras.utils.set_random_seed(5)
    model = tiny(weight_noise=0.3)
    same = np.concatenate([TOKENS[:1], TOKENS[:1]])  # two rows that are equal
    first, second = (numbers(model(same, training=True)) for _ in range(2))
    np.testing.assert_allclose(first[0], first[1], atol=1e-6)
    assert np.abs(first - second).max() > 1e-2
    np.testing.assert_array_equal(numbers(model(same)), numbers(tiny()(same)))


def test_noise_has_the_deviation_that_is_asked_for():
    model = tiny(weight_noise=0.075, width=40)
    for layer in _layers(model):
        drawn = numbers(layer.drawn((200, 100)))
        assert drawn.std() == pytest.approx(0.075, rel=0.03)
        assert abs(drawn.mean()) < 0.003


def test_logits_and_state_are_float32_in_low_precision():
    low, model = tiny(dtype="mixed_bfloat16"), tiny()
    logits, state = low.read(TOKENS, low.initial_state(2))
    types = {keras.backend.standardize_dtype(each.dtype) for each in (logits, *state.values())}
    assert types == {"float32"}
    expected = numbers(model(TOKENS))
    np.testing.assert_allclose(numbers(logits), expected, atol=0.03 * np.abs(expected).max())


@pytest.mark.parametrize("jit", [False, True])
def test_clipping_holds_in_low_precision_and_when_it_is_compiled(jit):
    if jit and keras.backend.backend() == "torch":
        pytest.skip("XLA is not for PyTorch")
    model = tiny(clip=0.02)
    expected, free = (Plain(weights.arrays(model), 3, c).gradients(*SMALL) for c in (0.02, 1e9))
    found = gradients(model, *SMALL, dtype="mixed_bfloat16", jit=jit)
    for name, gradient in expected.items():
        apart = np.abs(found[name] - gradient).max()
        assert apart < 0.03 * np.abs(gradient).max(), name
        if "lstm" in name:
            assert apart < 0.1 * np.abs(free[name] - gradient).max(), name


def test_a_loss_that_is_scaled_is_refused_where_derivatives_are_clipped():
    with pytest.raises(NotSupported, match=r"mixed_float16.*mixed_bfloat16"):
        gradients(tiny(), *SMALL, dtype="mixed_float16")
    assert gradients(tiny(clip=None), *SMALL, dtype="mixed_float16")
