"""Improving Language Understanding by Generative Pre-Training (Radford, Narasimhan, Salimans,
Sutskever, OpenAI 2018,
https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf): GPT.

New in this paper: a Transformer decoder without an encoder learns to predict the word pieces of
books; with one more linear layer the same network is fine-tuned to tasks whose inputs are written
as one sequence. Positions are learned and the activation is GELU; otherwise the block is that of
vaswani2017, zoo/layers/transformer.py.

This file is the language model (sections 3.1 and 4.1); zoo/models/gpt1_tasks.py holds the models
that fine-tuning makes of it (3.2, 3.3), and zoo/data/sequences.py writes a task's texts as
sequences. Open points and departures:
  GELU       The tanh approximation, as in the authors' code.
  epsilon    1e-5, inside the square root, as in the code.
  dropout    On the sum of embeddings and positions, one reading of the paper and that of
             transformers; the code drops elements of the embedding matrix, in the softmax too.
  padding    On the left, with -1; positions count from a sequence's first token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from zoo import typed
from zoo.layers import attention, transformer
from zoo.layers.model import PaperModel


def normal() -> keras.initializers.Initializer:
    """N(0, 0.02) (section 4.1)."""
    return keras.initializers.RandomNormal(stddev=0.02)


@keras.saving.register_keras_serializable("paperzoo.gpt1")
class Block(transformer.Block):
    """Causal self-attention, then feed-forward (section 3.1, equation 2).

        n = LayerNorm(x + Dropout(Attention(x)))
        h = LayerNorm(n + Dropout(FFN(n)))

    Args:
        arguments: those of the model.
    """

    def __init__(self, arguments: LanguageModel.Arguments, **kwargs) -> None:
        super().__init__(
            arguments.width, arguments.heads, arguments.feed_forward, dropout=arguments.dropout,
            attention_dropout=arguments.attention_dropout, activation="gelu_tanh",
            epsilon=arguments.epsilon, fused=True, initializer=normal(), **kwargs,
        )  # fmt: skip
        # Bundles name weights by these shorter paths to the same layers.
        self.query_key_value = self.self_attention.query_key_value
        self.projection = self.self_attention.projection
        self.attention_norm = self.self_attention_norm
        self.inner, self.outer = self.feed_forward.inner, self.feed_forward.outer


@keras.saving.register_keras_serializable("paperzoo.gpt1")
class Decoder(keras.layers.Layer):
    """Embeddings plus positions, and the blocks (section 3.1, equation 2).

    Args:
        arguments: those of the model.
        specials: number of special tokens, whose ids follow the vocabulary.
    """

    def __init__(self, arguments: LanguageModel.Arguments, specials: int = 0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.vocabulary = arguments.vocabulary
        self.context = arguments.context
        self.width = arguments.width
        self.specials = specials
        common = {"dtype": self.dtype_policy}
        self.dropout = keras.layers.Dropout(arguments.dropout, **common)
        self.blocks = [Block(arguments, **common) for _ in range(arguments.layers)]

    def build(self, input_shape=None) -> None:
        shapes = {"tokens": self.vocabulary, "positions": self.context, "special": self.specials}
        for name, rows in shapes.items():
            if rows:
                weight = self.add_weight(
                    shape=(rows, self.width), initializer=normal(), name=name, autocast=False
                )
                setattr(self, name, weight)
        for block in self.blocks:
            block.build()
        self.built = True

    def embed(self, ids, positions, training=False):
        """Return embeddings plus positions, with dropout: [batch, time, width].

        Args:
            ids: int32 [batch, time]; below 0 they are padding and give arbitrary rows.
            positions: int32 [batch, time] or [1, time].
        """
        rows = ops.take(self.tokens, ops.clip(ids, 0, self.vocabulary - 1), axis=0)
        if self.specials:
            place = ops.clip(ids - self.vocabulary, 0, self.specials - 1)
            special = ops.take(self.special, place, axis=0)
            rows = ops.where((ids >= self.vocabulary)[..., None], special, rows)
        places = ops.take(self.positions, positions, axis=0)
        return self.dropout(ops.cast(rows + places, self.compute_dtype), training=training)

    def call(self, ids, padded=True, training=False):
        """Return the last block's output [batch, time, width], and the keys and values of all.

        Args:
            ids: int32 [batch, time], at most `context` long.
            padded: whether rows may begin with padding, -1.
        """
        time = ops.shape(ids)[1]
        if isinstance(time, int) and time > self.context:
            raise ValueError(f"{time} tokens, but the context is {self.context}")
        mask, positions = attention.causal(time), typed.arange(time)[None]
        if padded:
            present = ids >= 0
            padding = ops.sum(ops.cast(~present, "int32"), axis=1, keepdims=True)
            positions = ops.maximum(positions - padding, 0)
            mask = ops.logical_and(mask, present[:, None, None, :])
        x, cache = self.embed(ids, positions, training), {}
        for i, block in enumerate(self.blocks):
            x, own, _ = block(x, mask, training=training)
            cache[f"keys_{i}"], cache[f"values_{i}"] = own
        return x, cache

    def logits(self, hidden):
        """Return float32 logits [..., vocabulary + specials] of states [..., width]."""
        tables = [self.tokens, self.special] if self.specials else [self.tokens]
        parts = [
            ops.cast(ops.matmul(hidden, ops.transpose(ops.cast(table, hidden.dtype))), "float32")
            for table in tables
        ]
        return ops.concatenate(parts, axis=-1) if self.specials else parts[0]


@keras.saving.register_keras_serializable("paperzoo.gpt1")
class LanguageModel(PaperModel):
    """p(u_i | u_i-k ... u_i-1) with the decoder of a Transformer (section 3.1)."""

    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        vocabulary: int  # number of tokens
        context: int = 512  # k, the most tokens that the model reads
        width: int = 768  # of the states
        layers: int = 12  # blocks
        heads: int = 12  # must divide the width
        feed_forward: int = 3072  # units between the two layers of FFN
        dropout: float = 0.1  # on embeddings and on the outputs of attention and FFN
        attention_dropout: float = 0.1  # on the attention weights
        epsilon: float = 1e-5  # of layer normalisation

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        self.context = self.arguments.context
        self.decoder = Decoder(self.arguments, dtype=self.dtype_policy)

    def build(self, input_shape=None) -> None:
        self.decoder.build()
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [batch, time, vocabulary] of the next tokens.

        Args:
            inputs: int32 tokens [batch, time], padded on the left with -1.
        """
        return self.decoder.logits(self.decoder(inputs, training=training)[0])

    # As a stream is read -------------------------------------------------------------------------

    def initial_state(self, batch):
        """Return {}: the model sees `context` tokens and carries no state."""
        return {}

    def read(self, tokens, state, training=False):
        """Return float32 logits [batch, time, vocabulary] of the next tokens, and {}.

        Args:
            tokens: int32 [batch, time], without padding, at most `context`.
            state: {}.
        """
        hidden, _ = self.decoder(tokens, padded=False, training=training)
        return self.decoder.logits(hidden), {}

    # One step at a time ------------------------------------------------------------------------

    def start(self, inputs, max_length: int):
        """Read a prompt except its last token; return its keys and values and an empty cache.

        Args:
            inputs: "tokens", int32 [batch, time], at least two, padded on the left with -1; `step`
                gets the last one first.
            max_length: steps that the cache has room for.
        """
        tokens = inputs["tokens"][:, :-1]
        present = tokens >= 0
        _, prompt = self.decoder(tokens)
        read = ops.sum(ops.cast(present, "int32"), axis=1)
        memory: dict[str, Any] = {**prompt, "seen": present[:, None, None, :], "read": read}
        batch, heads, _, head_dim = ops.shape(prompt["keys_0"])
        room = (batch, heads, max_length, head_dim)
        return memory, attention.empty_cache(len(self.decoder.blocks), room, self.compute_dtype)

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, vocabulary] after token [batch], and the state."""
        # A finished row continues beside the others, perhaps beyond the last position.
        place = ops.minimum(memory["read"] + position, self.context - 1)
        x = self.decoder.embed(token[:, None], place[:, None])
        before = attention.so_far(state, position)
        for i, block in enumerate(self.decoder.blocks):
            queries, key, value = block.queries_keys_values(x)  # [batch, heads, 1, head_dim]
            state = attention.written(state, i, position, key, value)
            prompt = (memory[f"keys_{i}"], memory[f"values_{i}"], memory["seen"])
            own = (state[f"keys_{i}"], state[f"values_{i}"], before)
            x, _ = block.attend(x, queries, [prompt, own])
        return self.decoder.logits(x[:, 0]), state

    def grow(self, state, max_length: int):
        """Return the cache with room for max_length steps."""
        return attention.grown(state, max_length)


# Keras reads a file of each model of the paper after one import, this file's.
from zoo.models import gpt1_tasks as gpt1_tasks  # noqa: E402
