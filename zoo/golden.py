"""Golden outputs: a model's outputs when its bundle was written, to check later loads.

Texts check the whole way from text to text; a slice of the logits checks the numbers, and measures
how far off they are.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from zoo import bundle, tasks
from zoo.errors import BundleError, ZooWarning
from zoo.text import load_tokenizers

POSITIONS, IDS = 4, 8
TOLERANCE = 2e-3  # backends differ by about 1e-4 in float32


class _Task(Protocol):
    """The golden methods of a task; `golden_logits` are [positions, classes or words]."""

    def reads(self, given: Any) -> bool: ...

    def golden_outputs(self, texts: list[Any]) -> list[Any]: ...

    def golden_scores(self, texts: list[Any], outputs: list[Any]) -> np.ndarray: ...

    def golden_logits(self, text: Any, output: Any) -> np.ndarray: ...


def record(task: _Task, texts: Sequence[Any]) -> dict[str, Any]:
    """Return golden outputs of a few texts: answers, their scores, a slice of logits.

    Texts that the model cannot read are left out; without any other the result is {}.

    Record them from stored weights, see `attach`: rounding to 16 bits changes logits by more than
    the tolerance.
    """
    texts = [text for text in texts if task.reads(text)]
    if not texts:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)  # nobody asked for these texts
        outputs = task.golden_outputs(texts)
        scores = task.golden_scores(texts, outputs)
        logits = _logits(task, texts[0], outputs[0])
    return {
        "inputs": texts,
        "outputs": [_plain(output) for output in outputs],
        "log_probabilities": [round(float(score), 4) for score in scores],
        "logits": np.round(logits, 5).tolist(),
    }


def attach(folder: str | os.PathLike[str], texts: Sequence[Any]) -> dict[str, Any]:
    """Record golden outputs of a bundle from its stored weights, and write them to it."""
    read = bundle.read(folder)
    task = tasks.of(read.recipe, bundle.build_model(read), load_tokenizers(read.folder))
    golden = record(task, texts)
    bundle.rewrite(folder, {"golden.json": golden})
    return golden


def check(task: _Task, golden: Mapping[str, Any], tolerance: float = TOLERANCE) -> None:
    """Compare a model with its golden outputs.

    Raises:
        BundleError: a text or number differs; names the first one.
    """
    hint = "the package or its backend computes something else than when the bundle was made"
    inputs, outputs = golden["inputs"], golden["outputs"]
    logits = _logits(task, inputs[0], outputs[0])
    recorded = np.array(golden["logits"], dtype=np.float32)
    if logits.shape != recorded.shape:
        raise BundleError(f"golden logits have shape {recorded.shape}, now {logits.shape}", hint)
    if (difference := float(np.abs(logits - recorded).max())) > tolerance:
        raise BundleError(f"logits differ from the golden ones by {difference:.2g}", hint)
    scores = task.golden_scores(inputs, outputs)
    for text, score, old in zip(inputs, scores, golden["log_probabilities"], strict=True):
        if abs(float(score) - old) > 10 * tolerance:
            raise BundleError(f"the score of '{text}' is {score:.4f}, was {old:.4f}", hint)
    for text, output, old in zip(inputs, task.golden_outputs(inputs), outputs, strict=True):
        if isinstance(output, np.ndarray):
            if (difference := float(np.abs(output - np.array(old)).max())) > tolerance:
                raise BundleError(f"the vector of '{text}' differs by {difference:.2g}", hint)
        # Numbers are their own scores, compared above.
        elif output != old and not isinstance(output, float):
            raise BundleError(f"'{text}' gives '{output}', was '{old}'", hint)


def _plain(output: Any) -> Any:
    """Return an output as JSON holds it: a vector as rounded numbers."""
    if not isinstance(output, np.ndarray):
        return output
    return [round(float(number), 5) for number in output]


def _logits(task: _Task, text: Any, output: Any) -> np.ndarray:
    """Return logits [positions, ids]: the first positions, and ids spread over all of them."""
    logits = task.golden_logits(text, output)
    ids = np.linspace(0, logits.shape[-1] - 1, IDS).astype(int)
    return np.asarray(logits[:POSITIONS][:, ids], dtype=np.float32)
