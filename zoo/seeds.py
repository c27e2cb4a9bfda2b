"""Random numbers of models and runs; the caller's random states stay as they are.

Keras draws the first weights and the seeds of dropout from Python's `random` when it builds a
layer. Dropout itself draws from the seed generators of the model, but on PyTorch from PyTorch's own
generator. `keras.utils.set_random_seed` would set these two, and NumPy's and TensorFlow's, which
nothing here uses, for the whole process.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator


@contextlib.contextmanager
def building(seed: int | None = None) -> Iterator[None]:
    """Build models inside the block with weights drawn from a seed, None for any.

    Afterwards Python's random state is what it was before.
    """
    state = random.getstate()
    if seed is not None:
        random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def training() -> Iterator[None]:
    """Train inside the block; afterwards PyTorch's random states are what they were before."""
    import keras

    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    with torch.random.fork_rng(range(torch.cuda.device_count())):
        yield


def dropout(seed: int) -> None:
    """Let dropout draw from a seed, in a block of `training`; only PyTorch needs to be told."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)
