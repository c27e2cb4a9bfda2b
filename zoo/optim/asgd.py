"""NT-ASGD: SGD that averages its weights once an epoch stops helping (merity2017, section 3)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import keras
from keras import ops


@keras.saving.register_keras_serializable("paperzoo")
class ASGD(keras.optimizers.SGD):
    """SGD that also holds the mean of the weights since `begin`.

    Steps are those of plain SGD; validation and the final model use the mean,
    x~ <- x~ + (x - x~) / k at the k-th step since `begin`. Args: see `keras.optimizers.SGD`.
    """

    def build(self, variables) -> None:
        if self.built:
            return
        super().build(variables)
        # Number of steps before the first averaged one; while it is huge, no step counts.
        self.before = self.add_variable(shape=(), dtype="int32", name="before")
        self.before.assign(2**31 - 1)
        self.means = [
            self.add_variable_from_reference(variable, name="mean", initializer=_equal(variable))
            for variable in variables
        ]

    @property
    def averages(self) -> bool:
        """Whether `begin` was called."""
        return int(ops.convert_to_numpy(self.before)) < 2**31 - 1

    def begin(self) -> None:
        """Average from the next step on."""
        # Through NumPy: on JAX both would share one array, and updates would fail.
        self.before.assign(ops.convert_to_numpy(self.iterations).astype("int32"))

    def update_step(self, gradient, variable, learning_rate) -> None:
        super().update_step(gradient, variable, learning_rate)
        mean = self.means[self._get_variable_index(variable)]
        count = ops.cast(self.iterations, "int32") - self.before + 1
        share = 1.0 / ops.cast(ops.maximum(count, 1), "float32")
        old = ops.convert_to_tensor(mean)
        new = ops.cast(ops.convert_to_tensor(variable), "float32")
        self.assign(mean, old + (new - old) * ops.cast(share, old.dtype))

    @contextlib.contextmanager
    def swapped(self, variables: Sequence[keras.Variable]) -> Iterator[None]:
        """Give the model its mean weights while the block runs, if `begin` was called."""
        if not self.averages:
            yield
            return
        kept = [ops.convert_to_numpy(variable).copy() for variable in variables]
        for variable, mean in zip(variables, self.means, strict=True):
            variable.assign(mean)
        try:
            yield
        finally:
            for variable, value in zip(variables, kept, strict=True):
                variable.assign(value)


def stalled(losses: Sequence[float], nonmonotone: int) -> bool:
    """Return whether to begin averaging after the epoch of the last validation loss.

    True once more than `nonmonotone` losses precede the last one and it is worse than the best of
    these without their latest `nonmonotone` (merity2017, algorithm 1).
    """
    earlier = losses[:-1]
    return len(earlier) > nonmonotone and losses[-1] > min(earlier[:-nonmonotone])


def _equal(variable: keras.Variable):
    """Return an initializer that copies a value: JAX and PyTorch would share it otherwise."""
    return lambda shape, dtype=None: ops.copy(ops.cast(ops.convert_to_tensor(variable), dtype))
