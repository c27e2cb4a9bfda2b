"""BERT's Adam and ALBERT's LAMB, as in the papers' code: no mean's bias is corrected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("paperzoo")
class BertAdam(keras.optimizers.Adam):
    """Adam whose means keep their bias towards zero (bert2018's AdamWeightDecayOptimizer).

    m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2; w <- w - rate (m / (sqrt(v) + epsilon) +
    decay w). Keras' Adam divides m and v by 1 - b1^t and 1 - b2^t. Args: see
    `keras.optimizers.Adam`; its decay is as here.
    """

    def update_step(self, gradient, variable, learning_rate) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        self.assign_sub(variable, rate * self.change(gradient, variable))

    def change(self, gradient, variable):
        """Return m / (sqrt(v) + epsilon) after the gradient has entered both means."""
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        gradient = ops.cast(gradient, variable.dtype)
        self.assign(m, m + (gradient - m) * (1 - self.beta_1))
        self.assign(v, v + (ops.square(gradient) - v) * (1 - self.beta_2))
        return ops.divide(m, ops.sqrt(v) + self.epsilon)


@keras.saving.register_keras_serializable("paperzoo")
class Lamb(BertAdam):
    """LAMB (You et al., ICLR 2020, https://arxiv.org/abs/1904.00962, algorithm 2), as in ALBERT's
    code.

    r = m / (sqrt(v) + epsilon) + decay w; w <- w - rate |w| / |r| r, with the norms of a whole
    variable, and 1 in place of |w| / |r| where either is 0. Variables that do not decay, biases and
    gains, have 1 too. As in the code, m and v keep their bias, which the algorithm corrects, and
    |w| has no bounds. `keras.optimizers.Lamb` corrects the bias, and its decay is no part of r.

    Args:
        learning_rate, beta_1, beta_2, epsilon, global_clipnorm: as in Keras.
        weight_decay: share of a weight in r; None is 0.
        plain: places, among the variables of `build`, of those that do not decay; see
            `exclude_from_weight_decay`.
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        global_clipnorm: float | None = None,
        weight_decay: float | None = None,
        plain: Sequence[int] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, global_clipnorm=global_clipnorm, **kwargs
        )
        self.decay = weight_decay  # Keras' own would leave it out of r
        self.plain = list(plain)
        self.excluded: frozenset[int] = frozenset()  # variables compare by value: their identities

    def exclude_from_weight_decay(self, var_list=None, var_names=None) -> None:
        """Leave variables without decay and with their plain rate; before `build`."""
        super().exclude_from_weight_decay(var_list, var_names)
        self.excluded = frozenset(map(id, var_list or ()))

    def build(self, variables) -> None:
        if self.built:
            return
        super().build(variables)
        if self.excluded:
            self.plain = [i for i, each in enumerate(variables) if id(each) in self.excluded]

    def update_step(self, gradient, variable, learning_rate) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        change = self.change(gradient, variable)
        if self._get_variable_index(variable) not in self.plain:
            weight = ops.convert_to_tensor(variable)
            change = change + (self.decay or 0.0) * weight
            norms = [ops.sqrt(ops.sum(ops.square(each))) for each in (weight, change)]
            both = ops.logical_and(norms[0] > 0, norms[1] > 0)
            safe = ops.where(both, norms[1], ops.ones_like(norms[1]))
            change = change * ops.where(both, norms[0] / safe, ops.ones_like(safe))
        self.assign_sub(variable, rate * change)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config | {"weight_decay": self.decay, "plain": self.plain}
