"""OpenAI GPT's checkpoints: what transformers computes with the same files, in every layout."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import zoo
from zoo.decoding import search
from zoo.errors import BundleError
from zoo.text import BpeTokenizer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXT = ["the low lower lowest window.", "new, newer, newest!", "a wide window widens.", "low?"] * 2
TOKENS = np.array([[5, 6, 7, 8, 9, 10, 3], [11, 12, 13, 4, 5, 2, 1]], dtype="int32")
LAYOUTS = ["transformers", "old", "bare", "pickle", "openai"]


@pytest.fixture(scope="module")
def tokenizer() -> BpeTokenizer:
    return BpeTokenizer.train(TEXT, vocabulary=60)


@pytest.fixture(scope="module")
def theirs(tokenizer):
    """Random weights far from zero, so that every term of the equations counts; heads of 64."""
    torch.manual_seed(0)
    config = transformers.OpenAIGPTConfig(
        vocab_size=tokenizer.size, n_positions=40, n_embd=128, n_layer=2, n_head=2
    )
    model = transformers.OpenAIGPTLMHeadModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            gain = ".ln_" in name and name.endswith("weight")
            parameter.normal_(mean=float(gain), std=0.15)
    return model


def state(theirs) -> dict[str, np.ndarray]:
    return {name: each.detach().numpy().copy() for name, each in theirs.state_dict().items()}


def write(folder: Path, theirs, tokenizer: BpeTokenizer, layout: str) -> Path:
    """Write a checkpoint as one of those who wrote them would have."""
    folder.mkdir()
    words = {word: i for i, word in enumerate(tokenizer.words)}
    merges = ["#version: 0.2", *(" ".join(pair) for pair in tokenizer.merges), ""]
    if layout == "openai":
        arrays = openai_order(theirs)
        shapes = [list(array.shape) for array in arrays]
        numbers = np.concatenate([array.ravel() for array in arrays])
        for i, part in enumerate(np.array_split(numbers, 10)):
            np.save(folder / f"params_{i}.npy", part)
        (folder / "params_shapes.json").write_text(json.dumps(shapes))
        (folder / "encoder_bpe_40000.json").write_text(json.dumps(words))
        (folder / "vocab_40000.bpe").write_text("\n".join(merges))
        return folder
    model = theirs.transformer if layout == "bare" else theirs
    model.save_pretrained(folder)
    if layout in ("transformers", "bare"):
        peer = transformers.OpenAIGPTTokenizer(vocab=words, merges=tokenizer.merges)
        peer.save_pretrained(folder)
        return folder
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("\n".join(merges))
    (folder / "model.safetensors").unlink()
    torch.save(older(theirs) if layout == "old" else theirs.state_dict(),
               folder / "pytorch_model.bin")  # fmt: skip
    return folder


def openai_order(theirs) -> list[np.ndarray]:
    found = {name.removeprefix("transformer."): each for name, each in state(theirs).items()}
    arrays = [found["positions_embed.weight"], found["tokens_embed.weight"]]
    for layer in range(2):
        for name in ("attn.c_attn", "attn.c_proj", "ln_1", "mlp.c_fc", "mlp.c_proj", "ln_2"):
            weight = found[f"h.{layer}.{name}.weight"]
            arrays.append(weight[None] if weight.ndim == 2 else weight)
            arrays.append(found[f"h.{layer}.{name}.bias"])
    return arrays


def older(theirs) -> dict:
    """Names of 2018: gamma and beta, and masks as buffers."""
    found = {}
    for name, each in theirs.transformer.state_dict().items():
        parts = name.split(".")
        if parts[-2] in ("ln_1", "ln_2"):
            parts[-1] = {"weight": "gamma", "bias": "beta"}[parts[-1]]
        found[".".join(parts)] = each
    for layer in range(2):
        found[f"h.{layer}.attn.bias"] = torch.tril(torch.ones(40, 40)).view(1, 1, 40, 40)
    return found


@pytest.fixture(scope="module")
def folders(theirs, tokenizer, tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {each: write(root / each, theirs, tokenizer, each) for each in LAYOUTS}


@pytest.fixture(params=LAYOUTS)
def folder(request, folders) -> Path:
    return folders[request.param]


def their_logits(theirs, tokens: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return theirs(torch.tensor(tokens.astype("int64"))).logits.numpy()


def test_a_full_pass_is_theirs(folder, theirs):
    loaded = zoo.load(folder)
    assert loaded.model.count_params() == sum(each.numel() for each in theirs.parameters())
    found = ops.convert_to_numpy(loaded.model(TOKENS))
    expected = their_logits(theirs, TOKENS)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_cached_steps_are_their_full_pass(folders, theirs):
    model = zoo.load(folders["transformers"]).model
    expected = their_logits(theirs, TOKENS)
    memory, kept = model.start({"tokens": TOKENS[:, :3]}, 8)
    for position in range(2, TOKENS.shape[1]):
        token = ops.convert_to_tensor(TOKENS[:, position])
        found, kept = model.step(token, position - 2, memory, kept)
        np.testing.assert_allclose(ops.convert_to_numpy(found), expected[:, position], atol=1e-4)


@pytest.mark.parametrize("beams", [1, 4])
def test_it_writes_what_they_write(folders, theirs, beams):
    """Prompts of different length in one batch; each alone on their side."""
    model = zoo.load(folders["transformers"]).model
    prompts = [TOKENS[0], TOKENS[1, :3], TOKENS[1, :1]]
    tokens = np.full((3, 9), -1, dtype="int32")
    for row, prompt in enumerate(prompts):
        tokens[row, 9 - len(prompt) :] = prompt
    found = search.decode(
        model, {"tokens": tokens}, start_id=np.array([prompt[-1] for prompt in prompts]),
        end_id=-1, pad_id=-1, max_length=12, beam_size=beams, complete=False,
    )  # fmt: skip
    for row, prompt in enumerate(prompts):
        ids = torch.tensor(prompt[None].astype("int64"))
        expected = theirs.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False,
            num_beams=beams, pad_token_id=0, eos_token_id=None,
        )[0, len(prompt) :]  # fmt: skip
        assert found.ids[row, 0].tolist() == expected.tolist()


def test_its_loss_is_their_loss(folders, theirs):
    """Of each text between two line breaks; transformers' loss is a mean over all but the first."""
    loaded = zoo.load(folders["transformers"])
    texts, total, count = ["the low window", "newest\nlower low"], 0.0, 0
    for text in texts:
        end = loaded.tokenizer.end_id
        ids = torch.tensor([[end, *loaded.tokenizer.encode(text), end]])
        with torch.no_grad():
            mean = float(theirs(ids, labels=ids).loss)
        total, count = total + mean * (ids.shape[1] - 1), count + ids.shape[1] - 1
    found = loaded.evaluate(texts)
    assert found["tokens"] == count
    assert found["loss"] == pytest.approx(total / count, rel=1e-5)
    assert found["words"] == 3 + 1 + 3 + 1 + 1
    assert found["perplexity"] == pytest.approx(np.exp(total / 9), rel=1e-5)


def test_the_tokenizer_comes_with_it(folder, tokenizer):
    loaded = zoo.load(folder)
    assert (loaded.tokenizer.words, loaded.tokenizer.merges) == (tokenizer.words, tokenizer.merges)
    text = loaded.predict("the low window", max_length=12)
    assert text.startswith("the low window ")
    assert len(loaded.tokenizer.encode("the low window")) < 12


def test_it_can_be_saved_as_a_bundle(folders, tmp_path):
    loaded = zoo.load(folders["old"])
    loaded.save(tmp_path / "bundle")
    again = zoo.load(tmp_path / "bundle")
    first, second = (ops.convert_to_numpy(each.model(TOKENS)) for each in (loaded, again))
    np.testing.assert_allclose(first, second, atol=0.02)  # 16-bit weights


# What is wrong with a folder


def rewritten(folder: Path, change) -> None:
    """Change the tensors of a safetensors file."""
    from safetensors.numpy import load_file, save_file

    path = folder / "model.safetensors"
    found = load_file(path)
    change(found)
    path.unlink()
    save_file(found, path)


def lacking(found):
    del found["transformer.h.1.mlp.c_fc.weight"]


def surplus(found):
    found["transformer.h.2.ln_1.weight"] = np.zeros(128, "float32")


def narrow(found):
    found["transformer.h.0.ln_1.bias"] = np.zeros(64, "float32")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lacking, r"has no h\.1\.mlp\.c_fc\.weight"),
        (surplus, r"has h\.2\.ln_1\.weight, which the model has no place for"),
        (narrow, r"h\.0\.ln_1\.bias is \(64,\), its config says \(128,\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, text, theirs, tokenizer, tmp_path):
    folder = write(tmp_path / "wrong", theirs, tokenizer, "transformers")
    rewritten(folder, change)
    with pytest.raises(BundleError, match=text):
        zoo.load(folder)


def test_a_tokenizer_of_other_weights_is_refused(theirs, tokenizer, tmp_path):
    other = BpeTokenizer.train(TEXT, vocabulary=45)
    folder = write(tmp_path / "wrong", theirs, other, "pickle")
    with pytest.raises(BundleError, match="the tokenizer has 45 tokens and the weights 52 rows"):
        zoo.load(folder)


class Attack:
    """What runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("kind", ["pickle", "torch", "npy"])
def test_a_malicious_file_runs_nothing(kind, theirs, tokenizer, tmp_path):
    marker = tmp_path / "it-ran"
    layout = "openai" if kind == "npy" else "pickle"
    folder = write(tmp_path / "wrong", theirs, tokenizer, layout)
    if kind == "npy":
        evil = np.array([Attack(marker)], dtype=object)
        np.save(folder / "params_3.npy", evil, allow_pickle=True)
    elif kind == "torch":
        torch.save({"tokens_embed.weight": Attack(marker)}, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Attack(marker)))
    with pytest.raises(BundleError, match=r"was not read|cannot be read"):
        zoo.load(folder)
    assert not marker.exists()
    # It would run if it were unpickled.
    if kind == "pickle":
        pickle.loads((folder / "pytorch_model.bin").read_bytes())
        assert marker.exists()


@pytest.mark.parametrize(
    ("layout", "name", "text"),
    [
        ("transformers", "model.safetensors", "neither model.safetensors nor pytorch_model.bin"),
        ("transformers", "tokenizer.json", "has no tokenizer"),
        ("pickle", "merges.txt", "has no tokenizer"),
        ("openai", "params_4.npy", "params_4.npy cannot be read"),
        ("openai", "params_9.npy", "numbers in 9 files"),
    ],
)
def test_a_missing_file_is_named(layout, name, text, theirs, tokenizer, tmp_path):
    folder = write(tmp_path / "wrong", theirs, tokenizer, layout)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=text):
        zoo.load(folder)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("afn", "relu", "the activation is relu"),
        ("n_embd", None, "lacks a size"),
        ("model_type", "gpt2", "neither a bundle"),
    ],
)
def test_a_config_of_something_else_is_told(key, value, text, theirs, tokenizer, tmp_path):
    folder = write(tmp_path / "wrong", theirs, tokenizer, "transformers")
    config = json.loads((folder / "config.json").read_text())
    config[key] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BundleError, match=text):
        zoo.load(folder)


def test_any_other_folder_is_told_what_is_known(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(BundleError, match=r"it holds notes\.txt") as caught:
        zoo.load(tmp_path)
    assert "OpenAI GPT" in str(caught.value)
