"""The same Transformer in other people's code, to measure against and to prove ours with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    import transformers

ATTENTION = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "projection": "out_proj"}
PARTS = {
    "self_attention": "self_attn",
    "self_attention_norm": "self_attn_layer_norm",
    "cross_attention": "encoder_attn",
    "cross_attention_norm": "encoder_attn_layer_norm",
    "feed_forward.inner": "fc1",
    "feed_forward.outer": "fc2",
    "feed_forward_norm": "final_layer_norm",
}
LEAVES = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}


def marian(
    arguments: dict, weights: dict[str, np.ndarray], end_id: int, start_id: int
) -> transformers.MarianMTModel:
    """Return transformers' Marian with the arguments and weights of a `Transformer`.

    Marian has halved position tables and biases in attention; biases that ours lacks are zero.

    Args:
        arguments: the builder's.
        weights: keyed as in a bundle.
        end_id, start_id: of the tokenizer; padding is in the arguments.
    """
    import transformers

    layers = {side: arguments[f"{side}_layers"] for side in ("encoder", "decoder")}
    config = transformers.MarianConfig(
        vocab_size=arguments["vocabulary"],
        d_model=arguments["width"],
        encoder_layers=layers["encoder"],
        decoder_layers=layers["decoder"],
        encoder_attention_heads=arguments["heads"],
        decoder_attention_heads=arguments["heads"],
        encoder_ffn_dim=arguments["feed_forward"],
        decoder_ffn_dim=arguments["feed_forward"],
        activation_function=arguments["activation"],
        max_position_embeddings=arguments["max_length"],
        scale_embedding=True,
        pad_token_id=arguments["padding_id"],
        eos_token_id=end_id,
        forced_eos_token_id=None,
        decoder_start_token_id=start_id,
    )
    model = transformers.MarianMTModel(config).eval()
    state = {"final_logits_bias": np.zeros((1, arguments["vocabulary"]), np.float32)}
    for name, array in weights.items():
        if name == "embedding.table":
            state["model.shared.weight"] = array
        elif name == "embedding.bias":
            state["final_logits_bias"] = array[None]
        else:
            state[_marian_name(name)] = array.T if name.endswith("kernel") else array
    expected = model.state_dict()
    for name, tensor in expected.items():
        if name.endswith("_proj.bias") and name not in state:
            state[name] = np.zeros(tuple(tensor.shape), np.float32)
    # The tables of positions are Marian's own; the other missing names are tied to the shared one.
    tied = {"lm_head.weight", "model.encoder.embed_tokens.weight",
            "model.decoder.embed_tokens.weight"}  # fmt: skip
    tensors = {name: torch.tensor(np.ascontiguousarray(each)) for name, each in state.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    missing = {name for name in missing if "embed_positions" not in name}
    if unexpected or not missing <= tied:
        raise ValueError(f"missing {sorted(missing)}, unexpected {sorted(unexpected)}")
    return model


def _marian_name(name: str) -> str:
    """Return "model.encoder.layers.0.self_attn.q_proj.weight" for its name in our bundles."""
    layers, index, rest = name.split(".", 2)
    part, leaf = rest.rsplit(".", 1)
    holder, _, last = part.rpartition(".")
    part = f"{PARTS[holder]}.{ATTENTION[last]}" if last in ATTENTION else PARTS[part]
    return f"model.{layers.removesuffix('_layers')}.layers.{index}.{part}.{LEAVES[leaf]}"


def openai_gpt(
    arguments: dict, weights: dict[str, np.ndarray]
) -> transformers.OpenAIGPTLMHeadModel:
    """Return transformers' OpenAI GPT with the arguments and weights of a gpt1 language model.

    Dropout is off, as transformers' `eval` leaves it.
    """
    from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

    from zoo.convert.openai_gpt import wanted

    config = OpenAIGPTConfig(
        vocab_size=arguments["vocabulary"], n_positions=arguments["context"],
        n_embd=arguments["width"], n_layer=arguments["layers"], n_head=arguments["heads"],
    )  # fmt: skip
    model = OpenAIGPTLMHeadModel(config).eval()
    state = {
        theirs: torch.from_numpy(weights[ours].copy())
        for theirs, (ours, _) in wanted(arguments).items()
    }
    missing, unexpected = model.transformer.load_state_dict(state, strict=False)
    assert not unexpected
    assert not [name for name in missing if not name.endswith("attn.bias")]
    return model


class TorchTransformer(nn.Module):
    """torch's own encoder and decoder layers, post-norm, with one tied matrix as in the paper."""

    def __init__(self, arguments: dict, positions: np.ndarray) -> None:
        super().__init__()
        width = arguments["width"]
        self.padding_id = arguments["padding_id"]
        self.scale = width**0.5
        self.embedding = nn.Embedding(arguments["vocabulary"], width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.register_buffer("positions", torch.tensor(positions), persistent=False)
        self.dropout = nn.Dropout(arguments["dropout"])
        layer = {
            "d_model": width, "nhead": arguments["heads"],
            "dim_feedforward": arguments["feed_forward"], "dropout": arguments["dropout"],
            "activation": arguments["activation"], "batch_first": True,
            "layer_norm_eps": arguments["epsilon"],
        }  # fmt: skip
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(**layer),
            arguments["encoder_layers"],
            enable_nested_tensor=False,  # of use without gradients only
        )
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(**layer), arguments["decoder_layers"]
        )

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.embedding(ids) * self.scale + self.positions[: ids.shape[1]])

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return logits [batch, target, vocabulary]."""
        padding = source == self.padding_id
        # Booleans as the padding mask is; true where a position may not look.
        time = target.shape[1]
        causal = torch.ones(time, time, dtype=torch.bool, device=target.device).triu(1)
        memory = self.encoder(self.embed(source), src_key_padding_mask=padding)
        hidden = self.decoder(
            self.embed(target), memory, tgt_mask=causal, tgt_is_causal=True,
            memory_key_padding_mask=padding,
        )  # fmt: skip
        return nn.functional.linear(hidden, self.embedding.weight)


def smoothed_loss(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: float, padding_id: int
) -> torch.Tensor:
    """Return the mean over real tokens with the smoothing spread over V - 1 classes, as ours."""
    vocabulary = logits.shape[-1]
    return nn.functional.cross_entropy(
        logits.reshape(-1, vocabulary).float(),
        labels.reshape(-1),
        ignore_index=padding_id,
        label_smoothing=smoothing * vocabulary / (vocabulary - 1),  # torch spreads it over V
    )
