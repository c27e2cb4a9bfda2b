"""Documents of several sequences through a model, whatever is read together, in few shapes."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_sequences import CONTEXT, INPUTS, TOKENIZER, VOCABULARY, logits, model, task

from zoo import compiling
from zoo.tasks import reading

SPECIALS = (VOCABULARY, VOCABULARY + 1, VOCABULARY + 2)


def padded(documents: list[list[int]]) -> list[list[int]]:
    longest = max(map(len, documents))
    return [[-1] * (longest - len(each)) + list(each) for each in documents]


@pytest.mark.parametrize("name", INPUTS)
def test_what_is_read_together_changes_nothing(name):
    made = task(name)
    documents = made._sequences(INPUTS[name])
    found = reading.classifier_logits(made.model, documents, TOKENIZER.pad_id)
    for row, document in zip(found, documents, strict=True):
        alone = logits(made.model, *padded([each.tolist() for each in document]))
        np.testing.assert_allclose(row[: len(alone)], alone, atol=1e-5)
        assert np.isneginf(row[len(alone) :]).all()
    assert np.isfinite(found).all() == (name != "choose")
    for rows in (1, 2):
        again = reading.classifier_logits(made.model, documents, TOKENIZER.pad_id, rows)
        np.testing.assert_allclose(again, found, atol=1e-5)


def test_nothing_is_read():
    assert reading.classifier_logits(model("classify"), [], -1).shape == (0, 0)


def test_few_shapes_are_compiled_and_none_beyond_the_context(monkeypatch):
    made, shapes = model("classify"), []
    run = compiling.run

    def record(function, model, options, arrays):
        shapes.append(arrays["tokens"].shape)
        return run(function, model, options, arrays)

    monkeypatch.setattr(reading.compiling, "run", record)

    def read(*lengths):
        documents = [[np.full(length, 5, dtype="int32")] for length in lengths]
        return reading.classifier_logits(made, documents, -1, rows=8)

    read(3, 7, 8)
    read(CONTEXT, 20, 17)
    assert shapes == [(8, 8), (8, CONTEXT)]
    traces = compiling.traces()
    read(5, 6)
    read(19, 4, 5, 6, 7)
    assert compiling.traces() == traces
    assert set(shapes) == {(8, 8), (8, CONTEXT)}
