"""Golden outputs: what a model answered when it was made, so that a later load can be checked.

Texts tell whether the whole way from text to text still works; a slice of the logits tells whether
the numbers do, and how far off they are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from zoo import bundle, tasks
from zoo.errors import BundleError
from zoo.text import load_tokenizers

POSITIONS, IDS = 4, 8
TOLERANCE = 2e-3  # between backends, float32: about 1e-4 was seen


class _Task(Protocol):
    """What a task does for golden outputs; `golden_logits` are [positions, classes or words]."""

    def predict(self, texts: list[Any]) -> list[Any]: ...

    def golden_scores(self, texts: list[Any], outputs: list[Any]) -> np.ndarray: ...

    def golden_logits(self, text: Any, output: Any) -> np.ndarray: ...


def record(task: _Task, texts: Sequence[Any]) -> dict[str, Any]:
    """Return golden outputs of a few texts: the task's answers, their scores, a slice of logits.

    Rounding weights to 16 bits changes logits by more than the tolerance: see `attach`.
    """
    texts = list(texts)
    outputs = task.predict(texts)
    return {
        "inputs": texts,
        "outputs": outputs,
        "log_probabilities": [round(float(x), 4) for x in task.golden_scores(texts, outputs)],
        "logits": np.round(_logits(task, texts[0], outputs[0]), 5).tolist(),
    }


def attach(folder: str | os.PathLike[str], texts: Sequence[Any]) -> dict[str, Any]:
    """Record golden outputs of a bundle, from its weights as they are stored, and put them in."""
    read = bundle.read(folder)
    recipe = read.recipe
    task = tasks.task(recipe.task)(
        bundle.build_model(read), *load_tokenizers(read.folder), recipe.evaluate, recipe.data
    )
    golden = record(task, texts)
    bundle.rewrite(folder, {"golden.json": golden})
    return golden


def check(task: _Task, golden: Mapping[str, Any], tolerance: float = TOLERANCE) -> None:
    """Compare a model with its golden outputs.

    Raises:
        BundleError: naming the first text or number that differs.
    """
    hint = "the package or its backend computes something else than when the bundle was made"
    inputs, outputs = golden["inputs"], golden["outputs"]
    found = _logits(task, inputs[0], outputs[0])
    wanted = np.array(golden["logits"], dtype=np.float32)
    if found.shape != wanted.shape:
        raise BundleError(f"golden logits have shape {wanted.shape}, now {found.shape}", hint)
    if (apart := float(np.abs(found - wanted).max())) > tolerance:
        raise BundleError(f"logits differ from the golden ones by {apart:.2g}", hint)
    scores = task.golden_scores(inputs, outputs)
    for text, score, known in zip(inputs, scores, golden["log_probabilities"], strict=True):
        if abs(float(score) - known) > 10 * tolerance:
            raise BundleError(f"the score of '{text}' is {score:.4f}, was {known:.4f}", hint)
    for text, output, known in zip(inputs, task.predict(inputs), outputs, strict=True):
        # Numbers are what the scores are.
        if output != known and not isinstance(output, float):
            raise BundleError(f"'{text}' gives '{output}', was '{known}'", hint)


def _logits(task: _Task, text: Any, output: Any) -> np.ndarray:
    """Return logits [positions, ids]: the first positions, ids spread over all there are."""
    logits = task.golden_logits(text, output)
    ids = np.linspace(0, logits.shape[-1] - 1, IDS).astype(int)
    return np.asarray(logits[:POSITIONS][:, ids], dtype=np.float32)
