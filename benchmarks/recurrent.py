"""The recurrent models in plain PyTorch, as a textbook writes them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peepholes import TorchPredictionNetwork


class TorchSequenceToSequence(nn.Module):
    """sutskever2014 with nn.LSTM.

    nn.LSTM adds two biases where the equations have one; `load` leaves the second at zero.
    """

    def __init__(self, arguments: dict) -> None:
        super().__init__()
        self.padding_id = arguments["padding_id"]
        embedding, width = arguments["embedding"], arguments["width"]
        lstm = {
            "num_layers": arguments["layers"], "batch_first": True,
            "dropout": arguments["dropout"] if arguments["layers"] > 1 else 0.0,
        }  # fmt: skip
        self.source_embedding = nn.Embedding(arguments["source_vocabulary"], embedding)
        self.target_embedding = nn.Embedding(arguments["target_vocabulary"], embedding)
        self.encoder = nn.LSTM(embedding, width, **lstm)
        self.decoder = nn.LSTM(embedding, width, **lstm)
        self.softmax = nn.Linear(width, arguments["target_vocabulary"])
        self.dropout = nn.Dropout(arguments["dropout"])

    def encode(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (h, c) of every layer after the last word, each [layers, batch, width]."""
        # A row of padding alone fills up a batch; packing refuses a length of zero.
        lengths = (source != self.padding_id).sum(1).clamp(min=1).cpu()
        x = self.dropout(self.source_embedding(source))
        packed = nn.utils.rnn.pack_padded_sequence(
            x, lengths, batch_first=True, enforce_sorted=False
        )
        return self.encoder(packed)[1]

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return logits [batch, target, vocabulary]."""
        x = self.dropout(self.target_embedding(target))
        x, _ = self.decoder(x, self.encode(source))
        return self.softmax(self.dropout(x))

    def start(self, source: torch.Tensor) -> tuple[Any, Any]:
        return None, self.encode(source)

    def step(self, token: torch.Tensor, position: int, memory: Any, state: Any) -> tuple:
        x, state = self.decoder(self.target_embedding(token)[:, None], state)
        return self.softmax(x[:, 0]), state

    def load(self, weights: dict[str, np.ndarray]) -> TorchSequenceToSequence:
        """Take the weights of ours, keyed as in a bundle."""
        held = dict(weights)
        state = {}
        for side in ("source", "target"):
            state[f"{side}_embedding.weight"] = held.pop(f"{side}_embedding.embeddings")
        for name in ("kernel", "bias"):
            state[f"softmax.{name.replace('kernel', 'weight')}"] = held.pop(f"softmax.{name}").T
        for side in ("encoder", "decoder"):
            for i in range(self.encoder.num_layers):
                # Both keep the gates in the order i, f, c (which torch calls g), o.
                cell = f"{side}_layers.{i}.cell"
                state[f"{side}.weight_ih_l{i}"] = held.pop(f"{cell}.kernel").T
                state[f"{side}.weight_hh_l{i}"] = held.pop(f"{cell}.recurrent_kernel").T
                bias = held.pop(f"{cell}.bias")
                state[f"{side}.bias_ih_l{i}"] = bias
                state[f"{side}.bias_hh_l{i}"] = np.zeros_like(bias)
        assert not held, f"left over: {sorted(held)}"
        return _loaded(self, state)


class GRU(nn.Module):
    """The paper's gated unit, whose reset gate works before the product, as nn.GRU's does not."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.W = nn.Linear(inputs, 3 * width)  # h~, z, r
        self.U = nn.Linear(width, width, bias=False)
        self.U_zr = nn.Linear(width, 2 * width, bias=False)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """Return h' [batch, width] for W x + b [batch, 3 width]."""
        inner, z, r = x.chunk(3, dim=-1)
        u_z, u_r = self.U_zr(h).chunk(2, dim=-1)
        z, r = torch.sigmoid(z + u_z), torch.sigmoid(r + u_r)
        return (1 - z) * h + z * torch.tanh(inner + self.U(r * h))


class TorchRNNSearch(nn.Module):
    """bahdanau2015, the paper's decoder, with nn.Linear and a loop over the words."""

    def __init__(self, arguments: dict) -> None:
        super().__init__()
        self.padding_id = arguments["padding_id"]
        m, n = arguments["embedding"], arguments["width"]
        alignment, maxout = arguments["alignment"], arguments["maxout"]
        self.source_embedding = nn.Embedding(arguments["source_vocabulary"], m)
        self.target_embedding = nn.Embedding(arguments["target_vocabulary"], m)
        self.encoder_forward, self.encoder_backward = GRU(m, n), GRU(m, n)
        self.gru = GRU(m, n)
        self.C = nn.Linear(2 * n, 3 * n, bias=False)
        self.W_s = nn.Linear(n, n)
        self.W_a = nn.Linear(n, alignment, bias=False)
        self.U_a = nn.Linear(2 * n, alignment)
        self.v_a = nn.Linear(alignment, 1, bias=False)
        self.U_o = nn.Linear(n, 2 * maxout, bias=False)
        self.V_o = nn.Linear(m, 2 * maxout)
        self.C_o = nn.Linear(2 * n, 2 * maxout, bias=False)
        self.softmax = nn.Linear(maxout, arguments["target_vocabulary"])
        self.dropout = nn.Dropout(arguments["dropout"])

    def read(self, gru: GRU, x: torch.Tensor, mask: torch.Tensor, order: range) -> torch.Tensor:
        """Return the states [batch, time, width] in one direction, which padding does not change.

        Args:
            x: W x + b [batch, time, 3 width].
            mask: bool [batch, time].
            order: of the positions.
        """
        h = x.new_zeros(len(x), gru.U.in_features)
        states = [h] * x.shape[1]
        for i in order:
            h = torch.where(mask[:, i, None], gru(x[:, i], h), h)
            states[i] = h
        return torch.stack(states, dim=1)

    def start(self, source: torch.Tensor) -> tuple[Any, torch.Tensor]:
        mask = source != self.padding_id
        x = self.dropout(self.source_embedding(source))
        time = range(source.shape[1])
        forward = self.read(self.encoder_forward, self.encoder_forward.W(x), mask, time)
        backward = self.read(self.encoder_backward, self.encoder_backward.W(x), mask, time[::-1])
        annotations = self.dropout(torch.cat([forward, backward], dim=-1))
        s = torch.tanh(self.W_s(annotations[:, 0, forward.shape[-1] :]))
        return (annotations, self.U_a(annotations), mask), s

    def advance(self, x: torch.Tensor, memory: Any, s: torch.Tensor) -> tuple:
        """Return s_i and c_i from W E y_i-1 + b and s_i-1."""
        annotations, keys, mask = memory
        e = self.v_a(torch.tanh(self.W_a(s)[:, None] + keys))[..., 0]
        weights = torch.softmax(e.masked_fill(~mask, -1e9), dim=-1)
        context = torch.bmm(weights[:, None], annotations)[:, 0]
        return self.gru(x + self.C(context), s), context

    def readout(self, s: torch.Tensor, embedded: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        """Return the logits [..., vocabulary] from s_i-1, E y_i-1 and c_i."""
        t = self.U_o(s) + self.V_o(embedded) + self.C_o(c)
        return self.softmax(self.dropout(t.unflatten(-1, (-1, 2)).amax(-1)))

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return logits [batch, target, vocabulary]."""
        memory, s = self.start(source)
        embedded = self.dropout(self.target_embedding(target[:, 1:]))
        embedded = nn.functional.pad(embedded, (0, 0, 1, 0))  # the first one is zero
        x = self.gru.W(embedded)
        states, contexts = [], []
        for i in range(target.shape[1]):
            states.append(s)
            s, context = self.advance(x[:, i], memory, s)
            contexts.append(context)
        return self.readout(torch.stack(states, 1), embedded, torch.stack(contexts, 1))

    def step(self, token: torch.Tensor, position: int, memory: Any, s: torch.Tensor) -> tuple:
        embedded = self.target_embedding(token)
        if position == 0:
            embedded = torch.zeros_like(embedded)
        after, context = self.advance(self.gru.W(embedded), memory, s)
        return self.readout(s, embedded, context), after

    def load(self, weights: dict[str, np.ndarray]) -> TorchRNNSearch:
        """Take the weights of ours, keyed as in a bundle."""
        held = {
            name.removeprefix("decoder.").removeprefix("alignment."): array
            for name, array in weights.items()
        }
        state = {}
        for side in ("source", "target"):
            state[f"{side}_embedding.weight"] = held.pop(f"{side}_embedding.embeddings")
        # Our name of a bias: that of the linear layer which has it here.
        biases = {"b_s": "W_s", "b_a": "U_a", "b_o": "V_o", "softmax.bias": "softmax"}
        for ours, theirs in biases.items():
            state[f"{theirs}.bias"] = held.pop(ours)
        state["softmax.weight"] = held.pop("softmax.kernel").T
        for name, array in held.items():
            if name.endswith(".b"):
                state[f"{name[:-2]}.W.bias"] = array
            else:
                state[f"{name}.weight"] = array[None] if array.ndim == 1 else array.T
        return _loaded(self, state)


class TorchLanguageModel(nn.Module):
    """merity2017 with nn.LSTM, whose second bias `load` leaves at zero.

    A state is a list of each layer's (h, c).
    """

    def __init__(self, arguments: dict) -> None:
        super().__init__()
        embedding, vocabulary = arguments["embedding"], arguments["vocabulary"]
        sizes = [embedding, *[arguments["width"]] * (arguments["layers"] - 1), embedding]
        self.rates = {
            part: arguments[f"dropout_{part}"]
            for part in ("words", "input", "hidden", "output", "weights")
        }
        self.embedding = nn.Embedding(vocabulary, embedding)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.lstms = nn.ModuleList(nn.LSTM(*pair) for pair in itertools.pairwise(sizes))
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def zero_state(self, batch: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return h and c before the first word, each [1, batch, width]."""
        zeros = [self.bias.new_zeros(1, batch, lstm.hidden_size) for lstm in self.lstms]
        return [(each, each) for each in zeros]

    def dropped(self, x: torch.Tensor, part: str) -> torch.Tensor:
        return nn.functional.dropout(x, self.rates[part], self.training)

    def locked(self, x: torch.Tensor, part: str) -> torch.Tensor:
        """Drop the same elements at all time steps of x [time, batch, width]."""
        return x * self.dropped(torch.ones_like(x[:1]), part) if self.training else x

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens)
        if not self.training:
            return x
        words = self.dropped(x.new_ones(self.embedding.num_embeddings, 1), "words")
        return x * words[tokens]

    def read(self, tokens: torch.Tensor, state: list) -> tuple[torch.Tensor, list]:
        """Return the last layer's output [time, batch, embedding], and the state after it."""
        x, after = self.locked(self.embed(tokens.T), "input"), []
        for i, lstm in enumerate(self.lstms):
            x = self.locked(x, "hidden") if i else x
            weights = {"weight_hh_l0": self.dropped(lstm.weight_hh_l0, "weights")}
            x, last = torch.func.functional_call(lstm, weights, (x, state[i]))
            after.append(last)
        return x, after

    def softmax(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.embedding.weight, self.bias)

    def forward(self, tokens: torch.Tensor, state: list) -> tuple:
        """Return logits [batch, time, vocabulary], and what TAR, AR and the next batch need.

        Those are the last layer's output without and with dropout, and the state.
        """
        raw, after = self.read(tokens, state)
        output = self.locked(raw, "output")
        return self.softmax(output.transpose(0, 1)), raw, output, after

    def start(self, tokens: torch.Tensor) -> tuple[Any, list]:
        """Read all but the last word, which `step` gets; no row is padded."""
        _, state = self.read(tokens[:, :-1], self.zero_state(len(tokens)))
        return None, [(h[0], c[0]) for h, c in state]

    def step(self, token: torch.Tensor, position: int, memory: Any, state: list) -> tuple:
        x, after = self.embedding(token), []
        for lstm, last in zip(self.lstms, state, strict=True):
            # What nn.LSTMCell calls, which is faster than nn.LSTM with one time step.
            x, c = torch.lstm_cell(x, last, *lstm.all_weights[0])
            after.append((x, c))
        return self.softmax(x), after

    def load(self, weights: dict[str, np.ndarray]) -> TorchLanguageModel:
        """Take the weights of ours, keyed as in a bundle."""
        held = {name.removeprefix("encoder."): array for name, array in weights.items()}
        state = {
            "embedding.weight": held.pop("embedding.table"),
            "bias": held.pop("embedding.bias"),
        }
        for i in range(len(self.lstms)):
            # Both keep the gates in the order i, f, g, o.
            ours, theirs = f"lstm_layers.{i}", f"lstms.{i}"
            state[f"{theirs}.weight_ih_l0"] = held.pop(f"{ours}.kernel").T
            state[f"{theirs}.weight_hh_l0"] = held.pop(f"{ours}.recurrent_kernel").T
            bias = held.pop(f"{ours}.bias")
            state[f"{theirs}.bias_ih_l0"] = bias
            state[f"{theirs}.bias_hh_l0"] = np.zeros_like(bias)
        assert not held, f"left over: {sorted(held)}"
        return _loaded(self, state)


class TorchElmanNetwork(nn.Module):
    """mikolov2010 with a loop over the words: nn.RNN has tanh or ReLU, not the logistic function.

    A state is a list of one hidden layer. Gradients flow through the whole loop, as with tau = 0.
    """

    def __init__(self, arguments: dict) -> None:
        super().__init__()
        vocabulary, width = arguments["vocabulary"], arguments["width"]
        self.embedding = nn.Embedding(vocabulary, width)
        self.recurrent = nn.Linear(width, width, bias=False)
        self.softmax = nn.Linear(width, vocabulary, bias=False)
        self.dropout = nn.Dropout(arguments["dropout"])

    def zero_state(self, batch: int) -> list[torch.Tensor]:
        return [self.softmax.weight.new_full((batch, self.softmax.in_features), 0.1)]

    def forward(self, tokens: torch.Tensor, state: list) -> tuple:
        """Return logits [batch, time, vocabulary] and the state."""
        x, states = self.dropout(self.embedding(tokens)), []
        (s,) = state
        for t in range(tokens.shape[1]):
            s = torch.sigmoid(x[:, t] + self.recurrent(s))
            states.append(s)
        return self.softmax(self.dropout(torch.stack(states, 1))), [s]

    def load(self, weights: dict[str, np.ndarray]) -> TorchElmanNetwork:
        """Take the weights of ours, keyed as in a bundle."""
        names = {
            "embedding.weight": "embedding.embeddings",
            "recurrent.weight": "hidden.recurrent_kernel", "softmax.weight": "softmax.kernel",
        }  # fmt: skip
        return _loaded(
            self,
            {
                theirs: weights[ours] if theirs == "embedding.weight" else weights[ours].T
                for theirs, ours in names.items()
            },
        )


PEERS = {
    "mikolov2010": TorchElmanNetwork,
    "sutskever2014": TorchSequenceToSequence,
    "bahdanau2015": TorchRNNSearch,
    "merity2017": TorchLanguageModel,
    "graves2013": TorchPredictionNetwork,
}


def _loaded(model: Any, state: dict[str, np.ndarray]) -> Any:
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in state.items()})
    return model


@torch.inference_mode()
def greedy(
    model: Any,
    source: torch.Tensor,
    start_id: int | torch.Tensor,
    end_id: int,
    pad_id: int,
    longest: int,
) -> torch.Tensor:
    """Return the ids [batch, up to longest] that follow, with the end id, padded after it.

    Args:
        start_id: the first token, the same for all rows or [batch].
    """
    memory, state = model.start(source)
    token = torch.zeros_like(source[:, 0]) + start_id
    done = torch.zeros_like(token, dtype=torch.bool)
    written = []
    for position in range(longest):
        logits, state = model.step(token, position, memory, state)
        token = logits.argmax(-1).masked_fill(done, pad_id)
        written.append(token)
        done |= token == end_id
        if done.all():
            break
    return torch.stack(written, dim=1)
