"""NT-ASGD: SGD whose weights are averaged from the epoch on that stops to help (merity2017, 3)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import keras
from keras import ops


@keras.saving.register_keras_serializable("paperzoo")
class ASGD(keras.optimizers.SGD):
    """SGD that also holds the mean of the weights since `begin` was called.

    Steps are those of plain SGD all along; the mean, x~ <- x~ + (x - x~) / k at the k-th step since
    then, is what is measured and kept. Takes the arguments of `keras.optimizers.SGD`.
    """

    def build(self, variables) -> None:
        if self.built:
            return
        super().build(variables)
        # The number of steps before the first one that counts; none counts while it is huge.
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
        # By NumPy: on JAX both would be one array, which no update could take.
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
        """Let the model have its mean weights while the block runs, if there are any."""
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
    """Return whether to begin averaging after the epoch with the last of these validation losses.

    True once there are more than `nonmonotone` earlier ones and the last is worse than the best of
    those, the latest `nonmonotone` left out (merity2017, algorithm 1).
    """
    earlier = losses[:-1]
    return len(earlier) > nonmonotone and losses[-1] > min(earlier[:-nonmonotone])


def _equal(variable: keras.Variable):
    """Return an initializer that gives a copy of the variable's value.

    Without the copy, both would be one array on JAX and one parameter on PyTorch.
    """
    return lambda shape, dtype=None: ops.copy(ops.cast(ops.convert_to_tensor(variable), dtype))
