"""Prediction and Entropy of Printed English (Shannon, 1951,
https://doi.org/10.1002/j.1538-7305.1951.tb01366.x): models of n-grams, of which a bigram is the
smallest that knows an order of words.

New in this paper: the entropy of English as the limit of the entropies of its n-grams, which counts
give: how uncertain the next letter is after the n - 1 before it (section 2). Shannon wrote text by
such counts in 1948. What a table says of unseen n-grams came later, as its smoothing: Witten and
Bell (1991), Kneser and Ney (1995), Chen and Goodman (1998). zoo/ngrams/smoothing.py has their
equations.

The model is the table of an ARPA file, which all toolkits share:

    log p(w | h) = log p(h w), if h w is in the table                            (back-off)
                   log b(h) + log p(w | h'), if not

where h' is h without its first word, and b(h) is 1 for a history that is not there. The table of an
interpolated model has the own share a(h w) of each n-gram in place of p(h w):

    p(w | h) = a(h w) + b(h) p(w | h')                                          (interpolation)

The weights are integers, which no gradient changes and no bundle rounds. An n-gram is a row, found
by a binary search among those that go on from the same history; its numbers are rows of one list of
levels, since few of them differ: PTB's four million are 25 thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from zoo import typed
from zoo.layers.model import PaperModel
from zoo.ngrams import layout

# The natural logarithm of one step of the levels.
LOG = float(np.log(10.0)) * layout.UNIT
# N-grams are written among the logits in pieces: for each position SHARE of the most n-grams that
# go on from one history, LEAST in all. Few positions need no pieces, and so no loop.
SHARE, LEAST = 1 / 16, 8192


class Table(keras.layers.Layer):
    """The n-grams of one order, sorted by their words from the first to the last.

    Args:
        count: number of n-grams.
        vocabulary: number of words.
        levels: number of levels.
        widest: the most n-grams of the next order that go on from one of these; None is the highest
            order.
        single: whether they are single words.
    """

    def __init__(
        self, count: int, vocabulary: int, levels: int, widest: int | None, single: bool, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.count = count
        self.vocabulary = vocabulary
        self.levels = levels
        self.widest = widest
        self.single = single

    def build(self, input_shape=None) -> None:
        def integers(name: str, count: int, largest: int):
            return self.add_weight(
                shape=(count,), initializer="zeros", dtype=layout.integer(largest), trainable=False,
                name=name,
            )  # fmt: skip

        if not self.single:  # row i of single words is word i
            self.word = integers("word", self.count, self.vocabulary - 1)
        self.probability = integers("probability", self.count, self.levels - 1)
        if self.widest is not None:
            self.backoff = integers("backoff", self.count, self.levels - 1)
            # Where the n-grams that go on from a row begin; there is one row more, for the end.
            self.block = layout.block(self.widest)
            blocks = -(-(self.count + 1) // self.block)
            self.block_begin = self.add_weight(
                shape=(blocks,), initializer="zeros", dtype="int32", trainable=False,
                name="block_begin",
            )  # fmt: skip
            self.begin = integers("begin", self.count + 1, layout.SHORT)
        self.built = True

    def call(self, rows):
        """Return where the n-grams that go on from rows [...] begin and end, int32 [...] both.

        A row of -1 is none, from which nothing goes on.
        """
        there = rows >= 0
        rows = ops.maximum(rows, 0)
        begin, end = (
            ops.take(self.block_begin, each // self.block) + _taken(self.begin, each)
            for each in (rows, rows + 1)
        )
        return begin, ops.where(there, end, begin)


def _taken(integers, rows):
    """Return integers of any type at rows, as int32."""
    return ops.cast(ops.take(integers, rows), "int32")


@keras.saving.register_keras_serializable("paperzoo.bigram")
class NGramModel(PaperModel):
    """p(w_t | w_t-n+1 ... w_t-1), from a table of n-grams."""

    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        vocabulary: int  # number of words or characters, special ones included
        order: int = 2  # n: the model reads the last n - 1 words
        # "none", "add-k", "witten-bell" or "kneser-ney" (the modified one); of an ARPA file "file"
        smoothing: str | None = (
            "kneser-ney"  # None, as `--set` may leave it, is told by the trainer
        )
        # whether shorter histories speak for all words, not for unseen ones alone
        interpolated: bool = True
        k: float = 1.0  # what "add-k" adds to each count
        # id before the first word of a text; None if a text begins anywhere
        start: int | None = None
        # The sizes of the table, which counting sets.
        ngrams: tuple = ()  # number of n-grams of orders 2 to n; 1 where it is missing
        widest: tuple = ()  # of orders 1 to n - 1: the most n-grams that go on from one
        levels: int = 1  # number of different values in the table

    context = None  # its state is the last n - 1 words

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        own = self.arguments
        if own.order < 1:
            raise ValueError(f"order is {own.order}, and is at least 1: single words")
        counts = [own.vocabulary, *own.ngrams, *[1] * own.order][: own.order]
        widest = [*own.widest, *[1] * own.order][: own.order - 1]
        self.tables = [
            Table(count, own.vocabulary, own.levels, most, order == 1, dtype=self.dtype_policy)
            for order, count, most in zip(
                range(1, own.order + 1), counts, [*widest, None], strict=True
            )
        ]

    def build(self, input_shape=None) -> None:
        self.levels = self.add_weight(
            shape=(self.arguments.levels,), initializer="zeros", dtype="int32", trainable=False,
            name="levels",
        )  # fmt: skip
        for table in self.tables:
            table.build()
        self.built = True

    @property
    def parameter_count(self) -> int:
        """The number of probabilities and back-offs."""
        return sum(table.count * (1 if table.widest is None else 2) for table in self.tables)

    def initial_state(self, batch):
        """Return the words before a text: the start, or -1 for none."""
        start = -1 if self.arguments.start is None else self.arguments.start
        shape = (batch, self.arguments.order - 1)
        return {"words": ops.full(shape, float(start), dtype="float32")}

    def read(self, tokens, state, training=False):
        """Return float32 logits [batch, time, vocabulary] of the next words, and the state.

        The logits are natural logarithms of probabilities.
        """
        before = self.arguments.order - 1
        words = ops.cast(ops.round(state["words"]), "int32")
        words = ops.concatenate([words, ops.cast(tokens, "int32")], axis=1)
        batch, time = ops.shape(tokens)
        histories = [
            ops.reshape(rows[:, before:], (-1,)) for rows in self._histories(words)
        ]  # [batch time] each
        logits = self._logits(histories, ops.shape(histories[0])[0] if before else batch * time)
        logits = ops.reshape(logits, (batch, time, self.arguments.vocabulary))
        return logits, self._state(words[:, -before:] if before else words[:, :0])

    def call(self, inputs, training=False):
        """Return float32 logits [batch, time, vocabulary] of int32 tokens [batch, time]."""
        return self.read(inputs, self.initial_state(ops.shape(inputs)[0]), training)[0]

    def _state(self, words):
        return {"words": ops.cast(words, "float32")}

    # The table ---------------------------------------------------------------------------------

    def _histories(self, words):
        """Return the rows of the last 1, 2, ... n - 1 words up to each place, -1 for those missing.

        Args:
            words: int32 [batch, time], -1 for none.

        Returns:
            int32 [batch, time] for each length; those that begin before the first word are -1.
        """
        found = []
        for order in range(1, self.arguments.order):
            if order == 1:
                found.append(words)
                continue
            # One word more than the history that ended a place before.
            shorter = ops.concatenate([ops.full_like(words[:, :1], -1), found[-1][:, :-1]], axis=1)
            found.append(self._find(order, shorter, words))
        return found

    def _find(self, order: int, rows, words):
        """Return the rows of an order's n-grams: those of the order below with one word more."""
        below, table = self.tables[order - 2], self.tables[order - 1]
        begin, end = below(rows)
        assert below.widest is not None  # the highest order is below none
        low, high = begin, end
        for _ in range(int(below.widest).bit_length()):  # halve what is left of the n-grams
            middle = (low + high) // 2
            smaller = _taken(table.word, ops.minimum(middle, table.count - 1)) < words
            active = low < high
            low, high = (
                ops.where(ops.logical_and(active, smaller), middle + 1, low),
                ops.where(ops.logical_and(active, ops.logical_not(smaller)), middle, high),
            )
        same = ops.equal(_taken(table.word, ops.minimum(low, table.count - 1)), words)
        return typed.where(ops.logical_and(low < end, same), low, -1)

    def _log(self, levels, rows):
        """Return natural logarithms, float32, of a weight's rows."""
        return ops.cast(ops.take(self.levels, _taken(levels, rows)), "float32") * LOG

    def _logits(self, histories, count):
        """Return float32 logits [count, vocabulary] after histories, int32 [count] per length."""
        # log b of each history and of all longer ones: what its n-grams are multiplied by.
        after = ops.zeros((count,), dtype="float32")
        weights = [after]
        for rows, table in zip(histories[::-1], self.tables[-2::-1], strict=True):
            own = self._log(table.backoff, ops.maximum(rows, 0))
            after = after + typed.where(rows < 0, 0.0, own)
            weights.insert(0, after)
        single = self._log(self.tables[0].probability, typed.arange(self.arguments.vocabulary))
        logits = ops.reshape(single[None, :] + weights[0][:, None], (-1,))
        # One more, where what lies beyond the last n-gram is written.
        logits = ops.concatenate([logits, ops.zeros((1,), dtype="float32")])
        for order, rows in enumerate(histories, 2):
            logits = self._written(logits, order, rows, weights[order - 1])
        return ops.reshape(logits[:-1], (-1, self.arguments.vocabulary))

    def _written(self, logits, order: int, histories, weights):
        """Return logits [count vocabulary + 1] with those of an order's n-grams after histories.

        Histories have few n-grams or many, so all of them lie in one line, read in equal pieces.
        """
        table, vocabulary = self.tables[order - 1], self.arguments.vocabulary
        begin, end = self.tables[order - 2](histories)
        until = ops.cumsum(end - begin)  # of the line, where the n-grams of each history end
        before = until - (end - begin)
        total, beyond = until[-1], ops.shape(logits)[0] - 1
        widest = self.tables[order - 2].widest
        assert widest is not None
        positions = histories.shape[0]  # None in a graph of TensorFlow for any batch
        size = max(int(widest * SHARE) * (positions or 1024), LEAST)
        at_once = positions is not None and positions * widest <= size
        if at_once:
            size = positions * widest

        def piece(first, logits):
            places = first + typed.arange(size)
            history = ops.minimum(
                ops.cast(ops.searchsorted(until, places, side="right"), "int32"),
                ops.shape(until)[0] - 1,
            )
            row = ops.take(begin, history) + places - ops.take(before, history)
            row = ops.minimum(row, table.count - 1)
            index = history * vocabulary + _taken(table.word, row)
            index = ops.where(places < total, index, beyond)
            values = self._log(table.probability, row) + ops.take(weights, history)
            if self.arguments.interpolated:
                values = ops.logaddexp(values, ops.take(logits, index))
            return first + size, ops.scatter_update(logits, index[:, None], values)

        first = ops.zeros((), dtype="int32")
        if at_once:
            return piece(first, logits)[1]
        return ops.while_loop(lambda first, _: first < total, piece, (first, logits))[1]

    # One step at a time ------------------------------------------------------------------------

    def start(self, inputs, max_length: int):
        """Remember the words of a prompt but its last one, which is the first that `step` gets.

        Args:
            inputs: "tokens", int32 [batch, time], padded on the left; "lengths", int32 [batch], the
                real tokens of each row, all by default; "state", of the text before.
        """
        tokens, before = inputs["tokens"], self.arguments.order - 1
        batch, time = ops.shape(tokens)
        state = inputs.get("state") or self.initial_state(batch)
        if before == 0:
            return {}, state
        lengths = inputs["lengths"] if "lengths" in inputs else ops.full((batch,), time, "int32")
        line = ops.concatenate([state["words"], ops.cast(tokens[:, :-1], "float32")], axis=1)
        # The last words, counted back from the end: those of the prompt, then those of the state.
        back = before - 1 - typed.arange(before)[None, :]
        left = ops.expand_dims(ops.cast(lengths, "int32") - 1, 1) - back  # > 0 in the prompt
        index = ops.where(left > 0, before + time - 2 - back, before - 1 + left)
        return {}, {"words": ops.take_along_axis(line, index, axis=1)}

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, vocabulary] after token [batch], and the state."""
        logits, state = self.read(token[:, None], state)
        return logits[:, 0], state
