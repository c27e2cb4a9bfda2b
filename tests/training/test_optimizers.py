"""The optimizer is the recipe's, setting for setting, and clips by the global norm."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo import recipe as recipes
from zoo.training.optimizers import optimizer


def changed(**changes) -> recipes.Recipe:
    dotted = {f"optimizer.{key}": value for key, value in changes.items()}
    return recipes.load("vaswani2017-wmt14-en-de").changed(dotted)


def test_the_papers_adam():
    made = optimizer(changed())
    assert isinstance(made, keras.optimizers.Adam)
    assert (made.beta_1, made.beta_2, made.epsilon) == (0.9, 0.98, 1e-9)
    assert made.clipnorm is made.clipvalue is made.global_clipnorm is made.weight_decay is None
    assert made.use_ema is False


@pytest.mark.parametrize(
    ("name", "settings", "kind"),
    [
        ("adam", {"weight_decay": 1e-4}, keras.optimizers.Adam),
        ("adadelta", {"rho": 0.9, "epsilon": 1e-6}, keras.optimizers.Adadelta),
        ("sgd", {"momentum": 0.5}, keras.optimizers.SGD),
    ],
)
def test_every_kind_gets_its_settings(name, settings, kind):
    made = optimizer(changed(name=name, clip_norm=2.0, **settings))
    assert isinstance(made, kind)
    assert made.global_clipnorm == 2.0
    for key, value in settings.items():
        assert getattr(made, key) == value


def test_clipping_is_by_the_norm_of_all_gradients():
    """Two gradients of norm 3 and 4 have norm 5 together: clipped to 1, a fifth of each is left."""
    made = changed(name="sgd", clip_norm=1.0)
    made = made.changed({"schedule.name": "constant", "schedule.peak": 1.0, "schedule.warmup": 0})
    variables = [keras.Variable(np.zeros(1, "float32")) for _ in range(2)]
    gradients = [keras.ops.convert_to_tensor(np.array([each], "float32")) for each in (3.0, 4.0)]
    optimizer(made).apply(gradients, variables)
    found = [float(keras.ops.convert_to_numpy(each)[0]) for each in variables]
    assert found == pytest.approx([-0.6, -0.8], rel=1e-4)
