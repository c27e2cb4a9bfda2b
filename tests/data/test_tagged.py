"""Windows of long sentences, and the batches that taggers train on."""

from __future__ import annotations

import random

import numpy as np

from zoo.data.batches import IGNORED
from zoo.data.encoded import Encoded, Ragged
from zoo.data.tagged import TAGS, TaggedBatches, tags_of, windows


def test_a_short_sentence_is_one_window():
    (window,) = windows([[5], [6, 7], [8]], 6, 2, 3)
    assert window.ids.tolist() == [2, 5, 6, 7, 8, 3]
    assert (window.first, window.places.tolist()) == (0, [1, 2, 4])


def test_windows_decide_each_word_once_and_see_it_whole():
    draw = random.Random(3)
    for _ in range(500):
        words, number = [], 10
        for _ in range(draw.randint(1, 60)):
            count = draw.choice([1, 1, 1, 2, 3, 7])
            words.append(list(range(number, number + count)))
            number += count
        longest = draw.randint(3, 40)
        found = windows(words, longest, 2, 3)
        decided = []
        for window in found:
            assert len(window.ids) <= longest
            assert (window.ids[0], window.ids[-1]) == (2, 3)
            for place, word in zip(window.places, words[window.first :], strict=False):
                cut = word[: longest - 2]
                assert window.ids[place : place + len(cut)].tolist() == cut
            decided += range(window.first, window.first + len(window.places))
        assert decided == list(range(len(words)))


def test_words_of_long_sentences_have_context_on_both_sides():
    words = [[number] for number in range(10, 210)]
    for window in windows(words, 42, 2, 3)[1:-1]:
        assert window.places.min() > 40 // 4 - 2
        assert window.places.max() < len(window.ids) - 40 // 4


def test_batches_have_tags_at_first_pieces_alone():
    rows = [[[5], [6, 7]], [[8, 9], [4]], [[5], [5], [5, 6]]]
    tokens, tags = [], []
    for words in rows:
        (window,) = windows(words, 10, 2, 3)
        tokens.append(window.ids)
        tags.append(tags_of(window, list(range(len(words)))))
    data = Encoded({"tokens": Ragged.of(tokens), TAGS: Ragged.of(tags)})
    batches = TaggedBatches(data, rows=3, buckets=[8], seed=0, pad_id=0)
    ids, wanted = batches.batch(0)
    assert ids.shape == wanted.shape == (3, 8)
    for row, labels in zip(ids, wanted, strict=True):
        assert (labels[row == 0] == IGNORED).all()
        assert (labels[row == 2] == IGNORED).all()
        assert (labels[row == 3] == IGNORED).all()
    assert batches.words(0) == (wanted != IGNORED).sum() == 7
    again = TaggedBatches(data, rows=3, buckets=[8], seed=0, pad_id=0).batch(0)
    np.testing.assert_array_equal(ids, again[0])


def test_encoded_sentences_are_the_same_on_disk(tmp_path):
    (window,) = windows([[5], [6, 7]], 10, 2, 3)
    data = Encoded(
        {"tokens": Ragged.of([window.ids]), TAGS: Ragged.of([tags_of(window, [1, 0])])}
    )  # fmt: skip
    data.save(tmp_path, "train")
    read = Encoded.load(tmp_path, "train")
    assert read.columns[TAGS][0].tolist() == [IGNORED, 1, 0, IGNORED, IGNORED]
    assert read.tokens[0].tolist() == window.ids.tolist()
