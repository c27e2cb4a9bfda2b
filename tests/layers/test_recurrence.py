"""The LSTM's own backward pass against PyTorch's autograd: masks, peepholes, cuts, clipping."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers import recurrence

torch = pytest.importorskip("torch")

TIME, BATCH, WIDTH = 7, 3, 5
NAMES = ("x", "kernel", "h", "c", "peepholes")


def drawn() -> tuple[list[np.ndarray], np.ndarray]:
    """Return what `NAMES` names, and what the sum that is differentiated weighs the outputs by."""
    random = np.random.default_rng(0)
    shapes = [(TIME, BATCH, 4 * WIDTH), (WIDTH, 4 * WIDTH), (BATCH, WIDTH), (BATCH, WIDTH)]
    arrays = [random.normal(size=shape).astype("float32") for shape in shapes]
    arrays[1] *= 0.5
    arrays.append(np.random.default_rng(2).normal(size=(3, WIDTH)).astype("float32"))
    return arrays, random.normal(size=(TIME, BATCH, 2 * WIDTH)).astype("float32")


ARRAYS, SCALE = drawn()
PEEPHOLES = {"peepholes": True}
MASK = np.random.default_rng(1).random((TIME, BATCH)) > 0.3
assert not MASK[0].all()
assert not MASK[-1].all()


def given(peepholes: bool) -> list[np.ndarray]:
    return ARRAYS[: 5 if peepholes else 4]


class Clip(torch.autograd.Function):
    """The identity, whose gradient is clipped."""

    @staticmethod
    def forward(context, x, limit):
        context.limit = limit
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient.clamp(-context.limit, context.limit), None


def by_autograd(
    mask, chunk, scale=SCALE, peepholes=False, clip=None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Outputs and gradients by PyTorch, a step of the docstring's formulas after the other."""
    leaves = [torch.tensor(each, requires_grad=True) for each in given(peepholes)]
    x, kernel, h, c = leaves[:4]
    p_i, p_f, p_o = leaves[4] if peepholes else torch.zeros(3, WIDTH)

    def clipped(gate):
        return gate if clip is None else Clip.apply(gate, clip)

    states = []
    for t in range(TIME):
        if chunk is not None and (TIME - t) % chunk == 0:
            h, c = h.detach(), c.detach()
        i, f, g, o = (x[t] + h @ kernel).chunk(4, dim=-1)
        i, f, g = clipped(i + p_i * c), clipped(f + p_f * c), clipped(g)
        new_c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        new_h = clipped(o + p_o * new_c).sigmoid() * new_c.tanh()
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
    mask, chunk, scale=SCALE, dtype="float32", known=True, peepholes=False, clip=None, jit=None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Outputs and gradients by `lstm`, compiled where the backend compiles."""
    backend = keras.backend.backend()
    leaves = given(peepholes)
    count = len(leaves)
    if mask is not None:
        leaves.append(mask)

    def run(x, kernel, h, c, *more):
        return recurrence.lstm(
            x, ops.cast(kernel, dtype), h, c, mask=None if mask is None else more[-1],
            chunk=chunk, peepholes=more[0] if peepholes else None, clip=clip,
        )  # fmt: skip

    if backend == "jax":
        import jax

        def total(*given):
            found = run(*given)
            return (found * scale).sum(), found

        both = jax.jit(jax.value_and_grad(total, argnums=tuple(range(count)), has_aux=True))
        (_, found), gradients = both(*leaves)
    elif backend == "tensorflow":
        import tensorflow

        shapes = [each.shape if known else [None, *each.shape[1:]] for each in leaves]
        shapes[1:count] = [each.shape for each in leaves[1:count]]  # only time is ever unknown
        types = [
            tensorflow.TensorSpec(shape, each.dtype)
            for shape, each in zip(shapes, leaves, strict=True)
        ]

        @tensorflow.function(input_signature=types, jit_compile=jit)
        def both(*given):
            with tensorflow.GradientTape() as tape:
                tape.watch(given[:count])
                found = run(*given)
                total = tensorflow.reduce_sum(found * scale)
            return found, tape.gradient(total, given[:count])

        found, gradients = both(*map(tensorflow.constant, leaves))
    else:
        tensors = [torch.tensor(each, requires_grad=each.dtype != bool) for each in leaves]
        found = run(*tensors)
        (found * torch.tensor(scale)).sum().backward()
        gradients = [each.grad for each in tensors[:count]]
        found = found.detach()
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    return ops.convert_to_numpy(found), [ops.convert_to_numpy(each) for each in gradients]


@pytest.mark.parametrize("chunk", [None, 3])
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
@pytest.mark.parametrize(
    "options", [{}, PEEPHOLES, {"clip": 0.2}, PEEPHOLES | {"clip": 0.2}], ids="-".join
)
def test_outputs_and_gradients_are_autograds(mask, chunk, options):
    expected, gradients = by_autograd(mask, chunk, **options)
    found, ours = by_ours(mask, chunk, **options)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    for name, mine, theirs in zip(NAMES, ours, gradients, strict=False):
        assert mine.shape == theirs.shape, name
        np.testing.assert_allclose(mine, theirs, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("options", [{}, PEEPHOLES], ids="-".join)
def test_clipping_changes_gradients_and_no_outputs(options):
    whole, free = by_ours(None, None, **options)
    found, clipped = by_ours(None, None, **options, clip=0.2)
    np.testing.assert_array_equal(found, whole)
    # That of x is that of the sums themselves.
    assert np.abs(free[0]).max() > 0.4
    assert np.abs(clipped[0]).max() == np.float32(0.2)
    for name, mine, theirs in zip(NAMES, clipped, free, strict=False):
        assert np.abs(mine - theirs).max() > 0.05, name
    # Where nothing is large, nothing changes: the last step's output, a hundredth of it.
    small = SCALE * 0.01
    for mine, theirs in zip(
        by_ours(None, None, small, **options)[1],
        by_ours(None, None, small, **options, clip=0.2)[1],
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)


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
@pytest.mark.parametrize("options", [{}, PEEPHOLES | {"clip": 0.2}], ids="-".join)
def test_a_length_that_is_not_known_changes_nothing(mask, options):
    expected, gradients = by_autograd(mask, 3, **options)
    found, ours = by_ours(mask, 3, known=False, **options)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    for name, mine, theirs in zip(NAMES, ours, gradients, strict=False):
        np.testing.assert_allclose(mine, theirs, atol=2e-5, err_msg=name)


def test_nothing_is_read_where_the_mask_is_false():
    found, (x, _, _, _) = by_ours(MASK, None)
    before = np.concatenate([np.concatenate(ARRAYS[2:4], axis=-1)[None], found[:-1]])
    np.testing.assert_array_equal(found[~MASK], before[~MASK])
    assert not x[~MASK].any()


def test_low_precision_is_for_products_alone():
    """Gradients come in the type of what they are of; state and gates stay float32."""
    expected, gradients = by_autograd(None, None)
    found, ours = by_ours(None, None, dtype="bfloat16")
    np.testing.assert_allclose(found, expected, atol=0.03)
    for name, mine, theirs in zip(NAMES, ours, gradients, strict=False):
        assert mine.dtype == "float32", name
        np.testing.assert_allclose(mine, theirs, atol=0.03 * np.abs(theirs).max(), err_msg=name)


def test_derivatives_are_clipped_in_float32_around_products_in_low_precision():
    """Compiled by XLA where the backend has it."""
    options = {**PEEPHOLES, "clip": 0.2}
    _, gradients = by_autograd(None, None, **options)
    _, ours = by_ours(None, None, dtype="bfloat16", jit=True, **options)
    assert np.abs(ours[0]).max() == np.float32(0.2)  # which bfloat16 does not have
    for name, mine, theirs in zip(NAMES, ours, gradients, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=0.03 * np.abs(theirs).max(), err_msg=name)


@pytest.mark.parametrize("options", [{}, PEEPHOLES], ids="-".join)
def test_steps_are_the_loop(options):
    x, kernel, h, c, peepholes = map(ops.convert_to_tensor, ARRAYS)
    expected, _ = by_autograd(None, None, **options)
    for t in range(TIME):
        h, c = recurrence.step(x[t], kernel, h, c, peepholes if options else None)
        found = ops.convert_to_numpy(ops.concatenate([h, c], axis=-1))
        np.testing.assert_allclose(found, expected[t], atol=1e-6)
