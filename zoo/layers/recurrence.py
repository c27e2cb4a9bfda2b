"""The recurrence of an LSTM over a whole sequence, with its own backward pass.

The caller multiplies the input, which does not depend on the state, in one large product for a
whole sequence. The loop over time holds one product a step. A backend's own backward pass would add
up the recurrent kernel's gradient step by step; this one keeps the gradients of the gates and
makes the kernel's of them in one large product at the end.
"""

from __future__ import annotations

import itertools

from keras import ops

from zoo import typed


def lstm(
    x, kernel, h, c, mask=None, chunk: int | None = None, peepholes=None, clip: float | None = None
):
    """Return h_t and c_t at every time, float32 [time, batch, 2 width], h first.

        i, f, o = s(x_t + U h_t-1), a quarter each; g = tanh(its quarter)
        c_t     = f * c_t-1 + i * g
        h_t     = o * tanh(c_t)

    With peepholes p, i and f also see p_i * c_t-1 and p_f * c_t-1, and o sees p_o * c_t.

    Args:
        x: W x_t + b for the gates i, f, g, o side by side: float [time, batch, 4 width].
        kernel: U [width, 4 width]; its dtype is that of its products, all else is float32.
        h, c: the first state, each [batch, width].
        mask: bool [time, batch]; false keeps the state as it is. None is true everywhere.
        chunk: number of steps in a chunk; gradients do not flow through the state into the
            previous chunk. Chunks count from the last step. None lets gradients flow all the way.
        peepholes: p_i, p_f and p_o, [3, width].
        clip: largest absolute value of a derivative with respect to what a gate's function is
            applied to; all other gradients follow from the clipped ones.
    """
    width = kernel.shape[0]
    x, h, c = (ops.cast(part, "float32") for part in (x, h, c))
    masked, cut = {}, {}
    if mask is not None:
        masked["real"] = ops.cast(mask, "float32")[:, :, None]
    if chunk is not None:
        # A chunk takes its first state as a constant.
        left = ops.shape(x)[0] - typed.arange(ops.shape(x)[0])
        flows = ops.cast(left % chunk != 0, "float32")[:, None, None]
        cut["flows"] = flows * ops.ones_like(x[:, :, :1])

    def product(left, right):
        return ops.cast(ops.matmul(ops.cast(left, kernel.dtype), right), "float32")

    def parts(joined, count):
        return [joined[..., n * width : (n + 1) * width] for n in range(count)]

    def clipped(derivative):
        return derivative if clip is None else ops.clip(derivative, -clip, clip)

    # A Keras scan returns one array of the state's shape per step, so the state holds all outputs.
    @ops.custom_gradient
    def run(x, kernel, h, c, *peepholes):
        p = ops.cast(peepholes[0], "float32") if peepholes else None

        def forward(state, inputs):
            h, c = parts(state, 2)
            i, f, g, o, new_c = _cell(inputs["x"] + product(h, kernel), c, p)
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
            upstream = ops.cast(args[0] if upstream is None else upstream, "float32")
            before = ops.concatenate([begin[None], states[:-1]], axis=0)[:, :, : 2 * width]
            back = ops.transpose(kernel)

            def backward(state, inputs):
                dh, dc = parts(state[:, : 2 * width] + inputs["upstream"], 2)
                _, after, i, f, g, o = parts(inputs["states"], 6)
                stay = 0.0
                if "real" in inputs:
                    real = inputs["real"]
                    stay = (1.0 - real) * ops.concatenate([dh, dc], axis=-1)
                    dh, dc = real * dh, real * dc
                t = ops.tanh(after)
                dc = dc + dh * o * (1.0 - t * t)
                do = clipped(dh * t * o * (1.0 - o))
                if p is not None:
                    dc = dc + p[2] * do
                di = clipped(dc * g * i * (1.0 - i))
                df = clipped(dc * inputs["before"] * f * (1.0 - f))
                dg = clipped(dc * i * (1.0 - g * g))
                dgates = ops.concatenate([di, df, dg, do], axis=-1)
                dc = dc * f
                if p is not None:
                    dc = dc + p[0] * di + p[1] * df
                state = ops.concatenate([product(dgates, back), dc], axis=-1) + stay
                if "flows" in inputs:
                    state = state * inputs["flows"]
                state = ops.concatenate([state, dgates], axis=-1)
                return state, state

            inputs = {"upstream": upstream, "states": states, "before": before[:, :, width:]}
            inputs |= {**masked, **cut}
            last, steps = _scan(backward, ops.zeros_like(begin), inputs, reverse=True)
            dgates = steps[:, :, 2 * width :]
            hidden = ops.reshape(ops.cast(before[:, :, :width], kernel.dtype), (-1, width))
            flat = ops.reshape(ops.cast(dgates, kernel.dtype), (-1, 4 * width))
            found = [dgates, ops.matmul(ops.transpose(hidden), flat), *parts(last, 2)]
            if p is not None:
                di, df, _, do = parts(dgates, 4)
                seen = before[:, :, width:]  # c_t-1
                sums = [ops.sum(a * b, axis=(0, 1)) for a, b in ((di, seen), (df, seen))]
                sums.append(ops.sum(do * states[:, :, width : 2 * width], axis=(0, 1)))
                found.append(ops.cast(ops.stack(sums), peepholes[0].dtype))
            return tuple(found)

        return states[:, :, : 2 * width], gradient

    return run(x, kernel, h, c) if peepholes is None else run(x, kernel, h, c, peepholes)


def step(x, kernel, h, c, peepholes=None):
    """Return h_t and c_t, each [batch, width], for one x [batch, 4 width]; see `lstm`."""
    product = ops.matmul(ops.cast(h, kernel.dtype), kernel)
    gates = ops.cast(x, "float32") + ops.cast(product, "float32")
    p = None if peepholes is None else ops.cast(peepholes, "float32")
    _, _, _, o, c = _cell(gates, c, p)
    return o * ops.tanh(c), c


def _scan(step, begin, inputs: dict, reverse: bool = False):
    """Run step(state, inputs) over time, the first axis of all inputs, as `ops.scan` does.

    Keras (3.15) fails on several inputs of unknown time, as TensorFlow has after batches of two
    lengths: they go in side by side.
    """
    if len(inputs) == 1 or all(leaf.shape[0] is not None for leaf in inputs.values()):
        return ops.scan(step, begin, inputs, reverse=reverse)
    ends = list(itertools.accumulate(leaf.shape[-1] for leaf in inputs.values()))

    def joined(state, row):
        parts = (row[:, a:b] for a, b in zip([0, *ends], ends, strict=False))
        return step(state, dict(zip(inputs, parts, strict=True)))

    row = ops.concatenate(list(inputs.values()), axis=-1)
    return ops.scan(joined, begin, row, reverse=reverse)


def _cell(gates, c, p):
    """Return i, f, g, o and c_t, each [batch, width], of gates [batch, 4 width], c_t-1 and p."""
    width = c.shape[-1]
    i, f, g, o = (gates[:, n * width : (n + 1) * width] for n in range(4))
    if p is not None:
        i, f = i + p[0] * c, f + p[1] * c
    i, f, g = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g)
    c = f * c + i * g
    if p is not None:
        o = o + p[2] * c
    return i, f, g, ops.sigmoid(o), c
