"""The LSTM's own backward pass against PyTorch's autograd: masks, and gradients that are cut."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers import recurrence

torch = pytest.importorskip("torch")

TIME, BATCH, WIDTH = 7, 3, 5
NAMES = ("x", "kernel", "h", "c")


def drawn() -> tuple[list[np.ndarray], np.ndarray]:
    """Return x, kernel, h and c, and what the sum that is differentiated weighs the outputs by."""
    random = np.random.default_rng(0)
    shapes = [(TIME, BATCH, 4 * WIDTH), (WIDTH, 4 * WIDTH), (BATCH, WIDTH), (BATCH, WIDTH)]
    arrays = [random.normal(size=shape).astype("float32") for shape in shapes]
    arrays[1] *= 0.5
    return arrays, random.normal(size=(TIME, BATCH, 2 * WIDTH)).astype("float32")


ARRAYS, SCALE = drawn()
MASK = np.random.default_rng(1).random((TIME, BATCH)) > 0.3
assert not MASK[0].all()
assert not MASK[-1].all()


def by_autograd(mask, chunk, scale=SCALE) -> tuple[np.ndarray, list[np.ndarray]]:
    """Outputs and gradients by PyTorch, a step of the docstring's formulas after the other."""
    x, kernel, h, c = leaves = [torch.tensor(each, requires_grad=True) for each in ARRAYS]
    states = []
    for t in range(TIME):
        if chunk is not None and (TIME - t) % chunk == 0:
            h, c = h.detach(), c.detach()
        i, f, g, o = (x[t] + h @ kernel).chunk(4, dim=-1)
        new_c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        new_h = o.sigmoid() * new_c.tanh()
        if mask is not None:
            real = torch.tensor(mask[t])[:, None]
            new_h, new_c = torch.where(real, new_h, h), torch.where(real, new_c, c)
        h, c = new_h, new_c
        states.append(torch.cat([h, c], dim=-1))
    found = torch.stack(states)
    (found * torch.tensor(scale)).sum().backward()
    gradients = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
    return found.detach().numpy(), [each.numpy() for each in gradients]


def by_ours(
    mask, chunk, scale=SCALE, dtype="float32", known=True
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Outputs and gradients by `lstm`, compiled where the backend compiles."""
    backend = keras.backend.backend()
    given = [*ARRAYS] if mask is None else [*ARRAYS, mask]

    def run(x, kernel, h, c, mask=None):
        return recurrence.lstm(x, ops.cast(kernel, dtype), h, c, mask=mask, chunk=chunk)

    if backend == "jax":
        import jax

        def total(*given):
            found = run(*given)
            return (found * scale).sum(), found

        both = jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2, 3), has_aux=True))
        (_, found), gradients = both(*given)
    elif backend == "tensorflow":
        import tensorflow

        shapes = [each.shape if known else [None, *each.shape[1:]] for each in given]
        shapes[1:4] = [each.shape for each in given[1:4]]  # only time is ever unknown
        types = [
            tensorflow.TensorSpec(shape, each.dtype)
            for shape, each in zip(shapes, given, strict=True)
        ]

        @tensorflow.function(input_signature=types)
        def both(*given):
            with tensorflow.GradientTape() as tape:
                tape.watch(given[:4])
                found = run(*given)
                total = tensorflow.reduce_sum(found * scale)
            return found, tape.gradient(total, given[:4])

        found, gradients = both(*map(tensorflow.constant, given))
    else:
        tensors = [torch.tensor(each, requires_grad=each.dtype != bool) for each in given]
        found = run(*tensors)
        (found * torch.tensor(scale)).sum().backward()
        gradients = [each.grad for each in tensors[:4]]
        found = found.detach()
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    return ops.convert_to_numpy(found), [ops.convert_to_numpy(each) for each in gradients]


@pytest.mark.parametrize("chunk", [None, 3])
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_outputs_and_gradients_are_autograds(mask, chunk):
    expected, gradients = by_autograd(mask, chunk)
    found, ours = by_ours(mask, chunk)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    for name, mine, theirs in zip(NAMES, ours, gradients, strict=True):
        assert mine.shape == theirs.shape, name
        np.testing.assert_allclose(mine, theirs, atol=2e-5, err_msg=name)


def test_no_gradient_crosses_the_border_of_a_chunk():
    """Of the last outputs alone. Chunks of 3 are counted from the end: 4 to 6, 1 to 3, and 0."""
    last = SCALE * (np.arange(TIME) == TIME - 1)[:, None, None]
    _, (x, kernel, h, c) = by_ours(None, 3, last)
    assert (np.abs(x[4:]).max(axis=-1) > 0).all()
    assert not x[:4].any()
    assert not h.any()
    assert not c.any()
    assert kernel.any()
    _, (x, _, h, c) = by_ours(None, None, last)
    for each in (*x, h, c):
        assert (np.abs(each).max(axis=-1) > 0).all()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others know every length")
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_a_length_that_is_not_known_changes_nothing(mask):
    expected, gradients = by_autograd(mask, 3)
    found, ours = by_ours(mask, 3, known=False)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    for name, mine, theirs in zip(NAMES, ours, gradients, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-5, err_msg=name)


def test_nothing_is_read_where_the_mask_is_false():
    found, (x, _, _, _) = by_ours(MASK, None)
    before = np.concatenate([np.concatenate(ARRAYS[2:], axis=-1)[None], found[:-1]])
    np.testing.assert_array_equal(found[~MASK], before[~MASK])
    assert not x[~MASK].any()


def test_low_precision_is_for_products_alone():
    """Gradients come in the type of what they are of; state and gates stay float32."""
    expected, gradients = by_autograd(None, None)
    found, ours = by_ours(None, None, dtype="bfloat16")
    np.testing.assert_allclose(found, expected, atol=0.03)
    for name, mine, theirs in zip(NAMES, ours, gradients, strict=True):
        assert mine.dtype == "float32", name
        np.testing.assert_allclose(mine, theirs, atol=0.03 * np.abs(theirs).max(), err_msg=name)


def test_steps_are_the_loop():
    x, kernel, h, c = map(ops.convert_to_tensor, ARRAYS)
    expected, _ = by_autograd(None, None)
    for t in range(TIME):
        h, c = recurrence.step(x[t], kernel, h, c)
        found = ops.convert_to_numpy(ops.concatenate([h, c], axis=-1))
        np.testing.assert_allclose(found, expected[t], atol=1e-6)
