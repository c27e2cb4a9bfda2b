#!/usr/bin/env bash
# TensorFlow 2.21.0: a graph that tf.function traced is freed with its function, but not where the
# function holds a tf.custom_gradient. Each such trace stays in memory until the process ends, with
# everything that its graph refers to: the gradient is registered under a name of its own for each trace,
# and nothing removes the name.
#
# Guessed: both are freed once nothing refers to the function.
# Seen, of five functions each: 0 plain graphs alive, 5 graphs with a custom gradient alive.
# Who traces anew for each model or shape (a server that loads and drops models) grows by a graph each time.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'tensorflow==2.21.0'
cat > "$work/count.py" <<'PYTHON'
import gc
import weakref

import tensorflow as tf


@tf.custom_gradient
def doubled(x):
    return 2.0 * x, lambda upstream: 2.0 * upstream


def alive(body):
    """Trace five functions, drop them, and count the graphs that are still there."""

    def trace():
        function = tf.function(lambda x: body(x))
        return weakref.ref(function.get_concrete_function(tf.TensorSpec([4], tf.float32)).graph)

    graphs = [trace() for _ in range(5)]
    gc.collect()
    return sum(graph() is not None for graph in graphs)


print(tf.__version__, "plain", alive(lambda x: 2.0 * x), "custom gradient", alive(doubled))
PYTHON
seen="$(TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" "$work/count.py" 2>/dev/null)"
echo "$seen"
[ "$seen" = "2.21.0 plain 0 custom gradient 5" ]
