"""N-grams counted, smoothed and laid out, against dictionaries that know nothing of arrays."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from plain_ngrams import Plain, drawn, joined, ngrams

from zoo.errors import DataError
from zoo.ngrams import layout
from zoo.ngrams.counts import count
from zoo.ngrams.smoothing import FALLBACK, discounts, smooth
from zoo.ngrams.tables import NGrams, table

WORDS = 7
SMOOTHED = [
    (smoothing, interpolated, k)
    for smoothing in ("witten-bell", "kneser-ney")
    for interpolated in (True, False)
    for k in (1.0,)
] + [("none", True, 1.0), ("add-k", True, 1.0), ("add-k", False, 0.3)]
# Texts between two marks; the same with a start that is no end; one text that begins anywhere.
MARKED = drawn(WORDS, 60)
APART = [[WORDS - 1, *text[1:]] for text in drawn(WORDS - 1, 60)]
OPEN = drawn(WORDS, 60, mark=None)


def ngrams_of(model: NGrams) -> list[dict[tuple[int, ...], int]]:
    """Return the row of each n-gram of each order."""
    found: list[dict[tuple[int, ...], int]] = []
    names: list[tuple[int, ...]] = [()]
    for order in model.orders if isinstance(model, NGrams) else model:
        pairs = zip(order.parent.tolist(), order.word.tolist(), strict=True)
        names = [(*names[parent if found else 0], word) for parent, word in pairs]
        found.append({name: row for row, name in enumerate(names)})
        assert len(found[-1]) == len(names)
    return found


def probability(model: NGrams, word: int, history: tuple[int, ...]) -> float:
    """Return p(word | history) by the recursion of back-off models."""
    rows = ngrams_of(model)
    history = history[max(0, len(history) - len(model.orders) + 1) :]
    log_p = 0.0
    while True:
        row = rows[len(history)].get((*history, word))
        if row is not None:
            return float(10 ** (log_p + model.orders[len(history)].log_p[row]))
        row = rows[len(history) - 1].get(history)
        log_p += 0.0 if row is None else model.orders[len(history) - 1].backoff[row]
        history = history[1:]


# Counts


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_counts_are_those_of_dictionaries(order, started):
    ids, offsets = joined(MARKED)
    found = count(ids, offsets, order, WORDS, started)
    assert len(found) == order
    rows = ngrams_of(found)
    for n, (own, counts) in enumerate(zip(rows, found, strict=True), 1):
        expected = Counter(ngrams(MARKED, n))
        if n == 1:
            if started:
                expected[0,] -= len(MARKED)
            expected.update({(word,): 0 for word in range(WORDS)})  # seen or not
        assert list(own) == sorted(expected)
        assert counts.count.tolist() == [expected[name] for name in own]
        assert {name for name, row in own.items() if counts.first[row]} == {
            tuple(text[:n]) for text in MARKED if len(text) >= n
        }
        if n > 1:
            names = list(rows[n - 2])
            assert [names[row] for row in counts.suffix] == [name[1:] for name in own]


def test_a_large_vocabulary_needs_several_keys():
    """The words of a long n-gram do not fit in 64 bits, so they are sorted by several numbers."""
    large = 2**21
    texts = [[word * 262_143 for word in text] for text in MARKED]
    ids, offsets = joined(texts)
    wide = count(ids, offsets, 4, large)
    narrow = count(*joined(MARKED), 4, WORDS)
    for a, b in zip(wide[1:], narrow[1:], strict=True):
        assert (a.word // 262_143).tolist() == b.word.tolist()
        assert a.count.tolist() == b.count.tolist()


def test_what_cannot_be_counted():
    with pytest.raises(DataError, match="no words to count"):
        count(np.zeros(0, int), np.array([0]), 2, WORDS)
    with pytest.raises(DataError, match="no words to count"):
        count(np.zeros(0, int), np.array([0, 0]), 2, WORDS)
    with pytest.raises(DataError, match=r"n-grams of 5 words .* the longest text has 4") as raised:
        count(np.array([0, 1, 2, 0, 0, 1]), np.array([0, 4, 6]), 5, WORDS)
    assert "order to 4 or less" in str(raised.value)


# Smoothing


@pytest.mark.parametrize("texts", [MARKED, APART, OPEN], ids=["marked", "apart", "open"])
@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize(("smoothing", "interpolated", "k"), SMOOTHED)
def test_probabilities_are_the_papers(texts, order, smoothing, interpolated, k):
    """After all histories, seen and unseen, whose rarest word never occurs."""
    started = texts is not OPEN
    possible = np.arange(WORDS) != (WORDS - 1 if texts is APART else -1)
    counts = count(*joined(texts), order, WORDS, started)
    model = smooth(
        counts, smoothing, interpolated=interpolated, k=k, events=possible, started=started
    )
    plain = Plain(
        texts, order, smoothing, interpolated=interpolated, started=started,
        events=np.flatnonzero(possible).tolist(), k=k,
    )  # fmt: skip
    # A start stands at the beginning of a history alone.
    starts = plain.starts
    histories = [
        history
        for history in itertools.product(range(WORDS), repeat=order - 1)
        if not starts.intersection(history[1:])
    ][::3]
    dense = everything(model, histories)
    for history, found in zip(histories, dense, strict=True):
        expected = [plain.p(word, history) for word in range(WORDS)]
        assert sum(expected) == pytest.approx(1)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    for own in model.sums():
        np.testing.assert_allclose(own, 1, atol=1e-9)


def everything(model: NGrams, histories: list[tuple[int, ...]]) -> np.ndarray:
    """Return p of all words after histories, float64 [histories, words]."""
    lines = [(*history, word) for history in histories for word in range(WORDS)]
    ids, offsets = joined(lines)
    log_p = model.log_probabilities(ids, offsets).reshape(len(histories), WORDS, -1)
    return 10.0 ** log_p[:, :, -1]


def test_the_recursion_gives_what_arrays_give():
    model = smooth(count(*joined(MARKED), 3, WORDS, True), "kneser-ney", started=True)
    assert model.interpolated
    model = model.probabilities()
    histories = list(itertools.product(range(WORDS), repeat=2))[::5]
    expected = [[probability(model, word, each) for word in range(WORDS)] for each in histories]
    np.testing.assert_allclose(everything(model, histories), expected, rtol=1e-9)


def test_discounts_of_modified_kneser_ney():
    """By hand: n_1 = 8, n_2 = 4, n_3 = 2, n_4 = 1, so Y = 1/2 and D_i = i - (i + 1) / 4."""
    numbers = np.array([1] * 8 + [2] * 4 + [3] * 2 + [4, 9, 9])
    np.testing.assert_allclose(discounts(numbers), [0, 0.5, 1.25, 2])
    # Without four equal counts of 1 to 4 there is no estimate.
    np.testing.assert_array_equal(discounts(numbers[:-3]), [0, *FALLBACK])


def test_kneser_ney_gives_shorter_histories_what_they_follow():
    """As "francisco", which is frequent but follows one word alone, so it is rare elsewhere."""
    texts = [[0, 1, 2, 0]] * 9 + [[0, 3, 4, 0], [0, 5, 4, 0], [0, 1, 4, 0]]
    counts = count(*joined(texts), 2, WORDS, True)
    single = {
        name: 10 ** smooth(counts, name, started=True).orders[0].log_p
        for name in ("kneser-ney", "witten-bell")
    }
    assert single["witten-bell"][2] > single["witten-bell"][4]
    assert single["kneser-ney"][2] < single["kneser-ney"][4]


# The table


@pytest.mark.parametrize(("smoothing", "interpolated", "k"), SMOOTHED)
def test_weights_hold_the_table(smoothing, interpolated, k):
    counts = count(*joined(MARKED), 4, WORDS, True)
    model = smooth(counts, smoothing, interpolated=interpolated, k=k, started=True)
    sizes, weights = layout.laid_out(model)
    assert sizes["ngrams"] == [len(each) for each in model.orders[1:]]
    assert sizes["levels"] == len(weights["levels"])
    assert {array.dtype.kind for array in weights.values()} == {"i"}  # no bundle rounds them
    found = layout.read(sizes, weights)
    assert found.interpolated == model.interpolated
    for own, each in zip(found.orders, model.orders, strict=True):
        np.testing.assert_array_equal(own.parent, each.parent)
        np.testing.assert_array_equal(own.word, each.word)
        for mine, theirs in ((own.log_p, each.log_p), (own.backoff, each.backoff)):
            np.testing.assert_allclose(mine, theirs, atol=layout.UNIT)


@pytest.mark.parametrize(("vocabulary", "widest"), [(40_000, 40_000), (1700, 39), (1700, 1)])
def test_beginnings_are_counted_from_blocks_so_that_two_bytes_hold_them(vocabulary, widest):
    """Each word goes before a random number of others, and one before `widest`."""
    random = np.random.default_rng(0)
    many = random.integers(0, min(widest, 40) + 1, vocabulary)
    many[vocabulary // 2] = widest
    first = np.repeat(np.arange(vocabulary), many)
    pairs = np.stack([first, np.concatenate([np.arange(each) for each in many])], axis=1)
    single = np.arange(vocabulary, dtype=np.int32)[:, None]
    made = table(
        [single, pairs.astype(np.int32)],
        [np.full(vocabulary, -5.0), np.full(len(pairs), -1.0)],
        [np.zeros(vocabulary), np.zeros(len(pairs))],
    )
    sizes, weights = layout.laid_out(made)
    assert sizes["widest"] == [widest]
    assert weights["tables.0.begin"].dtype == np.int16
    assert len(weights["tables.0.block_begin"]) > 1 or widest == 1
    found = layout.read(sizes, weights)
    np.testing.assert_array_equal(found.orders[1].parent, first)
    np.testing.assert_array_equal(found.orders[1].word, pairs[:, 1])


def test_a_pruned_table_gets_what_longer_ngrams_need():
    """Without "1 2" and "2 3", "1 2 3" has neither first nor last words; nothing else changes."""
    single = np.log10([0.4, 0.3, 0.2, 0.1])
    made = table(
        [np.arange(4)[:, None], np.array([[1, 3]]), np.array([[1, 2, 3]])],
        [single, np.log10([0.5]), np.log10([0.9])],
        [np.log10([1, 0.6, 0.7, 1]), np.zeros(1), np.zeros(1)],
    )
    assert list(ngrams_of(made)[1]) == [(1, 2), (1, 3), (2, 3)]
    assert probability(made, 2, (0, 1)) == pytest.approx(0.6 * 0.2)
    assert probability(made, 3, (0, 2)) == pytest.approx(0.7 * 0.1)
    assert probability(made, 3, (1, 2)) == pytest.approx(0.9)
    assert probability(made, 0, (1, 2)) == pytest.approx(0.7 * 0.4)


def test_sums_tell_which_histories_do_not_sum_to_one():
    model = smooth(count(*joined(MARKED), 3, WORDS, True), "kneser-ney", started=True)
    model = model.probabilities()
    row = ngrams_of(model)[1][1, 2]
    model.orders[1].backoff[row] += 0.1
    sums = model.sums()
    assert np.flatnonzero(np.abs(sums[2] - 1) > 1e-6).tolist() == [row]
    expected = sum(probability(model, word, (1, 2)) for word in range(WORDS))
    assert sums[2][row] == pytest.approx(expected)
