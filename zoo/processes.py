"""Whether this process was forked from one that uses models, where backends hang.

A fork copies memory but no threads. TensorFlow, JAX and PyTorch compute in threads, and a copy of
them may wait for ever for the threads that it lacks.
"""

from __future__ import annotations

import os
import warnings

from zoo.errors import ZooWarning

# The process that first used a model; a forked one has a copy of this number.
_process: int | None = None


def uses_models() -> None:
    """Note that this process uses models; warn, once, if it was forked from one that did."""
    global _process
    before, _process = _process, os.getpid()
    if before not in (None, _process):
        warnings.warn(
            "this process was forked from one that has loaded models, and may wait for ever now: "
            "start processes by 'spawn', as in multiprocessing.get_context('spawn'), or load "
            "models only after the fork",
            ZooWarning,
            stacklevel=3,
        )
