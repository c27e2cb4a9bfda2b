"""The search is checked against plain Python that knows nothing of tensors: every sequence of a
tiny model scored one by one, and a beam search over lists of tuples."""

from __future__ import annotations

import gc
import itertools
import math
import weakref

import keras
import numpy as np
import pytest
from keras import ops

from zoo.decoding import sampling
from zoo.decoding import search as decoding
from zoo.decoding.largest import largest
from zoo.decoding.sampling import Sampler
from zoo.errors import NotSupported, OptionError
from zoo.models.vaswani2017 import Transformer

PAD, START, END = 0, 1, 2
compiled = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="nothing is compiled on PyTorch"
)


class Toy(keras.Model):
    """A recurrence h = tanh(W h + E[token] + position / 10), logits = h O: the whole prefix counts.

    The state is a hidden vector that begins as the sum of the source's embeddings.
    """

    def __init__(self, vocabulary: int, width: int = 6, seed: int = 0) -> None:
        super().__init__(name="toy")
        self.embedding = self.add_weight(shape=(vocabulary, width), name="embedding")
        self.recurrent = self.add_weight(shape=(width, width), name="recurrent")
        self.output_kernel = self.add_weight(shape=(width, vocabulary), name="output")
        self.built = True
        self.draw(seed)

    def draw(self, seed: int) -> None:
        """Take other weights; what was compiled stays in use."""
        random = np.random.default_rng(seed)
        self.numbers = {
            "embedding": random.normal(size=self.embedding.shape),
            "recurrent": random.normal(size=self.recurrent.shape) * 0.5,
            "output": random.normal(size=self.output_kernel.shape) * 1.5,
        }
        for variable, value in zip(self.variables, self.numbers.values(), strict=True):
            variable.assign(value.astype("float32"))

    def start(self, inputs, max_length):
        real = ops.cast(inputs["source"] != PAD, "float32")
        rows = ops.take(self.embedding, inputs["source"], axis=0)
        hidden = ops.tanh(ops.sum(rows * real[:, :, None], axis=1))
        return {"first": hidden}, {"hidden": hidden}

    def step(self, token, position, memory, state):
        hidden = ops.matmul(state["hidden"], self.recurrent) + ops.take(self.embedding, token, 0)
        hidden = hidden + 0.3 * memory["first"] + 0.1 * ops.cast(position, "float32")
        hidden = ops.tanh(hidden)
        return ops.matmul(hidden, self.output_kernel), {"hidden": hidden}

    # The same in numpy, for one sequence.

    def begin(self, source):
        first = np.tanh(sum(self.numbers["embedding"][i] for i in source if i != PAD))
        return first, first

    def follow(self, first, hidden, token, position):
        """Return the log-probabilities [vocabulary] of what follows, and the new hidden vector."""
        hidden = hidden @ self.numbers["recurrent"] + self.numbers["embedding"][token]
        hidden = np.tanh(hidden + 0.3 * first + 0.1 * position)
        logits = hidden @ self.numbers["output"]
        return logits - np.log(np.exp(logits).sum()), hidden

    def log_probability(self, source, sequence):
        (first, hidden), token, total = self.begin(source), START, 0.0
        for position, following in enumerate(sequence):
            each, hidden = self.follow(first, hidden, token, position)
            total, token = total + each[following], following
        return total


def length_factor(length, alpha):
    return ((5 + length) / 6) ** alpha


def every_sequence(model, source, vocabulary, longest, alpha):
    """Return (score, log P, sequence) of every complete sequence, the best first."""
    inner = [i for i in range(vocabulary) if i != END]
    found = []
    for length in range(longest):
        for body in itertools.product(inner, repeat=length):
            sequence = (*body, END)
            total = model.log_probability(source, sequence)
            found.append((total / length_factor(len(sequence), alpha), total, sequence))
    return sorted(found, reverse=True)


def plain_beam(model, source, beams, limit, alpha):
    """Return finished (score, sequence), the best first: a beam of tuples, no early stop."""
    first, hidden = model.begin(source)
    alive, finished = [(0.0, (), hidden)], []
    for position in range(limit):
        extended = []
        for total, sequence, hidden in alive:
            token = sequence[-1] if sequence else START
            each, after = model.follow(first, hidden, token, position)
            pieces = [END] if position + 1 == limit else range(len(each))
            extended += [(total + each[i], (*sequence, i), after) for i in pieces]
        best = sorted(extended, key=lambda one: -one[0])[: 2 * beams]
        finished += [
            (total / length_factor(position + 1, alpha), sequence)
            for total, sequence, _ in best
            if sequence[-1] == END
        ]
        finished = sorted(finished, reverse=True)[:beams]
        alive = [one for one in best if one[1][-1] != END][:beams]
    return finished


def search(model, source, **options):
    source = np.asarray(source, dtype=np.int32)
    options = {"start_id": START, "end_id": END, "pad_id": PAD, "max_length": 6, **options}
    return decoding.decode(model, {"source": source}, **options)


def sequences(ids):
    """Cut ids [n, length] after the end; nothing but padding may follow."""
    found = []
    for row in ids.tolist():
        end = row.index(END)
        assert set(row[end + 1 :]) <= {PAD}
        found.append(tuple(row[: end + 1]))
    return found


SOURCES = [[3, 1, 0], [2, 3, 3], [1, 0, 0]]


def test_a_wide_beam_is_exhaustive_search():
    model, vocabulary, longest = Toy(4), 4, 5
    best = []
    for alpha in (0.0, 0.6, 2.0):
        found = search(
            model, SOURCES, max_length=longest, beam_size=128, length_penalty=alpha, num_return=7
        )
        for row, source in enumerate(SOURCES):
            wanted = every_sequence(model, source, vocabulary, longest, alpha)[:7]
            scores, totals, found_sequences = zip(*wanted, strict=True)
            assert sequences(found.ids[row]) == list(found_sequences)
            np.testing.assert_allclose(found.scores[row], scores, rtol=1e-5)
            np.testing.assert_allclose(found.log_probabilities[row], totals, rtol=1e-5)
        best.append(sequences(found.ids[:, 0]))
    assert best[0] != best[2]


@pytest.mark.parametrize("beams", [2, 5])
def test_a_narrow_beam_is_a_plain_beam_search(beams):
    model = Toy(7)
    for seed in range(5):
        model.draw(seed)
        found = search(model, SOURCES, max_length=12, beam_size=beams, num_return=beams)
        for row, source in enumerate(SOURCES):
            wanted = plain_beam(model, source, beams, 12, 0.6)
            assert sequences(found.ids[row]) == [sequence for _, sequence in wanted]
            np.testing.assert_allclose(found.scores[row], [one[0] for one in wanted], rtol=1e-4)


def test_greedy_takes_the_most_probable_piece_of_each_step():
    model = Toy(9, seed=4)
    found = search(model, SOURCES, max_length=10)
    for row, source in enumerate(SOURCES):
        first, hidden = model.begin(source)
        token, total, wanted = START, 0.0, []
        while token != END:
            each, hidden = model.follow(first, hidden, token, len(wanted))
            token = int(np.argmax(each)) if len(wanted) < 9 else END
            total += each[token]
            wanted.append(token)
        assert sequences(found.ids[row]) == [tuple(wanted)]
        assert math.isclose(found.log_probabilities[row, 0], total, rel_tol=1e-4)
        score = total / length_factor(len(wanted), 0.6)
        assert math.isclose(found.scores[row, 0], score, rel_tol=1e-4)


def test_the_search_goes_on_in_larger_sizes(monkeypatch):
    model = Toy(9, seed=5)
    whole = [search(model, SOURCES, max_length=30, beam_size=beams) for beams in (1, 3)]
    monkeypatch.setattr(decoding, "FIRST_LENGTH", 2)
    monkeypatch.setattr(Toy, "grow", lambda self, state, max_length: state, raising=False)
    for wanted, beams in zip(whole, (1, 3), strict=True):
        found = search(model, SOURCES, max_length=30, beam_size=beams)
        assert wanted.steps == found.steps > 8
        np.testing.assert_array_equal(found.ids, wanted.ids)
        np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-6)


def test_early_stop_saves_steps_and_changes_nothing():
    saved, model = 0, Toy(7)
    for seed, alpha in itertools.product(range(4), (0.0, 0.6, 2.0)):
        model.draw(seed)
        for beams, wanted in ((2, 1), (4, 4)):
            options = {"beam_size": beams, "num_return": wanted, "length_penalty": alpha}
            early = search(model, SOURCES, max_length=24, **options)
            late = search(model, SOURCES, max_length=24, **options, early_stop=False)
            np.testing.assert_array_equal(early.ids, late.ids)
            np.testing.assert_allclose(early.scores, late.scores, rtol=1e-6)
            assert late.steps == 24
            saved += late.steps - early.steps
    assert saved > 50


@pytest.mark.parametrize("beams", [1, 3])
def test_each_row_has_its_own_limit(beams):
    model = Toy(9, seed=5)
    limits = np.array([2, 7, 4], dtype=np.int32)
    found = search(model, SOURCES, limits=limits, max_length=9, beam_size=beams)
    assert found.ids.shape == (3, 1, 9)
    for row, limit in enumerate(limits):
        alone = search(model, SOURCES[row : row + 1], max_length=int(limit), beam_size=beams)
        assert len(sequences(found.ids[row])[0]) <= limit
        np.testing.assert_array_equal(found.ids[row, :, :limit], alone.ids[0])
        np.testing.assert_allclose(found.scores[row], alone.scores[0], rtol=1e-5)


@pytest.mark.parametrize("beams", [1, 4])
def test_rows_do_not_depend_on_their_batch_or_padding(beams):
    model = Toy(9, seed=6)
    together = search(model, SOURCES, max_length=12, beam_size=beams, num_return=beams)
    for row, source in enumerate(SOURCES):
        alone = search(
            model, [[*source, PAD, PAD]], max_length=12, beam_size=beams, num_return=beams
        )
        np.testing.assert_array_equal(together.ids[row], alone.ids[0])
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=1e-5)


def test_rows_can_begin_with_tokens_of_their_own():
    model = Toy(9, seed=6)
    first = np.array([4, START, 7], dtype=np.int32)
    found = search(model, SOURCES, start_id=first, beam_size=3)
    for row in range(3):
        alone = search(model, SOURCES[row : row + 1], start_id=int(first[row]), beam_size=3)
        np.testing.assert_array_equal(found.ids[row], alone.ids[0])
    assert not np.array_equal(found.ids, search(model, SOURCES, beam_size=3).ids)


def test_fewer_sequences_than_asked_for_leave_padding_without_probability():
    found = search(Toy(4), SOURCES, max_length=1, beam_size=3, num_return=3)
    assert np.isfinite(found.scores[:, 0]).all()
    assert np.isneginf(found.scores[:, 1:]).all()
    assert np.isneginf(found.log_probabilities[:, 1:]).all()
    assert (found.ids[:, 0] == END).all()
    assert (found.ids[:, 1:] == PAD).all()


@pytest.mark.parametrize("vocabulary", [40, 1000, 2048, 2085])
@pytest.mark.parametrize("k", [1, 8])
def test_the_largest_logits_are_found_block_by_block(vocabulary, k):
    logits = np.random.default_rng(0).permutation(3 * vocabulary).reshape(3, -1).astype("float32")
    logits[0, -1] = 1e6
    values, where = largest(ops.convert_to_tensor(logits), k)
    wanted = np.argsort(-logits, axis=1)[:, :k]
    np.testing.assert_array_equal(ops.convert_to_numpy(where), wanted)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(values), np.take_along_axis(logits, wanted, axis=1)
    )


@pytest.mark.parametrize("beams", [1, 3])
def test_new_weights_count_at_once(beams):
    model = Toy(9, seed=7)
    before = search(model, SOURCES, beam_size=beams)
    wanted = search(Toy(9, seed=8), SOURCES, beam_size=beams)
    assert not np.array_equal(before.ids, wanted.ids)
    model.draw(8)
    after = search(model, SOURCES, beam_size=beams)
    np.testing.assert_array_equal(after.ids, wanted.ids)
    np.testing.assert_allclose(after.scores, wanted.scores, rtol=1e-6)


@compiled
@pytest.mark.parametrize("beams", [1, 3])
def test_a_second_call_of_the_same_shape_compiles_nothing(beams):
    model = Toy(9, seed=9)
    before = decoding.traces()
    search(model, SOURCES, beam_size=beams)
    assert decoding.traces() == before + 1
    search(
        model,
        SOURCES[::-1],
        beam_size=beams,
        length_penalty=1.0,
        max_length=9,
        limits=np.array([3, 4, 5]),
    )
    assert decoding.traces() == before + 1
    search(model, SOURCES[:2], beam_size=beams)
    assert decoding.traces() == before + 2


def test_a_model_is_freed_with_what_was_compiled_for_it():
    model = Toy(5)
    search(model, SOURCES, beam_size=2)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_options_out_of_range_are_named():
    model = Toy(5)
    with pytest.raises(OptionError, match="beam_size is 0"):
        search(model, SOURCES, beam_size=0)
    with pytest.raises(OptionError, match="max_length is 0"):
        search(model, SOURCES, max_length=0)
    with pytest.raises(OptionError, match="num_return is 3 and beam_size is 2"):
        search(model, SOURCES, beam_size=2, num_return=3)
    for wrong in ("4", 2.0, 100_000):
        with pytest.raises(OptionError, match=f"beam_size is '?{wrong}"):
            search(model, SOURCES, beam_size=wrong)
    with pytest.raises(OptionError, match="length_penalty is nan"):
        search(model, SOURCES, length_penalty=float("nan"))
    with pytest.raises(OptionError, match="length_penalty is -1"):
        search(model, SOURCES, length_penalty=-1)


def test_caches_come_in_few_sizes():
    assert decoding._sizes(30, 32, True) == [32]
    assert decoding._sizes(100, 32, True) == [32, 64, 128]
    assert decoding._sizes(100, 32, False) == [128]
    assert decoding._sizes(30, 4, True) == [64]


def test_a_model_without_steps_cannot_decode():
    model = keras.Sequential([keras.layers.Dense(2)], name="only_call")
    with pytest.raises(NotSupported, match="only_call cannot decode"):
        search(model, SOURCES)


def test_training_goes_on_after_decoding():
    model = Transformer(
        vocabulary=40, width=16, encoder_layers=1, decoder_layers=1, heads=2, feed_forward=32
    )
    model.build()
    sources = np.array([[5, 6, END], [7, END, PAD]], dtype=np.int32)
    search(model, sources, beam_size=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss=loss, jit_compile=keras.backend.backend() == "jax")
    target = np.full((2, 3), 5, dtype=np.int32)
    before = [ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    model.train_on_batch({"source": sources, "target": target}, target)
    after = [ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    assert any(np.abs(one - two).max() > 0 for one, two in zip(before, after, strict=True))


# Texts that may break off, and draws --------------------------------------------------------------


def cut(ids, limit):
    """Cut ids [n, length] after the end or at the limit; nothing but padding may follow."""
    found = []
    for row in ids.tolist():
        length = row.index(END) + 1 if END in row else limit
        assert set(row[length:]) <= {PAD}
        found.append(tuple(row[:length]))
    return found


def test_a_sequence_may_break_off_at_its_limit():
    model, limits = Toy(9, seed=4), [3, 5, 4]
    found = search(model, SOURCES, limits=np.array(limits), complete=False)
    for row, source in enumerate(SOURCES):
        first, hidden = model.begin(source)
        token, total, wanted = START, 0.0, []
        while token != END and len(wanted) < limits[row]:
            each, hidden = model.follow(first, hidden, token, len(wanted))
            token = int(np.argmax(each))
            total += each[token]
            wanted.append(token)
        assert cut(found.ids[row], limits[row]) == [tuple(wanted)]
        assert math.isclose(found.log_probabilities[row, 0], total, rel_tol=1e-4)
        score = total / length_factor(len(wanted), 0.6)
        assert math.isclose(found.scores[row, 0], score, rel_tol=1e-4)
    assert any(END not in row for row in found.ids[:, 0])


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_a_wide_beam_is_exhaustive_search_where_sequences_may_break_off(alpha):
    model, vocabulary, longest = Toy(4), 4, 4
    found = search(
        model, SOURCES, max_length=longest, beam_size=128, num_return=7, length_penalty=alpha,
        complete=False,
    )  # fmt: skip
    inner = [i for i in range(vocabulary) if i != END]
    for row, source in enumerate(SOURCES):
        complete = [each[2] for each in every_sequence(model, source, vocabulary, longest, alpha)]
        totals = {
            each: model.log_probability(source, each)
            for each in [*complete, *itertools.product(inner, repeat=longest)]
        }
        wanted = sorted(totals, key=lambda each: -totals[each] / length_factor(len(each), alpha))
        assert cut(found.ids[row], longest) == wanted[:7]
        np.testing.assert_allclose(
            found.log_probabilities[row], [totals[each] for each in wanted[:7]], rtol=1e-5
        )
    assert any(END not in ids for ids in found.ids.reshape(-1, longest))


@pytest.mark.parametrize("how", [{}, {"beam_size": 3}, {"sampler": Sampler(temperature=3.0)}])
def test_a_forbidden_token_is_left_out(how):
    model = Toy(9, seed=6)
    for forbidden in set(search(model, SOURCES, **how).ids.ravel().tolist()) - {PAD, END}:
        found = search(model, SOURCES, **how, forbidden_ids=(forbidden,))
        assert forbidden not in found.ids
        for row, source in enumerate(SOURCES):
            (hidden, first), token, total = model.begin(source), START, 0.0
            for position, following in enumerate(sequences(found.ids[row])[0]):
                each, hidden = model.follow(first, hidden, token, position)
                total += each[following] - np.log1p(-np.exp(each[forbidden]))
                token = following
            assert math.isclose(found.log_probabilities[row, 0], total, rel_tol=1e-4)


def drawn(model, source, **options):
    names = ("temperature", "top_k", "top_p", "seed")
    sampler = Sampler(**{name: options.pop(name) for name in names if name in options})
    return search(model, source, sampler=sampler, **options)


@pytest.mark.parametrize(
    "certain", [{"top_k": 1}, {"temperature": 1e-6}, {"top_p": 1e-6}, {"top_k": 5, "top_p": 1e-6}]
)
def test_draws_without_choice_are_greedy(certain):
    model = Toy(9, seed=4)
    for complete in (True, False):
        greedy = search(model, SOURCES, complete=complete)
        found = drawn(model, SOURCES, **certain, complete=complete)
        np.testing.assert_array_equal(found.ids, greedy.ids)
        np.testing.assert_allclose(found.scores, greedy.scores, rtol=1e-5)
        np.testing.assert_allclose(found.log_probabilities, greedy.log_probabilities, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 3.0},
        {"top_k": 3},
        {"top_k": 99},
        {"top_p": 0.7},
        {"top_k": 4, "top_p": 0.9, "temperature": 2.0},
    ],
    ids=str,
)
def test_draws_follow_the_softmax(options):
    model, rows = Toy(9, seed=4), 4000
    found = drawn(model, SOURCES[:1] * rows, **options, seed=1, max_length=2, complete=False)
    counts = np.bincount(found.ids[:, 0, 0], minlength=9)
    each, _ = model.follow(*model.begin(SOURCES[0]), START, 0)
    powers = np.exp(each / options.get("temperature", 1.0))
    wanted = powers / powers.sum()
    order = np.argsort(-wanted)
    kept = np.zeros(9, dtype=bool)
    kept[order[: options.get("top_k", 9)]] = True
    before = np.cumsum(wanted[order]) - wanted[order]
    kept[order[before > options.get("top_p", 1.0)]] = False
    assert counts[~kept].sum() == 0
    wanted = np.where(kept, wanted, 0.0) / wanted[kept].sum()
    np.testing.assert_allclose(counts / rows, wanted, atol=4 * np.sqrt(0.25 / rows))


def test_seeds_and_positions_draw_apart():
    """Neighbouring seeds and positions must not repeat each other's numbers."""
    model = Toy(5)
    for variable in model.variables:
        variable.assign(np.zeros(variable.shape, dtype="float32"))
    whole = [
        drawn(model, SOURCES[:1], seed=seed, end_id=9, max_length=20, complete=False).ids[0, 0]
        for seed in range(60)
    ]
    tokens = np.stack(whole)  # [seeds, positions], all five alike probable
    np.testing.assert_allclose(np.bincount(tokens.ravel()) / tokens.size, 0.2, atol=0.05)
    for shift in range(1, 4):
        assert np.mean(tokens[:, shift:] == tokens[:, :-shift]) < 0.27
        assert np.mean(tokens[shift:] == tokens[:-shift]) < 0.27
        assert np.mean(tokens[shift:, :-shift] == tokens[:-shift, shift:]) < 0.27


def test_a_seed_gives_the_same_draws_again():
    model = Toy(9, seed=6)
    one = drawn(model, SOURCES, seed=2**40)
    again = drawn(model, SOURCES, seed=2**40)
    np.testing.assert_array_equal(one.ids, again.ids)
    assert not np.array_equal(one.ids, drawn(model, SOURCES, seed=3).ids)
    for row, source in enumerate(SOURCES):
        sequence = sequences(one.ids[row])[0]
        total = model.log_probability(source, sequence)
        assert math.isclose(one.log_probabilities[row, 0], total, rel_tol=1e-4)


@compiled
def test_another_seed_temperature_or_share_compiles_nothing():
    model = Toy(9, seed=9)
    drawn(model, SOURCES, top_p=0.5)
    before = decoding.traces()
    drawn(model, SOURCES[::-1], top_p=0.9, temperature=2.0, seed=8)
    assert decoding.traces() == before
    drawn(model, SOURCES, top_k=3)
    assert decoding.traces() == before + 1
    # Nothing of a trace is left in the sampler that all of them share.
    prepared = sampling.prepare(Sampler(top_k=3).strategy)
    assert len(prepared.variables) == 1
    assert type(prepared.seed_generator) is keras.random.SeedGenerator


def test_samplers_out_of_range_are_named():
    for options, message in (
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"temperature": True}, "temperature is True"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 0}, "top_p is 0"),
        ({"top_p": float("nan")}, "top_p is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": None}, "seed is None"),
        ({"beam_size": 2}, "beam_size is 2 and a sampler is given"),
    ):
        with pytest.raises(OptionError, match=message):
            drawn(Toy(5), SOURCES, **options)
