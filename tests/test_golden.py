"""Golden outputs: recorded from a bundle as it is stored, and any drift is noticed."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest

from zoo import bundle, golden
from zoo.errors import BundleError, InputError
from zoo.loading import load

TEXTS = ["I am cold.", "The cat eats a fish."]


@pytest.fixture(scope="module")
def recorded(tiny_bundle, tmp_path_factory):
    """A bundle with golden outputs, loaded."""
    folder = Path(shutil.copytree(tiny_bundle, tmp_path_factory.mktemp("golden") / "b"))
    golden.attach(folder, TEXTS)
    return load(folder)


def test_a_loaded_bundle_answers_as_recorded(recorded):
    found = recorded.golden
    assert found["inputs"] == TEXTS
    assert found["outputs"] == recorded.predict(TEXTS)
    assert len(found["log_probabilities"]) == 2
    assert len(found["logits"][0]) == golden.IDS
    golden.check(recorded.task, found)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("outputs", ["Quelque chose", "d'autre"], "logits differ|the score of|gives"),
        ("log_probabilities", [0.0, 0.0], "the score of 'I am cold.'"),
        ("logits", [[0.0] * golden.IDS] * golden.POSITIONS, "logits differ|shape"),
    ],
)
def test_drift_is_noticed(recorded, key, value, message):
    changed = copy.deepcopy(recorded.golden)
    changed[key] = value
    with pytest.raises(BundleError, match=message):
        golden.check(recorded.task, changed)


def test_other_weights_are_noticed(recorded):
    other = bundle.model_with(bundle.arrays(recorded.model), recorded.recipe)
    gamma = bundle.variables(other)["decoder_layers.0.feed_forward_norm.gamma"]
    gamma.assign(gamma * 1.05)
    from zoo.pretrained import Pretrained

    changed = Pretrained(other, recorded.recipe, (recorded.tokenizer, recorded.tokenizer))
    with pytest.raises(BundleError, match="logits differ"):
        golden.check(changed.task, recorded.golden)


def test_what_a_model_wrote_is_not_refused(recorded):
    """A network that has learned little may write signs that are no text to read."""
    nothing = "\ufffd\ufffd"
    with pytest.raises(InputError):
        recorded.score(TEXTS[0], nothing)
    assert recorded.task.golden_scores(TEXTS[:1], [nothing])[0] < 0
