"""Greedy search, beam search and sampling over any model that can `start` and `step`.

One loop serves every paper. `model.start(inputs, max_length)` reads the input and gives a memory,
which stays, and a state, which each `model.step(token, position, memory, state)` changes. A method
is one function that takes a step's logits and picks what comes next: `_single`, which follows one
sequence a row, the most probable piece or one that is drawn, and `_beam`.

Scores follow vaswani2017 (section 6.1) and GNMT: score = log P / lp, lp = ((5 + |Y|) / 6)^alpha,
where |Y| counts the end token. Every returned sequence is complete, unless `decode` is told
otherwise: at the last position that a row's limit allows, only the end token may follow, with the
probability that the model gives it.

Caches grow in a few static sizes: the loop runs in the smallest one, and goes on in the next if it
must (`grow`), so that a short output pays neither time nor memory for the longest allowed.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from zoo import compiling
from zoo.decoding import sampling
from zoo.errors import NotSupported, OptionError, check_count
from zoo.models.contracts import Decoder, Growable

# The smallest size of a cache; each next one is twice as large, compiled when an output reaches it.
FIRST_LENGTH = 32
# The cache of so few sequences is small anyway: it begins with the second size.
FEW = 16
# More beams than this are a slip of the pen, and would fill the memory.
MOST_BEAMS = 256
# Logits are searched in blocks of about this many pieces; see `_top`.
BLOCK = 64
# A logit that leaves no probability, and sums that are finite.
IMPOSSIBLE = -1e9

traces = compiling.traces


@dataclasses.dataclass(frozen=True)
class Decoded:
    """What was found for each row of a batch, best first.

    Attributes:
        ids: int32 [batch, num_return, max_length], without the start token, with the end token if
            the sequence has one, padded after it or after the row's limit.
        scores: float32 [batch, num_return], log P / lp; -inf where there are not so many sequences.
        log_probabilities: float32 [batch, num_return], the natural log P of these ids.
        steps: steps that the model made.
    """

    ids: np.ndarray
    scores: np.ndarray
    log_probabilities: np.ndarray
    steps: int


@dataclasses.dataclass(frozen=True)
class Search:
    """What is constant in a compiled search."""

    length: int
    end_id: int
    pad_id: int
    beam_size: int
    num_return: int
    early_stop: bool
    complete: bool = True
    strategy: sampling.Strategy | None = None
    forbidden_id: int | None = None


def decode(
    model: keras.Model,
    inputs: dict[str, np.ndarray],
    *,
    start_id: int | np.ndarray,
    end_id: int,
    pad_id: int,
    max_length: int,
    limits: np.ndarray | None = None,
    beam_size: int = 1,
    length_penalty: float = 0.6,
    num_return: int = 1,
    early_stop: bool = True,
    complete: bool = True,
    sampler: sampling.Sampler | None = None,
    forbidden_id: int | None = None,
) -> Decoded:
    """Search for the most probable sequences that follow the inputs, or draw some.

    A beam keeps the `beam_size` best unfinished sequences and, apart from them, the best finished
    ones, which stay as they are. A row stops as soon as no unfinished sequence can still beat the
    worst of the `num_return` that it returns. With beam_size 1 the search is greedy.

    Args:
        model: a built `zoo.models.contracts.Decoder`, and `Growable` if its cache can grow.
        inputs: what `model.start` takes: int32 arrays, batch first.
        start_id: the first token, the same for all rows or int32 [batch].
        end_id: what ends a sequence; with complete=False it may be -1, which nothing is.
        max_length: most tokens to return, the end token included.
        limits: int32 [batch], the same for each row where rows differ.
        beam_size: unfinished sequences that are followed.
        length_penalty: alpha; 0 compares log-probabilities, more favours longer sequences.
        num_return: how many sequences to return, at most beam_size.
        early_stop: false goes on to the limit; the result is the same.
        complete: false lets a sequence that reaches its limit stay without an end, as a text that
            could go on.
        sampler: draw one sequence for each row by it instead. Rows of a batch have draws of their
            own; these depend on the number of rows.
        forbidden_id: never picked, such as the unknown word; probabilities are those of the rest.

    Raises:
        OptionError: an option out of its range, or a sampler together with a beam.
        NotSupported: a model that cannot `start` and `step`.
    """
    if not isinstance(model, Decoder):
        raise NotSupported(f"{model.name} cannot decode: it has no `start` and `step`")
    _check(max_length, beam_size, num_return, length_penalty)
    if sampler is not None and beam_size > 1:
        raise OptionError(
            f"beam_size is {beam_size} and a sampler is given",
            "sample with beam_size 1, or search without temperature, top_k, top_p and seed",
        )
    batch = len(next(iter(tree.flatten(inputs))))
    most = np.full(batch, max_length) if limits is None else np.clip(limits, 1, max_length)
    given: dict[str, Any] = {
        "limits": most.astype(np.int32),
        "length_penalty": np.asarray(length_penalty, np.float32),
    }
    strategy = None
    if sampler is not None:
        strategy = sampler.strategy
        sampling.prepare(strategy)
        given |= sampler.arrays()
    first = np.broadcast_to(np.asarray(start_id, np.int32), (batch,)).copy()
    sizes = _sizes(int(most.max()), batch * beam_size, isinstance(model, Growable))
    search = Search(
        sizes[0], end_id, pad_id, beam_size, num_return, early_stop, complete, strategy,
        forbidden_id,
    )  # fmt: skip
    arrays = {"inputs": dict(inputs), "first": first, "given": given}
    position, memory, carry = compiling.run(_start, model, search, arrays)
    for length in sizes[1:]:
        if ops.convert_to_numpy(carry["done"]).all():
            break
        search = dataclasses.replace(search, length=length)
        arrays = {"position": position, "memory": memory, "carry": carry, "given": given}
        position, carry = compiling.run(_go_on, model, search, arrays)
    return _decoded(carry, int(position), max_length, search)


def greedy(
    model: keras.Model, source: Any, *, start_id: int, end_id: int, pad_id: int, limits: Any
) -> Any:
    """Return what `decode` with beam_size 1 finds, as ids [batch, longest limit], inside a graph.

    Compiles nothing by itself: it is for graphs that hold more than the search, such as an
    exported one, and takes tensors whose batch and length are known only when that graph runs.

    Args:
        source: int32 [batch, source].
        limits: int32 [batch], each at least 1; the cache is as long as the longest.
    """
    batch = ops.shape(source)[0]
    longest = ops.max(limits, initial=1)
    search = Search(longest, end_id, pad_id, beam_size=1, num_return=1, early_stop=True)
    arrays = {
        "inputs": {"source": source},
        "first": ops.full((batch,), start_id, dtype="int32"),
        "given": {"limits": limits, "length_penalty": ops.zeros((), dtype="float32")},
    }
    return _start(model, search, arrays)[2]["ids"][:, 0]


def _check(max_length: int, beam_size: int, num_return: int, length_penalty: float) -> None:
    given = {"max_length": max_length, "beam_size": beam_size, "num_return": num_return}
    for name, value in given.items():
        check_count(name, value)
    if beam_size > MOST_BEAMS:
        raise OptionError(f"beam_size is {beam_size}", f"beam_size is at most {MOST_BEAMS}")
    if num_return > beam_size:
        raise OptionError(
            f"num_return is {num_return} and beam_size is {beam_size}",
            "num_return is at most beam_size",
        )
    if not isinstance(length_penalty, (int, float, np.number)):
        raise OptionError(f"length_penalty is {length_penalty!r}", "length_penalty is a number")
    if not 0 <= length_penalty < np.inf:
        raise OptionError(f"length_penalty is {length_penalty}", "length_penalty is at least 0")


def _sizes(longest: int, sequences: int, grows: bool) -> list[int]:
    """Return the cache sizes to run in, one after another, until `longest` fits."""
    sizes = [FIRST_LENGTH if sequences > FEW else 2 * FIRST_LENGTH]
    while sizes[-1] < longest:
        sizes.append(2 * sizes[-1])
    return sizes if grows else sizes[-1:]


def _decoded(carry: dict, steps: int, max_length: int, search: Search) -> Decoded:
    """Bring the result of a search into numpy and to the length that was asked for."""
    name = "ids" if search.beam_size == 1 else "finished_ids"
    found = {
        key: ops.convert_to_numpy(carry[key])[:, : search.num_return]
        for key in (name, "scores", "log_probabilities")
    }
    ids = found[name][:, :, :max_length]
    missing = ((0, 0), (0, 0), (0, max_length - ids.shape[2]))
    ids = np.pad(ids, missing, constant_values=search.pad_id).astype(np.int32)
    ids[np.isneginf(found["scores"])] = search.pad_id
    return Decoded(ids, found["scores"], found["log_probabilities"], steps)


# Compiled: arrays are tensors from here on -----------------------------------------------------


def _start(model: keras.Model, search: Search, arrays: dict) -> tuple:
    """Read the inputs, make room for the search and run the loop in the first size."""
    memory, state = model.start(arrays["inputs"], search.length)
    begin = _begin_single if search.beam_size == 1 else _begin_beam
    tiled = [
        tree.map_structure(lambda leaf: ops.repeat(leaf, search.beam_size, axis=0), each)
        if search.beam_size > 1
        else each
        for each in (memory, state)
    ]
    carry = {**begin(search, arrays["first"]), "state": tiled[1]}
    position, carry = _run(model, search, 0, tiled[0], carry, arrays["given"])
    return position, tiled[0], carry


def _go_on(model: keras.Model, search: Search, arrays: dict) -> tuple:
    """Run the loop on in a larger size."""
    carry = dict(arrays["carry"])
    carry["state"] = model.grow(carry["state"], search.length)
    for name in ("ids", "finished_ids"):
        if name in carry:
            missing = search.length - carry[name].shape[2]
            widths = [[0, 0], [0, 0], [0, missing]]
            carry[name] = ops.pad(carry[name], widths, constant_values=search.pad_id)
    return _run(model, search, arrays["position"], arrays["memory"], carry, arrays["given"])


def _run(model, search: Search, start, memory, carry: dict, given: dict) -> tuple:
    """Step until every row is done or the size is used up."""
    pick = _single if search.beam_size == 1 else _beam

    def unfinished(position, carry):
        return ops.logical_and(position < search.length, ops.any(~carry["done"]))

    def advance(position, carry):
        logits, state = model.step(carry["token"], position, memory, carry["state"])
        if search.forbidden_id is not None:
            allowed = ops.arange(ops.shape(logits)[-1]) != search.forbidden_id
            logits = ops.where(allowed, logits, IMPOSSIBLE)
        picked = pick(search, given, logits, position, {**carry, "state": state})
        return position + 1, picked

    return compiling.loop(unfinished, advance, start, carry)


def _begin_single(search: Search, first) -> dict:
    batch = ops.shape(first)[0]
    return {
        "token": first,
        "ids": ops.full((batch, 1, search.length), search.pad_id, dtype="int32"),
        "log_probabilities": ops.zeros((batch, 1), dtype="float32"),
        "scores": ops.zeros((batch, 1), dtype="float32"),
        "done": ops.zeros((batch,), dtype="bool"),
    }


def _single(search: Search, given: dict, logits, position, carry: dict) -> dict:
    """Follow one piece of logits [batch, vocabulary]: the most probable one, or a drawn one."""
    if search.strategy is None:
        top, piece = _top(logits, 1)  # [batch, 1]
    else:
        piece = sampling.draw(search.strategy, given, logits, position)[:, None]
        top = ops.take_along_axis(logits, piece, axis=1)
    last = position + 1 >= given["limits"]
    if search.complete:
        top = ops.where(last[:, None], logits[:, search.end_id : search.end_id + 1], top)
        piece = ops.where(last[:, None], search.end_id, piece)
    done = carry["done"]
    gain = ops.where(done[:, None], 0.0, top - ops.logsumexp(logits, axis=-1, keepdims=True))
    token = ops.where(done, search.pad_id, piece[:, 0])
    log_probability = carry["log_probabilities"] + gain
    score = log_probability / _length_factor(position + 1, given)
    return {
        "token": token,
        "ids": _write(carry["ids"], token[:, None], position),
        "log_probabilities": log_probability,
        "scores": ops.where(done[:, None], carry["scores"], score),
        "done": ops.logical_or(done, ops.logical_or(piece[:, 0] == search.end_id, last)),
        "state": carry["state"],
    }


def _begin_beam(search: Search, first) -> dict:
    batch, beams = first.shape[0], search.beam_size
    blank = ops.full((batch, beams, search.length), search.pad_id, dtype="int32")
    nothing = ops.full((batch, beams), -np.inf, dtype="float32")
    # All beams begin alike: only the first may go on, or the beam would hold copies.
    alone = ops.where(ops.arange(beams) == 0, 0.0, nothing)
    return {
        "token": ops.repeat(first, beams, axis=0),
        "ids": blank,
        "alive": alone,
        "finished_ids": blank,
        "scores": nothing,
        "log_probabilities": nothing,
        "done": ops.zeros((batch,), dtype="bool"),
    }


def _beam(search: Search, given: dict, logits, position, carry: dict) -> dict:
    """Extend each of the beams by the pieces of logits [batch * beams, vocabulary].

    The best 2 * beams extensions hold at least `beams` that do not end, unless fewer exist. Those
    that end compete with the finished ones, the best others stay alive.
    """
    beams, end_id = search.beam_size, search.end_id
    batch = carry["done"].shape[0]
    last = (position + 1 >= given["limits"])[:, None]  # [batch, 1]

    # The best pieces of each beam, then the best of all: [batch, beams * width].
    width = min(2 * beams, logits.shape[-1])
    top, pieces = _top(logits, width)
    if search.complete:
        end = logits[:, end_id : end_id + 1]
        forced = ops.repeat(last, beams, axis=0)
        only = ops.arange(width) == 0
        top = ops.where(forced, ops.where(only, end, -np.inf), top)
        pieces = ops.where(forced, end_id, pieces)
    # Rounding must not make a probability of more than 1, or the bound below would not hold.
    gain = ops.minimum(top - ops.logsumexp(logits, axis=-1, keepdims=True), 0.0)
    total = ops.reshape(ops.reshape(carry["alive"], (-1, 1)) + gain, (batch, beams * width))
    total, chosen = ops.top_k(total, min(2 * beams, beams * width))  # [batch, extensions]
    parent = chosen // width
    piece = ops.take_along_axis(ops.reshape(pieces, (batch, -1)), chosen, axis=1)
    ids = ops.take_along_axis(carry["ids"], parent[:, :, None], axis=1)
    ids = _write(ids, piece, position)  # [batch, extensions, length]

    # Those that end, or may not go on.
    ends = ops.logical_or(piece == end_id, last)
    ended = ops.where(ends, total, -np.inf)
    score = ended / _length_factor(position + 1, given)
    scores, order = ops.top_k(ops.concatenate([carry["scores"], score], axis=1), beams)
    log_probabilities = ops.concatenate([carry["log_probabilities"], ended], axis=1)
    finished_ids = ops.concatenate([carry["finished_ids"], ids], axis=1)
    finished_ids = ops.take_along_axis(finished_ids, order[:, :, None], axis=1)

    # Those that go on.
    alive, going = ops.top_k(ops.where(ends, -np.inf, total), beams)
    piece = ops.take_along_axis(piece, going, axis=1)
    parent = ops.take_along_axis(parent, going, axis=1)

    done = ops.logical_or(carry["done"], last[:, 0])
    if search.early_stop:
        # log P only falls, so that an alive sequence can score no better than with its present
        # log P and the greatest length that it may reach.
        bound = alive[:, 0] / _length_factor(given["limits"], given)
        done = ops.logical_or(done, bound <= scores[:, search.num_return - 1])
    rows = ops.reshape(ops.arange(batch)[:, None] * beams + parent, (-1,))
    return {
        "token": ops.reshape(piece, (-1,)),
        "ids": ops.take_along_axis(ids, going[:, :, None], axis=1),
        # A row that is done has no beams left, so that it stays as it is while others go on.
        "alive": ops.where(done[:, None], -np.inf, alive),
        "finished_ids": finished_ids,
        "scores": scores,
        "log_probabilities": ops.take_along_axis(log_probabilities, order, axis=1),
        "done": done,
        "state": tree.map_structure(lambda leaf: ops.take(leaf, rows, axis=0), carry["state"]),
    }


def _length_factor(length, given: dict):
    """lp of GNMT (equation 14): ((5 + |Y|) / 6)^alpha."""
    return ops.power((5.0 + ops.cast(length, "float32")) / 6.0, given["length_penalty"])


def _write(ids, piece, position):
    """Set position of ids [batch, n, length] to piece [batch, n]."""
    return ops.where(ops.arange(ops.shape(ids)[2]) == position, piece[:, :, None], ids)


def _top(logits, k: int):
    """Return the k largest of logits [rows, vocabulary] and where they are, each [rows, k].

    The k largest lie in the k blocks with the largest maxima. Finding those first is several times
    faster than a search of all pieces, which would cost as much as the model's own layers.
    """
    rows, vocabulary = ops.shape(logits)
    blocks = vocabulary // BLOCK
    if blocks <= 4 * k:
        return ops.top_k(logits, k)
    inside = ops.reshape(logits[:, : blocks * BLOCK], (rows, blocks, BLOCK))
    _, block = ops.top_k(ops.max(inside, axis=-1), k)  # [rows, k]
    candidates = ops.take_along_axis(inside, block[:, :, None], axis=1)
    where = block[:, :, None] * BLOCK + ops.arange(BLOCK)
    candidates, where = (ops.reshape(each, (rows, k * BLOCK)) for each in (candidates, where))
    if blocks * BLOCK < vocabulary:
        rest = ops.arange(blocks * BLOCK, vocabulary)[None]
        rest = ops.broadcast_to(rest, (rows, vocabulary % BLOCK))
        candidates = ops.concatenate([candidates, logits[:, blocks * BLOCK :]], axis=1)
        where = ops.concatenate([where, rest], axis=1)
    largest, index = ops.top_k(candidates, k)
    return largest, ops.take_along_axis(where, index, axis=1)
