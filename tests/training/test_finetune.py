"""Sizes of a fine-tuning run from the size of its data. The run itself is tested by its verb."""

from __future__ import annotations

import pytest
from tiny_run import TOKENIZER, copies, made

from zoo.training import finetune


@pytest.mark.parametrize(("rows", "expected"), [(60, 7), (20, 4), (4000, 128)])
def test_batches_of_sentences_are_an_eighth_of_few_rows(rows, expected):
    base = made(train__batch_tokens=None, train__batch_sentences=128)
    found = finetune.sized(base, copies(rows, 0), TOKENIZER)
    assert (found.train.batch_sentences, found.train.batch_tokens) == (expected, None)
    told = finetune.sized(base, copies(rows, 0), TOKENIZER, {"train.batch_sentences": 128})
    assert told.train.batch_sentences == 128


def test_batches_of_tokens_are_an_eighth_of_few_rows():
    rows = copies(60, 0)
    found = finetune.sized(made(train__batch_tokens=4096), rows, TOKENIZER)
    assert found.train.batch_tokens == max(4 * 16, int(rows.target.lengths.sum()) // 8)
    assert found.train.batch_sentences is None
