"""Greedy search, beam search and sampling over any model that can `start` and `step`.

One loop serves every paper. `model.start(inputs, max_length)` reads the input and returns a memory,
which stays the same, and a state, which each `model.step(token, position, memory, state)` changes.
A method is one function that picks the next pieces from a step's logits: `_single`, which follows
one sequence per row by its most probable or a drawn piece, and `_beam`.

Scores follow vaswani2017 (section 6.1) and GNMT: score = log P / lp, lp = ((5 + |Y|) / 6)^alpha,
where |Y| counts the end token. By default every returned sequence is complete: at the last position
within a row's limit only the end token may follow, with the probability that the model gives it.

Caches grow in a few static sizes: the loop starts in the smallest one and continues in the next if
necessary (`grow`), so that a short output does not pay for the longest allowed.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from zoo import compiling, finite, typed
from zoo.decoding import sampling
from zoo.decoding.largest import largest
from zoo.errors import NotSupported, OptionError, check_count
from zoo.models.contracts import Decoder, Growable

FIRST_LENGTH = 32  # smallest cache; each next one, compiled when needed, is twice as large
FEW = 16  # up to this number of sequences a cache is small and begins with the second size
MOST_BEAMS = 256  # a larger number is a typing error and would fill the memory
IMPOSSIBLE = -1e9  # a finite logit without probability

traces = compiling.traces


@dataclasses.dataclass(frozen=True)
class Decoded:
    """The sequences of each row of a batch, best first.

    Attributes:
        ids: int32 [batch, num_return, max_length], without the start token, with the end token if
            the sequence has one, padded after it or after the row's limit.
        scores: float32 [batch, num_return], log P / lp; -inf where fewer sequences were found.
        log_probabilities: float32 [batch, num_return], the natural log P of these ids.
        steps: number of the model's steps.
    """

    ids: np.ndarray
    scores: np.ndarray
    log_probabilities: np.ndarray
    steps: int


@dataclasses.dataclass(frozen=True)
class Search:
    """The constants of a compiled search."""

    length: int  # of the cache
    end_id: int
    pad_id: int
    beam_size: int
    num_return: int
    early_stop: bool
    complete: bool = True
    strategy: sampling.Strategy | None = None
    forbidden_ids: tuple[int, ...] = ()


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
    forbidden_ids: tuple[int, ...] = (),
) -> Decoded:
    """Search for the most probable sequences that follow the inputs, or draw some.

    A beam keeps the `beam_size` best unfinished sequences and, separately, the best finished ones.
    A row stops when no unfinished sequence can beat the worst of the `num_return` that it returns.
    With beam_size 1 the search is greedy.

    Args:
        model: a built `zoo.models.contracts.Decoder`, and `Growable` if its cache can grow.
        inputs: those of `model.start`: int32 arrays, batch first.
        start_id: the first token, the same for all rows or int32 [batch].
        end_id: the end token; with complete=False, -1 means that there is no end token.
        max_length: most tokens to return, the end token included.
        limits: max_length of each row, int32 [batch], if rows differ.
        beam_size: number of unfinished sequences to follow.
        length_penalty: alpha; 0 compares log-probabilities, more favours longer sequences.
        num_return: number of sequences to return, at most beam_size.
        early_stop: false continues to the limit, with the same result.
        complete: false leaves a sequence at its limit without an end token.
        sampler: draw one sequence for each row with it. Rows of a batch have separate draws, which
            depend on the number of rows.
        forbidden_ids: tokens never to pick, such as the unknown word; they get no probability.

    Raises:
        OptionError: an option out of its range, or a sampler together with a beam.
        NotSupported: a model without `start` and `step`.
        PredictionError: a logit of the model is NaN or infinite.
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
    limits = np.full(batch, max_length) if limits is None else np.clip(limits, 1, max_length)
    alpha = np.asarray(length_penalty, np.float32)
    options: dict[str, Any] = {"limits": limits.astype(np.int32), "length_penalty": alpha}
    strategy = None if sampler is None else sampler.strategy
    if sampler is not None:
        sampling.prepare(sampler.strategy)
        options |= sampler.arrays()
    first = np.broadcast_to(np.asarray(start_id, np.int32), (batch,)).copy()
    sizes = _sizes(int(limits.max()), batch * beam_size, isinstance(model, Growable))
    search = Search(
        sizes[0], end_id, pad_id, beam_size, num_return, early_stop, complete, strategy,
        forbidden_ids,
    )  # fmt: skip
    arrays = {"inputs": dict(inputs), "first": first, "options": options}
    position, memory, carry = compiling.run(_start, model, search, arrays)
    for length in sizes[1:]:
        if ops.convert_to_numpy(carry["done"]).all():
            break
        search = dataclasses.replace(search, length=length)
        arrays = {"position": position, "memory": memory, "carry": carry, "options": options}
        position, carry = compiling.run(_continue, model, search, arrays)
    finite.check(model, ops.convert_to_numpy(carry["finite"]))
    return _decoded(carry, int(position), max_length, search)


def greedy(
    model: keras.Model, inputs: dict[str, Any], *, start_id: Any, end_id: int, pad_id: int,
    limits: Any, complete: bool = True, forbidden_ids: tuple[int, ...] = (),
) -> Any:  # fmt: skip
    """Return the ids [batch, longest limit] of a greedy `decode` inside the caller's graph.

    It compiles nothing: it is for graphs that hold more than the search, such as an exported one,
    and takes tensors whose batch and length only a run of that graph fixes.

    Args:
        inputs: those of `model.start`.
        start_id: the first token, the same for all rows or int32 [batch].
        limits: int32 [batch], each at least 1; the cache is as long as the longest.
        complete, forbidden_ids: see `decode`.
    """
    longest = ops.max(limits, initial=1)
    search = Search(
        longest, end_id, pad_id, 1, 1, early_stop=True, complete=complete,
        forbidden_ids=forbidden_ids,
    )  # fmt: skip
    arrays = {
        "inputs": inputs,
        "first": ops.broadcast_to(ops.cast(start_id, "int32"), ops.shape(limits)),
        "options": {"limits": limits, "length_penalty": ops.zeros((), dtype="float32")},
    }
    return _start(model, search, arrays)[2]["ids"][:, 0]


def _check(max_length: int, beam_size: int, num_return: int, length_penalty: float) -> None:
    check_count("max_length", max_length)
    check_count("beam_size", beam_size)
    check_count("num_return", num_return)
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
    """Return the cache sizes to run in, in order, until `longest` fits."""
    sizes = [FIRST_LENGTH if sequences > FEW else 2 * FIRST_LENGTH]
    while sizes[-1] < longest:
        sizes.append(2 * sizes[-1])
    return sizes if grows else sizes[-1:]


def _decoded(carry: dict, steps: int, max_length: int, search: Search) -> Decoded:
    """Convert the result of a search to NumPy, with ids of max_length."""
    name = "ids" if search.beam_size == 1 else "finished_ids"
    ids, scores, log_probabilities = (
        ops.convert_to_numpy(carry[key])[:, : search.num_return]
        for key in (name, "scores", "log_probabilities")
    )
    ids = ids[:, :, :max_length]
    missing = ((0, 0), (0, 0), (0, max_length - ids.shape[2]))
    ids = np.pad(ids, missing, constant_values=search.pad_id).astype(np.int32)
    ids[np.isneginf(scores)] = search.pad_id
    return Decoded(ids, scores, log_probabilities, steps)


# Compiled: arrays are tensors from here on -----------------------------------------------------


def _start(model: keras.Model, search: Search, arrays: dict) -> tuple:
    """Read the inputs, make room for the search and run the loop in the first size."""
    memory, state = model.start(arrays["inputs"], search.length)
    begin = _begin_single if search.beam_size == 1 else _begin_beam
    if search.beam_size > 1:
        memory, state = tree.map_structure(
            lambda leaf: ops.repeat(leaf, search.beam_size, axis=0), (memory, state)
        )
    carry = {**begin(search, arrays["first"]), "state": state}
    position, carry = _run(model, search, 0, memory, carry, arrays["options"])
    return position, memory, carry


def _continue(model: keras.Model, search: Search, arrays: dict) -> tuple:
    """Continue the loop in a larger size."""
    carry = dict(arrays["carry"])
    carry["state"] = model.grow(carry["state"], search.length)
    for name in ("ids", "finished_ids"):
        if name in carry:
            missing = [[0, 0], [0, 0], [0, search.length - carry[name].shape[2]]]
            carry[name] = ops.pad(carry[name], missing, constant_values=search.pad_id)
    return _run(model, search, arrays["position"], arrays["memory"], carry, arrays["options"])


def _run(model, search: Search, start, memory, carry: dict, options: dict) -> tuple:
    """Step until every row is done or the cache is full."""
    pick = _single if search.beam_size == 1 else _beam

    def unfinished(position, carry):
        return ops.logical_and(position < search.length, ops.any(~carry["done"]))

    def advance(position, carry):
        logits, state = model.step(carry["token"], position, memory, carry["state"])
        for forbidden_id in search.forbidden_ids:
            allowed = typed.arange(ops.shape(logits)[-1]) != forbidden_id
            logits = typed.where(allowed, logits, IMPOSSIBLE)
        normaliser = ops.logsumexp(logits, axis=-1, keepdims=True)
        sound = ops.isfinite(normaliser)  # false if any logit is NaN or inf
        if search.strategy is not None:  # PyTorch draws from nothing else
            logits = typed.where(sound, logits, 0.0)
        rows = ops.all(ops.reshape(sound, (-1, search.beam_size)), axis=1)
        rows = ops.logical_and(carry["finite"], ops.logical_or(rows, carry["done"]))
        carry = {**carry, "state": state}
        picked = pick(search, options, logits, normaliser, position, carry)
        return position + 1, {**picked, "finite": rows}

    return compiling.loop(unfinished, advance, start, carry)


def _begin_single(search: Search, first) -> dict:
    batch = ops.shape(first)[0]
    return {
        "token": first,
        "ids": ops.full((batch, 1, search.length), search.pad_id, dtype="int32"),
        "log_probabilities": ops.zeros((batch, 1), dtype="float32"),
        "scores": ops.zeros((batch, 1), dtype="float32"),
        "done": ops.zeros((batch,), dtype="bool"),
        "finite": ops.ones((batch,), dtype="bool"),
    }


def _single(search: Search, options: dict, logits, normaliser, position, carry: dict) -> dict:
    """Follow one piece of logits [batch, vocabulary]: the most probable or a drawn one.

    Args:
        normaliser: logsumexp of the logits, [batch, 1].
    """
    if search.strategy is None:
        top, piece = largest(logits, 1)  # [batch, 1]
    else:
        piece = sampling.draw(search.strategy, options, logits, position)[:, None]
        top = ops.take_along_axis(logits, piece, axis=1)
    last = position + 1 >= options["limits"]
    if search.complete:
        top = ops.where(last[:, None], logits[:, search.end_id : search.end_id + 1], top)
        piece = ops.where(last[:, None], search.end_id, piece)
    done = carry["done"]
    gain = typed.where(done[:, None], 0.0, top - normaliser)
    token = ops.where(done, search.pad_id, piece[:, 0])
    log_probability = carry["log_probabilities"] + gain
    score = log_probability / _length_factor(position + 1, options)
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
    # All beams begin alike, so only the first may continue: the others would be copies.
    alone = typed.where(typed.arange(beams) == 0, 0.0, nothing)
    return {
        "token": ops.repeat(first, beams, axis=0),
        "ids": blank,
        "alive": alone,
        "finished_ids": blank,
        "scores": nothing,
        "log_probabilities": nothing,
        "done": ops.zeros((batch,), dtype="bool"),
        "finite": ops.ones((batch,), dtype="bool"),
    }


def _beam(search: Search, options: dict, logits, normaliser, position, carry: dict) -> dict:
    """Extend the beams by the pieces of logits [batch * beams, vocabulary].

    The best 2 * beams extensions hold at least `beams` that do not end, unless fewer exist. Those
    that end compete with the finished sequences; the best others stay alive.
    """
    beams, end_id = search.beam_size, search.end_id
    batch = carry["done"].shape[0]
    last = (position + 1 >= options["limits"])[:, None]  # [batch, 1]

    # The best pieces of each beam, then the best of all: [batch, beams * width].
    width = min(2 * beams, logits.shape[-1])
    top, pieces = largest(logits, width)
    if search.complete:
        forced = ops.repeat(last, beams, axis=0)
        end = typed.where(typed.arange(width) == 0, logits[:, end_id : end_id + 1], -np.inf)
        top = ops.where(forced, end, top)
        pieces = ops.where(forced, end_id, pieces)
    # Rounding must not make a probability above 1: the bound below would fail.
    gain = ops.minimum(top - normaliser, 0.0)
    total = ops.reshape(ops.reshape(carry["alive"], (-1, 1)) + gain, (batch, beams * width))
    total, chosen = ops.top_k(total, min(2 * beams, beams * width))  # [batch, extensions]
    parent = chosen // width
    piece = ops.take_along_axis(ops.reshape(pieces, (batch, -1)), chosen, axis=1)
    ids = ops.take_along_axis(carry["ids"], parent[:, :, None], axis=1)
    ids = _write(ids, piece, position)  # [batch, extensions, length]

    # Extensions that end or reach the limit.
    ends = ops.logical_or(piece == end_id, last)
    ended = typed.where(ends, total, -np.inf)
    score = ended / _length_factor(position + 1, options)
    scores, order = ops.top_k(ops.concatenate([carry["scores"], score], axis=1), beams)
    log_probabilities = ops.concatenate([carry["log_probabilities"], ended], axis=1)
    finished_ids = ops.concatenate([carry["finished_ids"], ids], axis=1)
    finished_ids = ops.take_along_axis(finished_ids, order[:, :, None], axis=1)

    # Extensions that continue.
    alive, kept = ops.top_k(typed.where(ends, -np.inf, total), beams)
    piece = ops.take_along_axis(piece, kept, axis=1)
    parent = ops.take_along_axis(parent, kept, axis=1)

    done = ops.logical_or(carry["done"], last[:, 0])
    if search.early_stop:
        # log P only falls: its present value at the greatest possible length bounds the score of
        # an alive sequence.
        bound = alive[:, 0] / _length_factor(options["limits"], options)
        done = ops.logical_or(done, bound <= scores[:, search.num_return - 1])
    rows = ops.reshape(typed.arange(batch)[:, None] * beams + parent, (-1,))
    return {
        "token": ops.reshape(piece, (-1,)),
        "ids": ops.take_along_axis(ids, kept[:, :, None], axis=1),
        # A finished row has no beams left, so it stays the same while others continue.
        "alive": typed.where(done[:, None], -np.inf, alive),
        "finished_ids": finished_ids,
        "scores": scores,
        "log_probabilities": ops.take_along_axis(log_probabilities, order, axis=1),
        "done": done,
        "state": tree.map_structure(lambda leaf: ops.take(leaf, rows, axis=0), carry["state"]),
    }


def _length_factor(length, options: dict):
    """lp of GNMT (equation 14): ((5 + |Y|) / 6)^alpha."""
    return ops.power((5.0 + ops.cast(length, "float32")) / 6.0, options["length_penalty"])


def _write(ids, piece, position):
    """Set position of ids [batch, n, length] to piece [batch, n]."""
    return ops.where(typed.arange(ops.shape(ids)[2]) == position, piece[:, :, None], ids)
