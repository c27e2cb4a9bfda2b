"""`.keras` files: what was compiled and saved here loads in another process after one import."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny

from zoo.config import recipe as recipes
from zoo.errors import NotSupported
from zoo.optim.discriminative import DiscriminativeAdam
from zoo.optim.optimizers import optimizer
from zoo.optim.schedules import Rate, schedule
from zoo.tasks.losses import LabelSmoothedCrossEntropy

# Others differ from one of these in arguments alone.
VARIANTS = {
    name: variant
    for name, variant in tiny.variants().items()
    if name not in ("gpt1-entail", "vaswani2017-marian", "bahdanau2015-conditional")
}
# Loads each file after nothing but the import that docs/usage.md names, the paper's own.
READER = """
import importlib, json, sys
import numpy as np
import keras
from keras import ops

for line in sys.stdin:
    case = json.loads(line)
    importlib.import_module(case["module"])
    model = keras.saving.load_model(case["file"])
    inputs = dict(np.load(case["inputs"]))
    outputs = ops.convert_to_numpy(model(inputs.get("alone", inputs), training=False))
    rate = model.optimizer.learning_rate
    print(json.dumps({
        "outputs": outputs.tolist(), "class": type(model).__module__ + ":" + type(model).__name__,
        "loss": type(model.loss).__name__, "optimizer": type(model.optimizer).__name__,
        "step": int(model.optimizer.iterations), "rate": float(rate),
    }))
"""


def compiled(name: str, variant: tiny.Variant) -> keras.Model:
    """Return a tiny model, compiled: with Keras' own parts, or with the zoo's where it has some."""
    model, loss = variant.make(), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if variant.task == "translate":
        loss = LabelSmoothedCrossEntropy(0.1)
    rule = keras.optimizers.Adam(1e-3)
    if name in ("sutskever2014", "vaswani2017", "merity2017", "ulmfit2018-classify"):
        changes = {"optimizer.name": "asgd"} if name == "merity2017" else {}
        rule = optimizer(variant.recipe.changed(changes), model)
    model.compile(optimizer=rule, loss=loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(3)
    return model


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> dict[str, dict]:
    """What each variant's model gives here, and what its file gives in one other process."""
    folder = tmp_path_factory.mktemp("keras")
    lines, wanted = [], {}
    for name, variant in VARIANTS.items():
        model = compiled(name, variant)
        file, inputs = folder / f"{name}.keras", folder / f"{name}.npz"
        model.save(file)
        given = variant.inputs if isinstance(variant.inputs, dict) else {"alone": variant.inputs}
        np.savez(inputs, **given)
        module = f"zoo.models.{variant.paper}"
        lines.append(json.dumps({"file": str(file), "inputs": str(inputs), "module": module}))
        wanted[name] = {
            "outputs": tiny.logits(model, variant.inputs),
            "class": f"{type(model).__module__}:{type(model).__name__}",
            "loss": type(model.loss).__name__, "optimizer": type(model.optimizer).__name__,
            "step": 3, "rate": float(model.optimizer.learning_rate),
        }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", READER], input="\n".join(lines), capture_output=True, text=True,
        timeout=200, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {n: {"wanted": wanted[n], "found": each} for n, each in zip(wanted, found, strict=True)}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_compiled_model_loads_elsewhere_as_it_was(cases, name):
    wanted, found = cases[name]["wanted"], cases[name]["found"]
    np.testing.assert_allclose(found.pop("outputs"), wanted.pop("outputs"), rtol=1e-4, atol=1e-4)
    assert found == pytest.approx(wanted)


def test_the_cases_hold_what_is_the_zoos_own(cases):
    used = {each["wanted"][part] for each in cases.values() for part in ("loss", "optimizer")}
    assert {"LabelSmoothedCrossEntropy", "ASGD", "DiscriminativeAdam", "Adam"} <= used


def test_a_rate_of_a_recipe_is_kept_and_one_of_a_function_refused():
    recipe = recipes.load("vaswani2017-tatoeba-en-fr")
    for lengths in (None, np.array([7, 35, 70])):
        timed = recipe if lengths is None else recipes.load("merity2017-wikitext-2")
        planned = schedule(timed, lengths)
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(planned))
        for step in (0, 1, 2, 1000):
            assert float(again(step)) == float(planned(step)) > 0
    with pytest.raises(NotSupported, match="rate that is a function"):
        Rate(lambda step: step).get_config()


def test_groups_of_layers_are_kept_once_they_are_known():
    variables = [keras.Variable(np.ones((2,), "float32")) for _ in range(3)]
    rule = DiscriminativeAdam(
        [[variables[2]], variables[:2]], 2.0, unfreeze_every=4, learning_rate=0.1,
        global_clipnorm=1.0, weight_decay=0.01,
    )  # fmt: skip
    with pytest.raises(NotSupported, match="has not trained"):
        rule.get_config()
    rule.build(variables)
    again = DiscriminativeAdam.from_config(rule.get_config())
    again.build(variables)
    assert again.group_of == rule.group_of == [1, 1, 0]
    assert again.get_config() == rule.get_config()
    assert (again.clip, again.decay, again.unfreeze_every, again.factor) == (1.0, 0.01, 4, 2.0)
