"""What the models of each kind offer to those who use them: tasks, searches, optimizers, export.

A model keeps a contract by having its methods and attributes; it inherits nothing from it. Code
asks with isinstance, never for a single attribute. This file imports no Keras.

Tensors are the backend's own, or NumPy arrays outside of what is compiled. A state is a dict of
tensors with the batch as their first axis, so that a search can repeat and reorder its rows.
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
        """Return float32 logits, of all positions at once where there are several."""


@runtime_checkable
class Decoder(Model, Protocol):
    """A model that writes a sequence one token at a time."""

    def start(self, inputs: dict[str, Tensor], max_length: int) -> tuple[State, State]:
        """Read the inputs; return the memory and the state before the first step.

        Args:
            inputs: of a translator "source", int32 [batch, source]; of a language model "tokens",
                int32 [batch, time], padded on the left, the last one being the first that `step`
                gets, and where it carries a state "lengths", int32 [batch], and "state".
            max_length: steps that the state has room for.

        Returns:
            memory: stays as it is; a search repeats its rows once, for the beams.
            state: changes with each step; a search reorders its rows.
        """

    def step(
        self, token: Tensor, position: Tensor, memory: State, state: State
    ) -> tuple[Tensor, State]:
        """Return float32 logits [batch, vocabulary] of the next token, and the new state.

        Args:
            token: int32 [batch], the one before.
            position: int32 scalar, the number of this step; 0 is the first.
        """


@runtime_checkable
class Growable(Protocol):
    """A decoder whose state has room for so many steps, and can get more."""

    def grow(self, state: State, max_length: int) -> State:
        """Return the state with room for max_length steps."""


@runtime_checkable
class Translator(Decoder, Protocol):
    """A decoder that reads a source, and whose call takes {"source", "target"}, int32 [batch, ...].

    Attributes:
        max_length: the longest source or target that it reads, in tokens; None for any length.
    """

    max_length: int | None


@runtime_checkable
class Aligner(Protocol):
    """A translator that looks at its source."""

    def attention(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return float32 weights over the source, [batch, heads, target, source]."""


@runtime_checkable
class LanguageModel(Decoder, Protocol):
    """A decoder of texts, whose call takes int32 [batch, time].

    Attributes:
        context: the most tokens that it sees; None where it carries a state, which knows all.
    """

    context: int | None

    def initial_state(self, batch: int) -> State:
        """Return the state before a text, float32 [batch, ...]; {} where there is a context."""

    def read(self, tokens: Tensor, state: State, training: bool = False) -> tuple[Tensor, State]:
        """Return float32 logits [batch, time, vocabulary] of the next tokens, and the new state.

        Args:
            tokens: int32 [batch, time], without padding, at most `context` of them.
            state: of the text before, as `initial_state` or another `read` returns it.
        """


@runtime_checkable
class Encoder(Model, Protocol):
    """A model that reads sequences whole, each position knowing of those on both sides."""

    def encode(self, tokens: Tensor, training: bool = False) -> Any:
        """Return states [batch, time, width] of int32 [batch, time], and what a decoder needs."""


@runtime_checkable
class SequenceClassifier(Model, Protocol):
    """A classifier of sequences, whose call takes int32 [batch, time] or [batch, sequences, time].

    Attributes:
        context: the most tokens of a sequence.
        specials: ids of the start, delimiter and extract token, right after the vocabulary's.
    """

    context: int
    specials: tuple[int, ...]


@runtime_checkable
class StatefulClassifier(Model, Protocol):
    """A classifier that reads a document of any length in pieces, padded on the left.

    Attributes:
        kept: the last tokens of a document, which its decision pools.
    """

    kept: int

    def initial_carry(self, batch: int) -> State:
        """Return what goes from piece to piece, before the first one."""

    def read(self, tokens: Tensor, carry: State, pooled: Any = True) -> State:
        """Return what goes on after the tokens, int32 [batch, time].

        Args:
            pooled: which positions are pooled, a bool or bool [batch, time].
        """

    def decide(self, carry: State) -> Tensor:
        """Return float32 logits [batch, classes] of documents that were read to their end."""


@runtime_checkable
class Grouped(Protocol):
    """A model whose layers are trained at different rates, or join the training one by one."""

    def groups(self) -> list[list[Any]]:
        """Return the trainable variables by groups of layers, from the input to the output."""
