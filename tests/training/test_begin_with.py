"""Trained weights as a beginning: the rows of a word embedding go by word, not by place."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
from given import PAIRS

from zoo import bundle
from zoo.bundle import weights
from zoo.text import load_tokenizers, train_tokenizers
from zoo.training.run import begin_with, build

TABLES = {"gpt1-books": "decoder.tokens", "ulmfit2018-wikitext-2": "encoder.embedding.table"}


@pytest.mark.parametrize(("name", "table"), TABLES.items(), ids=TABLES)
def test_rows_go_by_word(name, table, tmp_path):
    folder = tiny.write_bundle(name, tmp_path / "bundle", PAIRS)
    read = bundle.read(folder)
    given = bundle.read_weights(read.weights)
    known = load_tokenizers(folder)[0]
    # Another order of words, some of which the trained model does not know.
    lines = [(target,) for _, target in PAIRS]
    other, _ = train_tokenizers(read.recipe.tokenizer, lines, ["en"])
    words = {word: i for i, word in enumerate(known.pieces(range(known.size)))}
    model = build(read.recipe)
    begin_with(model, other, str(folder))
    found = weights.arrays(model)
    mean = given[table][: known.size].mean(axis=0)
    shared = 0
    for place, word in enumerate(other.pieces(range(other.size))):
        expected = given[table][words[word]] if word in words else mean
        shared += word in words and words[word] != place
        np.testing.assert_allclose(found[table][place], expected, atol=1e-6)
    assert shared > 0
    for key, value in given.items():
        if not key.startswith(("decoder.tokens", "encoder.embedding.")):
            np.testing.assert_array_equal(found[key], value)
