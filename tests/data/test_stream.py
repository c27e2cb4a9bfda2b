"""Streams: consecutive pieces and their labels, a pure function of (seed, step), whole texts."""

from __future__ import annotations

import collections
import itertools

import numpy as np
import pytest

from zoo.data.encoded import Ragged
from zoo.data.stream import Stream
from zoo.errors import DataError


def example(count: int = 60) -> Ragged:
    """Texts of 1 to 30 tokens, all tokens different: the n-th token of all is n."""
    lengths = np.random.default_rng(0).integers(1, 31, size=count)
    ends = np.cumsum(lengths)
    return Ragged.of([range(end - n, end) for end, n in zip(ends, lengths, strict=True)])


TEXTS = example()
TOTAL = len(TEXTS.ids)


def made(texts: Ragged = TEXTS, **options) -> Stream:
    return Stream(texts, **({"rows": 3, "bptt": 20, "seed": 7} | options))


def one_pass(stream: Stream, number: int = 0) -> list[tuple[dict, np.ndarray]]:
    """Return the batches of one pass."""
    step, found = 0, []
    for _ in range(number + 1):
        found = [stream.batch(step)]
        while stream.batch(step + len(found))[0]["carry"].all():
            found.append(stream.batch(step + len(found)))
        step += len(found)
    return found


EVERY = {
    "plain": {},
    "varied": {"vary": True},
    "shuffled": {"shuffle": True},
    "both": {"vary": True, "shuffle": True},
}


@pytest.fixture(params=EVERY.values(), ids=EVERY)
def options(request) -> dict:
    return request.param


def test_rows_are_consecutive_parts_and_labels_the_tokens_that_follow():
    width = (TOTAL - 1) // 3
    batches = one_pass(made())
    assert len(batches) == made().per_pass == width // 20
    tokens, labels = (
        np.concatenate(each, axis=1)
        for each in zip(*((inputs["tokens"], labels) for inputs, labels in batches), strict=True)
    )
    expected = np.arange(3)[:, None] * width + np.arange(width // 20 * 20)
    np.testing.assert_array_equal(tokens, expected)
    np.testing.assert_array_equal(labels, expected + 1)


def test_any_order_of_texts_and_lengths_reads_on_where_it_was(options):
    """Within a pass each row goes on, and the label of its last token is what comes next."""
    stream = made(**options)
    for number in range(3):
        batches = one_pass(stream, number)
        for (inputs, labels), (then, _) in itertools.pairwise(batches):
            np.testing.assert_array_equal(inputs["tokens"][:, 1:], labels[:, :-1])
            np.testing.assert_array_equal(labels[:, -1], then["tokens"][:, 0])


def test_types_shapes_and_counts(options):
    stream = made(**options)
    for step in range(20):
        inputs, labels = stream.batch(step)
        assert inputs["tokens"].shape == labels.shape == (3, stream.length(step))
        assert {inputs["tokens"].dtype, labels.dtype} == {np.dtype("int32")}
        assert inputs["carry"].shape == (3, 1)
        assert inputs["carry"].dtype == np.dtype("float32")
        assert stream.tokens(step) == labels.size
    assert stream.lengths(20).tolist() == [stream.length(step) for step in range(20)]


def test_only_the_first_batch_of_a_pass_begins_anew():
    stream = made()
    carried = [float(stream.batch(step)[0]["carry"][0, 0]) for step in range(3 * stream.per_pass)]
    assert carried == 3 * [0.0, *[1.0] * (stream.per_pass - 1)]


def test_nothing_is_left_over_but_the_ends_of_rows(options):
    width = (TOTAL - 1) // 3
    for number in range(3):
        read = sum(labels.shape[1] for _, labels in one_pass(made(**options), number))
        least = 10 if options.get("vary") else 20
        assert width - least < read <= width


def test_a_batch_depends_on_seed_and_step_alone(options):
    forward, backward, other = made(**options), made(**options), made(**options, seed=8)
    steps = range(60)
    kept = {step: forward.batch(step) for step in steps}
    order = [*np.random.default_rng(0).permutation(60), *reversed(steps)]
    for step in order:
        inputs, labels = backward.batch(int(step))
        np.testing.assert_array_equal(labels, kept[step][1])
        for name, value in inputs.items():
            np.testing.assert_array_equal(value, kept[step][0][name])
    same = all(np.array_equal(kept[step][1], other.batch(step)[1]) for step in steps)
    assert same == (not options)


# Lengths (section 4.1)


def test_lengths_are_about_bptt_or_half_of_it():
    """Normal around 70 with a deviation of 5, and around 35 one time in twenty."""
    long = Ragged.of([np.zeros(1_000_000, dtype="int32")])
    lengths = made(long, rows=1, bptt=70, vary=True).lengths(10_000)
    assert set(lengths % 10) == {0}
    assert lengths.mean() == pytest.approx(0.95 * 70 + 0.05 * 35, rel=0.01)
    counts = collections.Counter(lengths.tolist())
    assert set(counts) <= {*range(20, 60, 10), *range(50, 100, 10)}
    assert sum(counts[each] for each in (20, 30, 40)) == pytest.approx(500, rel=0.15)
    # A normal draw is within one deviation, which is what rounds to the mean, 68 times in 100.
    assert counts[70] == pytest.approx(0.95 * 0.683 * 10_000, rel=0.03)
    assert counts[60] == pytest.approx(counts[80], rel=0.15)


def test_lengths_do_not_vary_unless_asked_for():
    assert set(made().lengths(100)) == {20}


def test_a_piece_is_never_empty_nor_longer_than_the_text():
    """Half of ten would round to nothing; a draw may be longer than all that is left."""
    texts = Ragged.of([range(3 * 35 + 1)])
    lengths = made(texts, bptt=10, vary=True).lengths(2000)
    assert set(lengths) == {10, 20}
    for step in range(100):
        assert made(texts, bptt=10, vary=True).batch(step)[1].shape == (3, lengths[step])
    assert set(made(texts, bptt=4, vary=True).lengths(200) % 4) == {0}


# Order


def test_shuffling_moves_whole_texts():
    stream = made(rows=1, bptt=10, shuffle=True)
    texts = {int(text[0]): text.tolist() for text in TEXTS}
    orders = []
    for number in range(3):
        batches = one_pass(stream, number)
        read = np.concatenate([inputs["tokens"][0] for inputs, _ in batches]).tolist()
        order = []
        while read:
            text = texts[read[0]]
            assert read[: len(text)] == text[: len(read)]
            order.append(text[0])
            read = read[len(text) :]
        assert len(set(order)) == len(order) >= len(texts) - 10
        orders.append(order)
    assert orders[0] != sorted(orders[0])
    assert orders[0] != orders[1] != orders[2]


def test_without_shuffling_all_passes_are_alike():
    stream = made()
    for step in range(stream.per_pass):
        again = stream.batch(step + stream.per_pass)[1]
        np.testing.assert_array_equal(again, stream.batch(step)[1])


def test_too_little_text_is_refused():
    assert made(Ragged.of([range(61)])).per_pass == 1
    with pytest.raises(DataError, match="have 60 tokens, one batch needs 61") as caught:
        made(Ragged.of([range(30), range(30)]))
    assert "train.batch_sentences" in caught.value.hint
