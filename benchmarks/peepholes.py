"""graves2013 in plain PyTorch, as a textbook writes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn


class PeepholeCell(nn.Module):
    """A layer of graves2013, which torch does not have, of nn.Embedding and nn.Linear."""

    def __init__(self, vocabulary: int, below: int, width: int, clip: float | None) -> None:
        super().__init__()
        self.clip = clip
        self.W = nn.Embedding(vocabulary, 4 * width)  # of a one-hot symbol
        self.V = nn.Linear(below, 4 * width, bias=False) if below else None
        self.U = nn.Linear(width, 4 * width)
        self.peepholes = nn.Parameter(torch.zeros(3, width))

    def project(self, ids: torch.Tensor, below: torch.Tensor | None, null_id: Any) -> torch.Tensor:
        """Return what the gates read beside the state, [..., 4 width]."""
        x = self.W(ids)
        if null_id is not None:
            x = x * (ids != null_id)[..., None]
        return x if self.V is None else x + self.V(below)

    def clipped(self, gate: torch.Tensor) -> torch.Tensor:
        if self.clip is not None and gate.requires_grad:
            gate.register_hook(lambda gradient: gradient.clamp(-self.clip, self.clip))
        return gate

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple:
        """Return h_t and c_t [batch, width] for x [batch, 4 width]."""
        i, f, g, o = (x + self.U(h)).chunk(4, dim=-1)
        p_i, p_f, p_o = self.peepholes
        i, f = torch.sigmoid(self.clipped(i + p_i * c)), torch.sigmoid(self.clipped(f + p_f * c))
        c = f * c + i * torch.tanh(self.clipped(g))
        return torch.sigmoid(self.clipped(o + p_o * c)) * torch.tanh(c), c


class TorchPredictionNetwork(nn.Module):
    """graves2013 as a loop over the time steps, without weight noise.

    A state is a list of each layer's (h, c).
    """

    def __init__(self, arguments: dict) -> None:
        super().__init__()
        vocabulary, width, layers = (arguments[key] for key in ("vocabulary", "width", "layers"))
        self.null_id = arguments.get("null_id")
        clip = arguments.get("clip", 1.0)
        clip = clip and clip / arguments.get("mean_of", 1.0)
        self.cells = nn.ModuleList(
            PeepholeCell(vocabulary, width if n else 0, width, clip) for n in range(layers)
        )
        self.softmax = nn.Linear(layers * width, vocabulary)

    def zero_state(self, batch: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return h and c before the first symbol, each [batch, width]."""
        zeros = [cell.peepholes.new_zeros(batch, cell.peepholes.shape[1]) for cell in self.cells]
        return [(each, each) for each in zeros]

    def forward(self, tokens: torch.Tensor, state: list) -> tuple:
        """Return logits [batch, time, vocabulary] and the state."""
        outputs, after, below = [], [], None
        for cell, (h, c) in zip(self.cells, state, strict=True):
            steps = []
            for x in cell.project(tokens.T, below, self.null_id):
                h, c = cell(x, h, c)
                steps.append(h)
            below = torch.stack(steps)
            outputs.append(below)
            after.append((h, c))
        joined = torch.cat(outputs, dim=-1)  # [time, batch, layers * width]
        return self.softmax(joined.transpose(0, 1)), after

    def load(self, weights: dict[str, np.ndarray]) -> TorchPredictionNetwork:
        """Take the weights of ours, keyed as in a bundle."""
        held = dict(weights)
        state = {
            f"softmax.{theirs}": held.pop(f"softmax.{ours}").T
            for theirs, ours in (("weight", "kernel"), ("bias", "bias"))
        }
        for n, cell in enumerate(self.cells):
            # Both keep the gates in the order i, f, g (the paper's c), o.
            ours, theirs = f"lstm_layers.{n}", f"cells.{n}"
            state[f"{theirs}.W.weight"] = held.pop(f"{ours}.embeddings")
            state[f"{theirs}.U.weight"] = held.pop(f"{ours}.recurrent_kernel").T
            state[f"{theirs}.U.bias"] = held.pop(f"{ours}.bias")
            state[f"{theirs}.peepholes"] = held.pop(f"{ours}.peepholes")
            if cell.V is not None:
                state[f"{theirs}.V.weight"] = held.pop(f"{ours}.kernel").T
        assert not held, f"left over: {sorted(held)}"
        self.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        return self
