"""The plain PyTorch loop that graves2013 is measured against is the same network."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from tiny import randomise

from zoo import bundle
from zoo.models.graves2013 import PredictionNetwork

torch = pytest.importorskip("torch")


def test_the_peer_computes_the_same():
    """With three layers, the null input and the state of a text before."""
    from benchmarks.recurrent import PEERS

    ours = PredictionNetwork(vocabulary=70, width=8, layers=3, null_id=4)
    ours.build()
    randomise(ours)
    theirs = PEERS["graves2013"](vars(ours.arguments)).load(bundle.arrays(ours)).eval()
    assert sum(each.numel() for each in theirs.parameters()) == ours.count_params()
    tokens = np.random.default_rng(0).integers(0, 70, (3, 19), dtype="int32")
    tokens[:, ::5] = 4
    ids = torch.from_numpy(tokens).long()
    with torch.no_grad():
        first, state = theirs(ids[:, :8], theirs.zero_state(3))
        second, _ = theirs(ids[:, 8:], state)
    expected = np.concatenate([first.numpy(), second.numpy()], axis=1)
    assert expected.std() > 0.3
    found = keras.ops.convert_to_numpy(ours(tokens))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_peer_is_trained_by_the_same_updates():
    """With derivatives that are clipped."""
    from benchmarks import training
    from zoo.training.run import build

    made = training.recipe("graves2013", smoke=True)
    free, made = (
        made.changed({"model.arguments.mean_of": mean_of, "schedule.peak": 0.05})
        for mean_of in (1, 5000)
    )
    steps, losses = [0, 1, 2, 3, 50], []
    for each in (made, free):
        model = build(each)
        randomise(model)
        data = training.random_batches(each)
        run = training.updates_of(training.peer(each).load(bundle.arrays(model)), each, data)
        ours = training.trainer_of(model, each, data).model
        losses.append([run(step, 1) for step in steps])
        found = [ours.train_on_batch(*data.batch(step), return_dict=True)["loss"] for step in steps]
        np.testing.assert_allclose(found, losses[-1], rtol=1e-4)
    assert abs(losses[0][-1] - losses[1][-1]) > 1e-3
