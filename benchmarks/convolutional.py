"""oord2016 in plain PyTorch, with nn.Conv1d, as a textbook generates with it: from its window."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class TorchWaveNet(nn.Module):
    """WaveNet on symbols, with gated layers.

    A state is the window: the last symbols that the next one depends on. A step reads all of it
    again, without padding, so that each layer computes no more than the last logits need.
    """

    def __init__(self, arguments: dict) -> None:
        super().__init__()
        width, gate, skip = arguments["width"], arguments["gate"], arguments["skip"]
        self.vocabulary, self.width = arguments["vocabulary"], width
        self.start_id = arguments["start_id"]
        size, layers = arguments["size"], arguments["layers"]
        dilations = [2**i for i in range(layers)] * arguments["stacks"]
        self.front = nn.Embedding(self.vocabulary * size, width)  # a convolution of one-hot symbols
        self.front_bias = nn.Parameter(torch.zeros(width))
        self.dilated = nn.ModuleList(
            nn.Conv1d(width, 2 * gate, size, dilation=dilation) for dilation in dilations
        )
        self.projections = nn.ModuleList(nn.Conv1d(gate, width + skip, 1) for _ in dilations)
        self.head, self.output = nn.Linear(skip, skip), nn.Linear(skip, self.vocabulary)
        self.size = size
        self.window = size + (size - 1) * sum(dilations)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits [batch, time - window + 1, vocabulary]."""
        time = tokens.shape[1] - self.size + 1
        x = self.front_bias
        for i in range(self.size):
            x = x + self.front(tokens[:, i : i + time] + i * self.vocabulary)
        x, skips, length = x.transpose(1, 2), 0.0, tokens.shape[1] - self.window + 1
        for dilated, projection in zip(self.dilated, self.projections, strict=True):
            filtered, gates = dilated(x).chunk(2, dim=1)
            both = projection(torch.tanh(filtered) * torch.sigmoid(gates))
            x = x[:, :, -both.shape[2] :] + both[:, : self.width]
            skips = skips + both[:, self.width :, -length:]
        y = functional.relu(self.head(functional.relu(skips.transpose(1, 2))))
        return self.output(y)

    def start(self, tokens: torch.Tensor) -> tuple[Any, torch.Tensor]:
        """Return the window before the last symbol of a prompt, which `step` gets."""
        before = functional.pad(tokens, (self.window, 0), value=self.start_id)
        return None, before[:, :-1][:, -self.window :]

    def step(self, token: torch.Tensor, position: int, memory: Any, window: torch.Tensor) -> tuple:
        window = torch.cat([window[:, 1:], token[:, None]], dim=1)
        return self(window)[:, -1], window

    def load(self, weights: dict[str, np.ndarray]) -> TorchWaveNet:
        """Take the weights of ours, keyed as in a bundle."""
        held = dict(weights)
        state = {
            "front.weight": held.pop("front.embeddings").reshape(-1, self.width),
            "front_bias": held.pop("front.bias"),
        }
        for ours, theirs in (("head", "head"), ("output_layer", "output")):
            state[f"{theirs}.weight"] = held.pop(f"{ours}.kernel").T
            state[f"{theirs}.bias"] = held.pop(f"{ours}.bias")
        for i in range(len(self.dilated)):
            kernel = held.pop(f"blocks.{i}.dilated.kernel").reshape(self.size, self.width, -1)
            state[f"dilated.{i}.weight"] = kernel.transpose(2, 1, 0)
            state[f"dilated.{i}.bias"] = held.pop(f"blocks.{i}.dilated.bias")
            kernel = held.pop(f"blocks.{i}.projection.kernel")
            state[f"projections.{i}.weight"] = kernel.T[:, :, None]
            state[f"projections.{i}.bias"] = held.pop(f"blocks.{i}.projection.bias")
        assert not held, f"left over: {sorted(held)}"
        self.load_state_dict({name: torch.tensor(each.copy()) for name, each in state.items()})
        return self
