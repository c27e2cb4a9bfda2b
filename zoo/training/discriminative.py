"""Discriminative rates and gradual unfreezing (ulmfit2018, sections 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops


@keras.saving.register_keras_serializable("paperzoo")
class DiscriminativeAdam(keras.optimizers.Adam):
    """Adam whose rate falls from group to group of layers towards the input.

    The group k places below the last one is updated with rate / factor^k; with `unfreeze_every`,
    with a rate of zero during the first k * unfreeze_every updates. The rate scales the update:
    Adam would cancel a factor on the gradient. Which groups are frozen follows from the optimizer's
    count of updates, so nothing is compiled again when the next one thaws and a resumed run goes on
    alike. Moments of a frozen group are kept up to date.

    Args:
        groups: variables of each group, from the input to the output.
        factor: 2.6 in the paper; 1 for one rate.
        unfreeze_every: updates between two thaws; None trains all groups from the first update on.
        learning_rate, beta_1, beta_2, epsilon, global_clipnorm: as in Keras.
        weight_decay: as in Keras, with the rate of the group.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[keras.Variable]],
        factor: float = 1.0,
        unfreeze_every: int | None = None,
        *,
        learning_rate=0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        global_clipnorm: float | None = None,
        weight_decay: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon,
            global_clipnorm=global_clipnorm,
        )  # fmt: skip
        # Not Keras' own: that would decay all groups by one rate, frozen ones too.
        self.decay = weight_decay
        self.factor = factor
        self.unfreeze_every = unfreeze_every
        self.depths = {
            id(variable): len(groups) - 1 - i
            for i, group in enumerate(groups)
            for variable in group
        }

    def build(self, variables) -> None:
        super().build(variables)
        self.depth_of = [self.depths[id(variable)] for variable in variables]

    def share(self, depth: int):
        """Return what the rate of the group so many places below the last one is multiplied by."""
        share = self.factor**-depth
        if self.unfreeze_every is None or depth == 0:
            return share
        thawed = ops.cast(self.iterations, "int32") >= depth * self.unfreeze_every
        return ops.cast(thawed, "float32") * share

    def update_step(self, gradient, variable, learning_rate) -> None:
        rate = learning_rate * self.share(self.depth_of[self._get_variable_index(variable)])
        if self.decay is not None:
            self.assign_sub(variable, variable * ops.cast(self.decay * rate, variable.dtype))
        super().update_step(gradient, variable, rate)
