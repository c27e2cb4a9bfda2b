"""Improving Language Understanding by Generative Pre-Training (Radford, Narasimhan, Salimans,
Sutskever, OpenAI 2018,
https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf): GPT.

New in this paper: the decoder of the Transformer alone, without an encoder to look at, learns to
predict books word piece by word piece; the same network, with one linear layer more, is then
fine-tuned to tasks whose inputs are written as one sequence each. Positions are learned, the
activation is GELU, layer normalisation comes after each residual connection as in vaswani2017.

This file is the language model (sections 3.1 and 4.1); zoo/models/gpt1_tasks.py is what it becomes
by fine-tuning (3.2, 3.3), zoo/data/transformations.py how a task's texts become sequences. Where
the paper leaves things open or this file departs from it:
  GELU       The tanh approximation, as in the authors' code.
  epsilon    1e-5, inside the square root, as in the code.
  dropout    On the sum of embeddings and positions, as the paper can be read and transformers does;
             the code drops elements of the embedding matrix itself, also where it is the softmax.
  padding    On the left, with -1, which is no row of any matrix; positions count from a sequence's
             first token.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.layers.attention import grown

# A score that leaves no weight.
MASKED = -1e9


def normal() -> keras.initializers.Initializer:
    """N(0, 0.02) (section 4.1)."""
    return keras.initializers.RandomNormal(stddev=0.02)


@keras.saving.register_keras_serializable("paperzoo.gpt1")
class Block(keras.layers.Layer):
    """Causal self-attention, then feed-forward (section 3.1, equation 2).

        n = LayerNorm(x + Dropout(Attention(x)))
        h = LayerNorm(n + Dropout(FFN(n)))

    Args:
        width: of the states; each head has width / heads of them.
        heads: must divide the width.
        feed_forward: units between the two layers of FFN.
        dropout: on the outputs of attention and FFN.
        attention_dropout: on the attention weights.
        epsilon: of layer normalisation.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        feed_forward: int,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        epsilon: float = 1e-5,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if width % heads:
            raise ValueError(f"heads ({heads}) must divide width ({width})")
        self.arguments = {
            "width": width, "heads": heads, "feed_forward": feed_forward, "dropout": dropout,
            "attention_dropout": attention_dropout, "epsilon": epsilon,
        }  # fmt: skip
        self.width = width
        self.heads = heads
        self.head_dim = width // heads
        common = {"dtype": self.dtype_policy}

        def dense(units, **options):
            return keras.layers.Dense(units, kernel_initializer=normal(), **options, **common)

        # Queries, keys and values side by side, as in the code.
        self.query_key_value = dense(3 * width)
        self.projection = dense(width)
        self.attention_norm = keras.layers.LayerNormalization(epsilon=epsilon, **common)
        self.inner = dense(feed_forward)
        self.outer = dense(width)
        self.feed_forward_norm = keras.layers.LayerNormalization(epsilon=epsilon, **common)
        self.dropout = keras.layers.Dropout(dropout, **common)
        self.attention_dropout = keras.layers.Dropout(attention_dropout, **common)

    def build(self, input_shape=None) -> None:
        for layer in (self.query_key_value, self.projection, self.inner):
            layer.build((None, self.width))
        self.outer.build((None, self.inner.units))
        for norm in (self.attention_norm, self.feed_forward_norm):
            norm.build((None, None, self.width))
        self.built = True

    def heads_of(self, x):
        """Return queries, keys, values, each [batch, heads, time, head_dim], of x."""
        time = ops.shape(x)[1]
        x = ops.reshape(self.query_key_value(x), (-1, time, 3, self.heads, self.head_dim))
        return ops.unstack(ops.transpose(x, (2, 0, 3, 1, 4)), 3)

    def attend(self, x, queries, seen, training=False):
        """Return the block's output [batch, time, width].

        Args:
            x: the block's input [batch, time, width].
            queries: [batch, heads, time, head_dim].
            seen: what is looked at, in one part or several: keys and values [batch, heads, memory,
                head_dim] and a mask, true where x may look, broadcast to [batch, heads, time,
                memory].
        """
        queries = queries * self.head_dim**-0.5
        # Softmax in float32 also under mixed precision.
        scores = [
            ops.where(
                mask,
                ops.cast(ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2))), "float32"),
                MASKED,
            )
            for keys, _, mask in seen
        ]
        scores = ops.concatenate(scores, axis=-1)
        # A single position gets all; Keras would warn of such a softmax.
        alone = scores.shape[-1] == 1
        weights = ops.ones_like(scores) if alone else ops.softmax(scores, axis=-1)
        weights = self.attention_dropout(ops.cast(weights, self.compute_dtype), training=training)
        context, first = 0, 0
        for _, values, _ in seen:
            last = first + ops.shape(values)[2]
            context, first = context + ops.matmul(weights[..., first:last], values), last
        time = ops.shape(x)[1]
        context = ops.reshape(ops.transpose(context, (0, 2, 1, 3)), (-1, time, self.width))
        attended = self.dropout(self.projection(context), training=training)
        x = self.attention_norm(x + attended)
        inner = keras.activations.gelu(self.inner(x), approximate=True)
        return self.feed_forward_norm(x + self.dropout(self.outer(inner), training=training))

    def call(self, x, mask, training=False):
        """Return the output [batch, time, width], and its keys and values.

        Args:
            x: [batch, time, width].
            mask: bool, true where x may look, broadcast to [batch, heads, time, time].
        """
        queries, keys, values = self.heads_of(x)
        return self.attend(x, queries, [(keys, values, mask)], training), keys, values

    def compute_mask(self, inputs, previous_mask):
        """Return None: who needs the mask has it."""

    def get_config(self) -> dict:
        return {**super().get_config(), **self.arguments}


@keras.saving.register_keras_serializable("paperzoo.gpt1")
class Decoder(keras.layers.Layer):
    """Embeddings plus positions, and the blocks (section 3.1, equation 2).

    Args: those of `LanguageModel`, and how many special tokens there are after the vocabulary.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int,
        width: int,
        layers: int,
        heads: int,
        feed_forward: int,
        dropout: float,
        attention_dropout: float,
        epsilon: float,
        specials: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = {
            "vocabulary": vocabulary, "context": context, "width": width, "layers": layers,
            "heads": heads, "feed_forward": feed_forward, "dropout": dropout,
            "attention_dropout": attention_dropout, "epsilon": epsilon, "specials": specials,
        }  # fmt: skip
        self.vocabulary = vocabulary
        self.context = context
        self.width = width
        self.specials = specials
        common = {"dtype": self.dtype_policy}
        self.dropout = keras.layers.Dropout(dropout, **common)
        self.blocks = [
            Block(width, heads, feed_forward, dropout, attention_dropout, epsilon, **common)
            for _ in range(layers)
        ]

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
            ids: int32 [batch, time]; those below 0 are padding and give any row.
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
        """Return the last block's output [batch, time, width], and keys and values of each block.

        Args:
            ids: int32 [batch, time], at most `context` long.
            padded: whether there may be padding on the left, -1.
        """
        time = ops.shape(ids)[1]
        if isinstance(time, int) and time > self.context:
            raise ValueError(f"{time} tokens, but the context is {self.context}")
        index = ops.arange(time)
        mask = (index[:, None] >= index[None, :])[None, None]  # [1, 1, time, time]
        positions = index[None]
        if padded:
            present = ids >= 0
            padding = ops.sum(ops.cast(~present, "int32"), axis=1, keepdims=True)
            positions = ops.maximum(positions - padding, 0)
            mask = ops.logical_and(mask, present[:, None, None, :])
        x, kept = self.embed(ids, positions, training), []
        for block in self.blocks:
            x, keys, values = block(x, mask, training=training)
            kept.append((keys, values))
        return x, kept

    def compute_mask(self, inputs, previous_mask):
        """Return None: who needs the mask has it."""

    def logits(self, hidden):
        """Return float32 logits [..., vocabulary + specials] of states [..., width]."""
        tables = [self.tokens, self.special] if self.specials else [self.tokens]
        parts = [
            ops.cast(ops.matmul(hidden, ops.transpose(ops.cast(each, hidden.dtype))), "float32")
            for each in tables
        ]
        return ops.concatenate(parts, axis=-1) if self.specials else parts[0]

    def get_config(self) -> dict:
        return {**super().get_config(), **self.arguments}


@keras.saving.register_keras_serializable("paperzoo.gpt1")
class LanguageModel(keras.Model):
    """p(u_i | u_i-k ... u_i-1) with the decoder of a Transformer (section 3.1).

    Args:
        vocabulary: number of tokens.
        context: most tokens that are read, k.
        width: of the states.
        layers, heads, feed_forward: of the blocks.
        dropout: on embeddings and on the outputs of attention and feed-forward layers.
        attention_dropout: on the attention weights.
        epsilon: of layer normalisation.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        context: int = 512,
        width: int = 768,
        layers: int = 12,
        heads: int = 12,
        feed_forward: int = 3072,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        epsilon: float = 1e-5,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments: dict[str, Any] = {
            "vocabulary": vocabulary, "context": context, "width": width, "layers": layers,
            "heads": heads, "feed_forward": feed_forward, "dropout": dropout,
            "attention_dropout": attention_dropout, "epsilon": epsilon,
        }  # fmt: skip
        self.context = context
        self.decoder = Decoder(**self.arguments, dtype=self.dtype_policy)

    def build(self, input_shape=None) -> None:
        self.decoder.build()
        self.built = True

    def call(self, inputs, training=False):
        """Return float32 logits [batch, time, vocabulary] of the tokens that follow each one.

        Args:
            inputs: int32 tokens [batch, time], padded on the left with -1.
        """
        return self.decoder.logits(self.decoder(inputs, training=training)[0])

    # As a stream is read -------------------------------------------------------------------------

    def zero_state(self, batch):
        """Return the state before a text: nothing, as no more than `context` tokens are seen."""
        return {}

    def read(self, tokens, state, training=False):
        """Return float32 logits [batch, time, vocabulary] of the tokens that follow, and more.

        Args:
            tokens: int32 [batch, time], without padding, at most `context` of them; nothing before
                them is seen.
            state: {}.

        Returns:
            Logits; twice the last block's output [time, batch, width], where a recurrent network
            has it without and with dropout; {}.
        """
        hidden, _ = self.decoder(tokens, padded=False, training=training)
        states = ops.transpose(hidden, (1, 0, 2))
        return self.decoder.logits(hidden), states, states, {}

    # One step at a time ------------------------------------------------------------------------

    def start(self, inputs, max_length: int):
        """Read all of a prompt but its last token; return what stays and an empty cache.

        Args:
            inputs: "tokens", int32 [batch, time], at least two, padded on the left with -1; the
                last one is the first that `step` gets.
            max_length: steps that the cache has room for.
        """
        tokens = inputs["tokens"][:, :-1]
        present = tokens >= 0
        _, kept = self.decoder(tokens)
        memory: dict[str, Any] = {
            "seen": present[:, None, None, :],
            "read": ops.sum(ops.cast(present, "int32"), axis=1),
        }
        state = {}
        for i, (keys, values) in enumerate(kept):
            memory[f"keys_{i}"], memory[f"values_{i}"] = keys, values
            batch, heads, _, head_dim = ops.shape(keys)
            empty = (batch, heads, max_length, head_dim)
            state[f"keys_{i}"] = ops.zeros(empty, dtype=self.compute_dtype)
            state[f"values_{i}"] = ops.zeros(empty, dtype=self.compute_dtype)
        return memory, state

    def step(self, token, position, memory, state):
        """Return float32 logits [batch, vocabulary] after token [batch], and the state."""
        # A row that is done goes on with the others, perhaps beyond the last position.
        place = ops.minimum(memory["read"] + position, self.context - 1)
        x = self.decoder.embed(token[:, None], place[:, None])
        state = dict(state)
        steps = ops.arange(ops.shape(state["keys_0"])[2])
        own = (steps <= position)[None, None, None, :]  # [1, 1, 1, max_length]
        for i, block in enumerate(self.decoder.blocks):
            queries, key, value = block.heads_of(x)  # [batch, heads, 1, head_dim]
            where = (0, 0, position, 0)
            state[f"keys_{i}"] = ops.slice_update(state[f"keys_{i}"], where, key)
            state[f"values_{i}"] = ops.slice_update(state[f"values_{i}"], where, value)
            seen = [
                (memory[f"keys_{i}"], memory[f"values_{i}"], memory["seen"]),
                (state[f"keys_{i}"], state[f"values_{i}"], own),
            ]
            x = block.attend(x, queries, seen)
        return self.decoder.logits(x[:, 0]), state

    def grow(self, state, max_length: int):
        """Return the cache with room for max_length steps."""
        return grown(state, max_length)

    def get_config(self) -> dict:
        return {**super().get_config(), **self.arguments}
