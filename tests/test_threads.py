"""Models in several threads, and in a process that was forked."""

from __future__ import annotations

import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
from keras import ops

from zoo import processes
from zoo.bundle import weights
from zoo.errors import ZooWarning
from zoo.loading import load

LOADED = ("vaswani2017-tatoeba-en-fr", "bahdanau2015-tatoeba-en-fr", "gpt1-starter",
          "ulmfit2018-imdb")  # fmt: skip


def a_layer() -> np.ndarray:
    """Build a layer with random weights, and return these."""
    layer = keras.layers.Dense(4)
    layer.build((None, 4))
    return ops.convert_to_numpy(layer.kernel)


def test_another_thread_builds_a_layer_while_a_model_is_filled():
    found = []

    def build():
        add_weight = keras.layers.Layer.add_weight
        thread = threading.Thread(target=lambda: found.extend([a_layer(), add_weight]))
        thread.start()
        thread.join()
        layer = keras.layers.Dense(4)
        layer.build((None, 4))
        return layer

    before = keras.layers.Layer.add_weight
    given = {"kernel": np.full((4, 4), 3.0), "bias": np.ones(4)}
    filled = weights.arrays(weights.filled(build, given))
    drawn, method = found
    assert len(np.unique(drawn)) > 8  # neither zeros nor the weights of the model
    assert method is before is keras.layers.Layer.add_weight
    for name, array in given.items():
        np.testing.assert_array_equal(filled[name], array)


def test_eight_threads_load_four_models_while_others_build_layers(bundles):
    folders = [bundles(name) for name in LOADED]
    alone = [weights.arrays(load(folder).model) for folder in folders]
    drawn, stop = [], threading.Event()

    def build_layers() -> None:
        while not stop.is_set():
            drawn.append(a_layer())

    builders = [threading.Thread(target=build_layers) for _ in range(2)]
    for thread in builders:
        thread.start()
    try:
        with ThreadPoolExecutor(8) as threads:
            models = list(threads.map(load, folders * 4))
    finally:
        stop.set()
        for thread in builders:
            thread.join()
    assert drawn
    assert all(len(np.unique(kernel)) > 8 for kernel in drawn)
    for number, model in enumerate(models):
        found, wanted = weights.arrays(model.model), alone[number % 4]
        assert found.keys() == wanted.keys()
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert len(np.unique(a_layer())) > 8


def test_threads_predict_with_one_model_as_one_thread_does(bundles):
    folders = [bundles(LOADED[0]), bundles(LOADED[3])]
    texts = ["I am cold.", "She has two cats.", "Where is the station?"]
    apart, together = [load(each) for each in folders], [load(each) for each in folders]
    wanted = [apart[0].predict(texts), apart[1].probabilities(texts).tolist()]

    def answer(number: int):
        model = together[number % 2]  # not compiled yet: the threads meet there
        return model.probabilities(texts).tolist() if number % 2 else model.predict(texts)

    with ThreadPoolExecutor(6) as threads:
        for number, found in enumerate(threads.map(answer, range(12))):
            if number % 2:
                np.testing.assert_allclose(found, wanted[1], rtol=1e-5)
            else:
                assert found == wanted[0]


def warned(run) -> list[str]:
    """Return the zoo's warnings of a run; the backends have others."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    return [str(each.message) for each in caught if each.category is ZooWarning]


def test_a_forked_process_is_told_once(monkeypatch, tiny_pretrained, tiny_bundle):
    tiny_pretrained.predict("I am cold.")
    assert processes._process == os.getpid()
    # What a fork would leave in its child, where a backend could hang the tests.
    monkeypatch.setattr(processes, "_process", os.getpid() + 1)
    told = warned(lambda: tiny_pretrained.predict("I am cold."))
    assert len(told) == 1
    assert "forked from one that has loaded models" in told[0]
    assert "'spawn'" in told[0]
    assert not warned(lambda: tiny_pretrained.predict("I am cold."))
    monkeypatch.setattr(processes, "_process", os.getpid() + 1)
    assert warned(lambda: load(tiny_bundle)) == told


def test_a_process_that_forks_before_it_loads_is_told_nothing(monkeypatch):
    monkeypatch.setattr(processes, "_process", None)
    assert not warned(processes.uses_models)
    assert processes._process == os.getpid()
