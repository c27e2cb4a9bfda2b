"""A small OPUS-MT checkpoint with random weights, as transformers writes it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path

import sentencepiece
import torch
import transformers
from given import PAIRS

WIDTH, LONGEST = 32, 40


def pieces() -> tuple[bytes, bytes]:
    """Return a SentencePiece model of each language."""
    return _learned(text for text, _ in PAIRS), _learned(text for _, text in PAIRS)


def _learned(lines: Iterable[str]) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=72, minloglevel=2,
        hard_vocab_limit=False,
    )  # fmt: skip
    return model.getvalue()


def vocabulary(models: tuple[bytes, bytes]) -> list[str]:
    """Return the pieces of both languages, numbered as Marian does."""
    found: dict[str, None] = dict.fromkeys(["</s>", "<unk>"])
    for model in models:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        found.update(dict.fromkeys(processor.IdToPiece(i) for i in range(2, len(processor))))
    return [*found, "<pad>"]


def network(words: list[str]) -> transformers.MarianMTModel:
    """Return random weights far from zero, so that every term of the equations counts."""
    torch.manual_seed(0)
    config = transformers.MarianConfig(
        vocab_size=len(words), d_model=WIDTH, encoder_layers=2, decoder_layers=3,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48,
        decoder_ffn_dim=48, max_position_embeddings=LONGEST, activation_function="swish",
        scale_embedding=True, pad_token_id=len(words) - 1,
        decoder_start_token_id=len(words) - 1, eos_token_id=0, forced_eos_token_id=0,
    )  # fmt: skip
    model = transformers.MarianMTModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" not in name:
                middle = float("layer_norm" in name and name.endswith("weight"))
                parameter.normal_(mean=middle, std=0.3)
        model.final_logits_bias.normal_(std=1.0)
        # Without a ban, padding would be written all the time.
        model.final_logits_bias[0, -1] = 30.0
    return model


def write(folder: Path, theirs, models, words, layout: str = "safetensors", **generation) -> Path:
    """Write a checkpoint in one of the layouts that there are."""
    model = theirs.model if layout.startswith("bare") else theirs
    model.save_pretrained(folder)
    if layout.endswith("bin"):
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    elif layout == "half":
        rounded = {name: each.half() for name, each in model.state_dict().items()}
        (folder / "model.safetensors").unlink()
        torch.save(rounded, folder / "pytorch_model.bin")
    (folder / "source.spm").write_bytes(models[0])
    (folder / "target.spm").write_bytes(models[1])
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "tokenizer_config.json").write_text('{"source_lang": "en", "target_lang": "fr"}')
    if generation:
        changed(folder / "generation_config.json", generation)
    return folder


def changed(path: Path, values: dict) -> None:
    """Change values of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
