"""The recurrence of an LSTM over a whole sequence, with its own backward pass.

Products with the input are the caller's: they do not depend on the state, and one large product
serves a whole sequence. What is left is a loop over time that holds one product a step. The
backward pass that a backend derives from such a loop adds up the recurrent kernel's gradient step
by step; here the loop keeps the gradients of the gates, and one large product at the end gives the
kernel's.
"""

from __future__ import annotations

import itertools

from keras import ops


def lstm(x, kernel, h, c, mask=None, chunk: int | None = None):
    """Return h_t and c_t at every time, float32 [time, batch, 2 width], h first.

        i, f, o = s(x_t + U h_t-1), each its own quarter; g = tanh(the same)
        c_t     = f * c_t-1 + i * g
        h_t     = o * tanh(c_t)

    Args:
        x: W x_t + b for the gates i, f, g, o side by side: float [time, batch, 4 width].
        kernel: U [width, 4 width]; products with it are computed in its type, all else in float32.
        h, c: the state to begin with, each [batch, width].
        mask: bool [time, batch]; where it is false, the state stays as it is. None is true.
        chunk: gradients do not flow through the state from one chunk of so many steps to the one
            before, the last of which ends at the last step; None lets them flow all the way.
    """
    width = kernel.shape[0]
    x, h, c = (ops.cast(part, "float32") for part in (x, h, c))
    masked, cut = {}, {}
    if mask is not None:
        masked["real"] = ops.cast(mask, "float32")[:, :, None]
    if chunk is not None:
        # The state that a chunk begins with is a constant to it.
        left = ops.shape(x)[0] - ops.arange(ops.shape(x)[0])
        flows = ops.cast(left % chunk != 0, "float32")[:, None, None]
        cut["flows"] = flows * ops.ones_like(x[:, :, :1])

    def product(left, right):
        return ops.cast(ops.matmul(ops.cast(left, kernel.dtype), right), "float32")

    def parts(joined, count):
        return [joined[..., n * width : (n + 1) * width] for n in range(count)]

    # Keras scans give one array a step, of the state's own shape: all that a step makes is state.
    @ops.custom_gradient
    def run(x, kernel, h, c):
        def forward(state, inputs):
            h, c = parts(state, 2)
            i, f, g, o = _activated(inputs["x"] + product(h, kernel), width)
            new_c = f * c + i * g
            new_h = o * ops.tanh(new_c)
            if "real" in inputs:
                real = inputs["real"]
                new_h, new_c = (
                    real * new + (1.0 - real) * old for new, old in ((new_h, h), (new_c, c))
                )
            state = ops.concatenate([new_h, new_c, i, f, g, o], axis=-1)
            return state, state

        begin = ops.pad(ops.concatenate([h, c], axis=-1), [[0, 0], [0, 4 * width]])
        _, states = _scan(forward, begin, {"x": x, **masked})  # [time, batch, 6 width]

        def gradient(*args, upstream=None):
            given = ops.cast(args[0] if upstream is None else upstream, "float32")
            before = ops.concatenate([begin[None], states[:-1]], axis=0)[:, :, : 2 * width]
            back = ops.transpose(kernel)

            def backward(state, inputs):
                dh, dc = parts(state[:, : 2 * width] + inputs["given"], 2)
                _, after, i, f, g, o = parts(inputs["states"], 6)
                stay = 0.0
                if "real" in inputs:
                    real = inputs["real"]
                    stay = (1.0 - real) * ops.concatenate([dh, dc], axis=-1)
                    dh, dc = real * dh, real * dc
                t = ops.tanh(after)
                dc = dc + dh * o * (1.0 - t * t)
                dgates = ops.concatenate(
                    [
                        dc * g * i * (1.0 - i),
                        dc * inputs["before"] * f * (1.0 - f),
                        dc * i * (1.0 - g * g),
                        dh * t * o * (1.0 - o),
                    ],
                    axis=-1,
                )
                state = ops.concatenate([product(dgates, back), dc * f], axis=-1) + stay
                if "flows" in inputs:
                    state = state * inputs["flows"]
                state = ops.concatenate([state, dgates], axis=-1)
                return state, state

            inputs = {"given": given, "states": states, "before": before[:, :, width:]}
            last, found = _scan(
                backward, ops.zeros_like(begin), {**inputs, **masked, **cut}, reverse=True
            )
            dgates = found[:, :, 2 * width :]
            flat = ops.reshape(ops.cast(before[:, :, :width], kernel.dtype), (-1, width))
            dkernel = ops.matmul(
                ops.transpose(flat), ops.reshape(ops.cast(dgates, kernel.dtype), (-1, 4 * width))
            )
            return dgates, dkernel, *parts(last, 2)

        return states[:, :, : 2 * width], gradient

    return run(x, kernel, h, c)


def step(x, kernel, h, c):
    """Return h_t and c_t, each [batch, width], for one x [batch, 4 width]; see `lstm`."""
    width = kernel.shape[0]
    product = ops.matmul(ops.cast(h, kernel.dtype), kernel)
    i, f, g, o = _activated(ops.cast(x, "float32") + ops.cast(product, "float32"), width)
    c = f * c + i * g
    return o * ops.tanh(c), c


def _scan(step, begin, inputs: dict, reverse: bool = False):
    """As `ops.scan` does, run step(state, inputs) over time, the first axis of all inputs.

    Where the time is not known, as on TensorFlow once batches of two lengths were seen, Keras
    (3.15) fails on more inputs than one: they go in side by side.
    """
    if len(inputs) == 1 or all(each.shape[0] is not None for each in inputs.values()):
        return ops.scan(step, begin, inputs, reverse=reverse)
    ends = list(itertools.accumulate(each.shape[-1] for each in inputs.values()))

    def joined(state, row):
        parts = (row[:, a:b] for a, b in zip([0, *ends], ends, strict=False))
        return step(state, dict(zip(inputs, parts, strict=True)))

    row = ops.concatenate(list(inputs.values()), axis=-1)
    return ops.scan(joined, begin, row, reverse=reverse)


def _activated(gates, width: int):
    """Return i, f, g, o of gates [batch, 4 width]."""
    i, f, g, o = (gates[:, n * width : (n + 1) * width] for n in range(4))
    return ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
