"""Discriminative rates and gradual unfreezing (ulmfit2018, sections 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo import typed
from zoo.errors import NotSupported


@keras.saving.register_keras_serializable("paperzoo")
class DiscriminativeAdam(keras.optimizers.Adam):
    """Adam whose rate falls from group to group of layers towards the input.

    The group k places below the last one has the rate / factor^k; with `unfreeze_every`, zero
    during the first k * unfreeze_every updates. The rate scales the update: Adam would cancel a
    factor on the gradient. The variable `shares`, float32 [groups], holds the factor of each
    group's rate, 0 while it is frozen; so a thaw compiles nothing again and a resumed run continues
    alike. Clipping ignores the gradients of frozen groups; their moments stay up to date.

    Args:
        groups: variables of each group, from input to output; or their places among those that
            `build` gets, as a `.keras` file keeps them.
        factor: 2.6 in the paper; 1 for a single rate.
        unfreeze_every: updates between two thaws; None trains all groups from the first update on.
        learning_rate, beta_1, beta_2, epsilon, global_clipnorm: as in Keras.
        weight_decay: as in Keras, with the rate of the group.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[keras.Variable | int]],
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
        super().__init__(learning_rate, beta_1, beta_2, epsilon)
        # Keras' own clipping would count frozen groups; its decay has one rate for all groups.
        self.clip = global_clipnorm
        self.decay = weight_decay
        self.factor = factor
        self.unfreeze_every = unfreeze_every
        # Variables compare by value, so they are found by identity.
        self.groups = {
            member if isinstance(member, int) else id(member): number
            for number, group in enumerate(groups)
            for member in group
        }
        self.depths = np.arange(len(groups))[::-1].copy()  # places below the last group

    def build(self, variables) -> None:
        if self.built:
            return
        super().build(variables)
        self.group_of = [
            self.groups[place] if place in self.groups else self.groups[id(variable)]
            for place, variable in enumerate(variables)
        ]
        self.shares = self.add_variable(
            shape=self.depths.shape, initializer="zeros", dtype="float32", name="shares"
        )
        self.shares.assign(self._shares())

    def get_config(self) -> dict[str, Any]:
        if not self.built:
            raise NotSupported(
                "an optimizer with groups of layers that has not trained cannot be saved",
                "train a step before `save`, or compile the model without it",
            )
        numbers = np.asarray(self.group_of)
        config = super().get_config()
        taken = ("learning_rate", "beta_1", "beta_2", "epsilon")
        return {
            **{key: config[key] for key in taken},
            "groups": [np.flatnonzero(numbers == i).tolist() for i in range(len(self.depths))],
            "factor": self.factor,
            "unfreeze_every": self.unfreeze_every,
            "global_clipnorm": self.clip,
            "weight_decay": self.decay,
        }

    def _shares(self):
        """Return the factors of all groups' rates in the coming update."""
        factors = self.factor ** -self.depths.astype(float)
        shares = ops.convert_to_tensor(factors.astype("float32"))
        if self.unfreeze_every is None:
            return shares
        begins = ops.convert_to_tensor((self.depths * self.unfreeze_every).astype("int32"))
        thawed = ops.cast(self.iterations, "int32") >= begins
        return typed.where(thawed, shares, 0.0)

    def apply(self, grads, trainable_variables=None) -> None:
        """Update the weights that the optimizer was built for."""
        if not self.built:
            self.build(list(trainable_variables))
        self.shares.assign(self._shares())
        super().apply(self._clipped(list(grads)), trainable_variables)

    def _clipped(self, gradients: list) -> list:
        """Scale all gradients so that the norm of those in training is at most `clip`."""
        if self.clip is None:
            return gradients
        in_training = ops.cast(ops.convert_to_tensor(self.shares) > 0, "float32")
        squares = [
            in_training[group] * ops.sum(ops.square(ops.cast(gradient, "float32")))
            for group, gradient in zip(self.group_of, gradients, strict=True)
        ]
        norm = ops.sqrt(ops.sum(ops.stack(squares)))
        factor = self.clip / ops.maximum(norm, self.clip)
        return [gradient * ops.cast(factor, gradient.dtype) for gradient in gradients]

    def update_step(self, gradient, variable, learning_rate) -> None:
        group = self.group_of[self._get_variable_index(variable)]
        rate = learning_rate * ops.convert_to_tensor(self.shares)[group]
        if self.decay is not None:
            self.assign_sub(variable, variable * ops.cast(self.decay * rate, variable.dtype))
        super().update_step(gradient, variable, rate)
