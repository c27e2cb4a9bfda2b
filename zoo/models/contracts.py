"""The methods that models of each kind offer to tasks, searches, optimizers and export.

A model keeps a contract by having its methods and attributes, without inheriting from it. Code
checks a contract with isinstance, never a single attribute. This file imports no Keras.

Tensors belong to the backend, or are NumPy arrays outside of compiled code. A state is a dict of
tensors whose first axis is the batch, so that a search can repeat and reorder its rows.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

Tensor = Any
State = dict[str, Tensor]


@runtime_checkable
class Model(Protocol):
    """The model of any paper: a built `keras.Model`."""

    name: str

    def __call__(self, inputs: Any, training: bool = False) -> Tensor:
        """Return float32 logits of all positions."""


@runtime_checkable
class Decoder(Model, Protocol):
    """A model that writes a sequence one token at a time."""

    def start(self, inputs: dict[str, Tensor], max_length: int) -> tuple[State, State]:
        """Read the inputs; return the memory and the state before the first step.

        Args:
            inputs: a translator takes "source", int32 [batch, source]; a language model takes
                "tokens", int32 [batch, time], padded on the left, whose last one `step` gets first,
                and, if it carries a state, "lengths", int32 [batch], and "state".
            max_length: steps that the state has room for.

        Returns:
            memory: constant; a search repeats its rows once, for the beams.
            state: changes with each step; a search reorders its rows.
        """

    def step(
        self, token: Tensor, position: Tensor, memory: State, state: State
    ) -> tuple[Tensor, State]:
        """Return float32 logits [batch, vocabulary] of the next token, and the new state.

        Args:
            token: int32 [batch], the previous token.
            position: int32 scalar, the number of this step, counted from 0.
        """


@runtime_checkable
class Growable(Protocol):
    """A decoder whose state has room for a number of steps and can get more."""

    def grow(self, state: State, max_length: int) -> State:
        """Return the state with room for max_length steps."""


@runtime_checkable
class Translator(Decoder, Protocol):
    """A decoder that reads a source; its call takes {"source", "target"}, int32 [batch, ...].

    Attributes:
        max_length: the longest source or target in tokens; None for any length.
    """

    max_length: int | None


@runtime_checkable
class Aligner(Protocol):
    """A translator that attends to its source."""

    def attention(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return float32 weights over the source, [batch, heads, target, source]."""


@runtime_checkable
class LanguageModel(Decoder, Protocol):
    """A decoder of texts; its call takes int32 [batch, time].

    Attributes:
        context: the most tokens that it sees; None if it carries a state through the whole text.
    """

    context: int | None

    def initial_state(self, batch: int) -> State:
        """Return the state before a text, float32 [batch, ...]; {} for a model with a context."""

    def read(self, tokens: Tensor, state: State, training: bool = False) -> tuple[Tensor, State]:
        """Return float32 logits [batch, time, vocabulary] of the next tokens, and the new state.

        Args:
            tokens: int32 [batch, time], without padding, at most `context` of them.
            state: of the preceding text, from `initial_state` or another `read`.
        """


@runtime_checkable
class Encoder(Model, Protocol):
    """A model that reads whole sequences; each position sees both sides."""

    def encode(self, tokens: Tensor, training: bool = False) -> Any:
        """Return the states [batch, time, width] of int32 [batch, time], and a decoder's memory."""


@runtime_checkable
class Filler(Model, Protocol):
    """A model that guesses the words at hidden places; its call takes int32 [batch, time].

    Attributes:
        context: the most tokens that it reads.
    """

    context: int

    def fill(self, tokens: Tensor, places: Tensor, training: bool = False) -> Tensor:
        """Return float32 logits [batch, places, vocabulary].

        Args:
            tokens: int32 [batch, time], padded.
            places: int32 [batch, places], counted from the left, padding included.
        """


@runtime_checkable
class TokenClassifier(Encoder, Protocol):
    """An encoder that labels each token: its call gives float32 logits [batch, time, classes].

    Attributes:
        context: the most tokens that it reads.
        classes: number of labels.
    """

    context: int
    classes: int


@runtime_checkable
class SpanFinder(Encoder, Protocol):
    """An encoder that finds where an answer stands; its call gives what `span_logits` does.

    Attributes:
        context: the most tokens that it reads.
    """

    context: int

    def span_logits(self, tokens: Tensor, training: bool = False) -> Tensor:
        """Return float32 logits [batch, 2, time] of each token: the answer starts, or ends, there.

        Args:
            tokens: int32 [batch, time], a question and its context, padded on the right.
        """


@runtime_checkable
class Judge(Filler, Protocol):
    """A model that also judges whether two texts follow each other, as their [SEP] parts them.

    Attributes:
        judges: whether it has the head for that.
        second_task: its argument that says so.
        judging: the layers of that head.
    """

    judges: bool
    second_task: str
    judging: list

    def fill_and_judge(
        self, tokens: Tensor, places: Tensor, training: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of `fill`, and float32 [batch, 2]: they follow, or they do not.

        Args: see `Filler.fill`; tokens are padded on the right.
        """


@runtime_checkable
class SequenceClassifier(Model, Protocol):
    """A classifier of sequences; its call takes int32 [batch, time] or [batch, sequences, time].

    Attributes:
        context: the most tokens of a sequence.
        specials: ids of the start, delimiter and extract token, right after the vocabulary's, or
            the tokenizer's own.
    """

    context: int
    specials: tuple[int, ...]


@runtime_checkable
class Embedder(SequenceClassifier, Protocol):
    """A model that gives each text a vector; its call takes int32 [batch, time].

    Of pairs, int32 [batch, 2, time], its call gives float32 scores [batch, 1].

    Attributes:
        width: numbers of a vector.
    """

    width: int

    def embed(self, tokens: Tensor, training: bool = False) -> Tensor:
        """Return float32 vectors [batch, width] of int32 [batch, time], padded on one side."""


@runtime_checkable
class StatefulClassifier(Model, Protocol):
    """A classifier that reads a document of any length in pieces, padded on the left.

    Attributes:
        kept: how many of a document's last tokens the decision pools.
    """

    kept: int

    def initial_carry(self, batch: int) -> State:
        """Return the carry before the first piece."""

    def read(self, tokens: Tensor, carry: State, pooled: Any = True) -> State:
        """Return the carry after the tokens, int32 [batch, time].

        Args:
            pooled: whether to pool the positions, a bool or bool [batch, time].
        """

    def decide(self, carry: State) -> Tensor:
        """Return float32 logits [batch, classes] of fully read documents."""


@runtime_checkable
class Grouped(Protocol):
    """A model whose layers can train at different rates or join the training one by one."""

    def groups(self) -> list[list[Any]]:
        """Return the trainable variables of each group of layers, from input to output."""


@runtime_checkable
class Regularised(Protocol):
    """A model that may add terms of its own to the loss in training.

    Attributes:
        adds_loss: whether it does so.
    """

    adds_loss: bool


@runtime_checkable
class Tabular(Protocol):
    """A model whose weights are a table of n-grams, see `zoo.ngrams.layout`.

    Attributes:
        tables: the n-grams of each order.
        levels: the numbers that they share.
    """

    tables: Any
    levels: Tensor
