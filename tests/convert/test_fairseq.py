"""fairseq's checkpoints: its network in plain PyTorch, with the tensors under their own names."""

from __future__ import annotations

import argparse
import functools
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import zoo
from zoo.errors import BundleError

torch = pytest.importorskip("torch")

WIDTH, HEADS, INNER, LAYERS = 16, 4, 24, {"encoder": 2, "decoder": 3}
WORDS = [".", "lo@@", "w", "the", "new", "house", "haus", "das", "neu@@", "e", "&apos;", "@-@",
         *(f"madeupword{i:04d}" for i in range(6))]  # fmt: skip
PAD, END, VOCABULARY = 1, 2, 4 + len(WORDS)
MERGES = ["l o", "t h", "th e</w>", "n e", "ne w</w>", "h o", "u s", "ho us", "hous e</w>"]
SETTINGS = {
    "arch": "transformer_wmt_en_de_big", "source_lang": "en", "target_lang": "de",
    "encoder_embed_dim": WIDTH, "decoder_embed_dim": WIDTH, "encoder_ffn_embed_dim": INNER,
    "decoder_ffn_embed_dim": INNER, "encoder_layers": 2, "decoder_layers": 3,
    "encoder_attention_heads": HEADS, "decoder_attention_heads": HEADS, "dropout": 0.3,
    "attention_dropout": 0.1, "share_all_embeddings": True, "left_pad_source": "True",
    "max_source_positions": 48, "max_target_positions": 40, "encoder_normalize_before": False,
    "lr": [0.0005], "adam_betas": "(0.9, 0.98)", "restore_file": None,
}  # fmt: skip


def drawn(old: bool) -> dict:
    """All tensors of a model, far from zero, as older or newer versions name them."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape, middle=0.0):
        return middle + 0.5 * torch.randn(*shape, generator=generator)

    table = random(VOCABULARY, WIDTH)
    found = {f"{side}.embed_tokens.weight": table.clone() for side in LAYERS}
    for side, layers in LAYERS.items():
        found[f"{side}.version"] = torch.tensor([3.0])
        found[f"{side}.embed_positions._float_tensor"] = torch.zeros(1)
        for i in range(layers):
            layer = f"{side}.layers.{i}"
            kinds = ["self_attn", "encoder_attn"][: 1 if side == "encoder" else 2]
            for kind in kinds:
                weight, bias = random(3 * WIDTH, WIDTH), random(3 * WIDTH)
                if old:
                    found[f"{layer}.{kind}.in_proj_weight"] = weight
                    found[f"{layer}.{kind}.in_proj_bias"] = bias
                else:
                    for n, part in enumerate("qkv"):
                        rows = slice(n * WIDTH, (n + 1) * WIDTH)
                        found[f"{layer}.{kind}.{part}_proj.weight"] = weight[rows].clone()
                        found[f"{layer}.{kind}.{part}_proj.bias"] = bias[rows].clone()
                found[f"{layer}.{kind}.out_proj.weight"] = random(WIDTH, WIDTH)
                found[f"{layer}.{kind}.out_proj.bias"] = random(WIDTH)
            for name, shape in (("fc1", (INNER, WIDTH)), ("fc2", (WIDTH, INNER))):
                found[f"{layer}.{name}.weight"] = random(*shape)
                found[f"{layer}.{name}.bias"] = random(shape[0])
            norms = [*(f"{kind}_layer_norm" for kind in kinds), "final_layer_norm"]
            for n, norm in enumerate(norms):
                name = f"layer_norms.{n}" if old and side == "encoder" else norm
                found[f"{layer}.{name}.weight"] = random(WIDTH, middle=1.0)
                # Not so far from zero that all words are one.
                found[f"{layer}.{name}.bias"] = random(WIDTH) / 5
    if not old:
        found["decoder.output_projection.weight"] = table.clone()
    return found


def write(folder: Path, old: bool = True, change=None, words=WORDS, merges=MERGES, **said) -> Path:
    """Write a checkpoint; `change` is made to its tensors, `said` to its settings."""
    folder.mkdir(exist_ok=True)
    tensors = drawn(old)
    if change is not None:
        change(tensors)
    args = argparse.Namespace(**(SETTINGS | said))
    content = {"args": args, "model": tensors, "optimizer_history": [{"num_updates": 7}],
               "extra_state": {"epoch": 1, "train_iterator": {"epoch": 1}}}  # fmt: skip
    torch.save(content, folder / "model.pt")
    lines = "".join(f"{word} {1000 - i}\n" for i, word in enumerate(words))
    for language in ("en", "de"):
        (folder / f"dict.{language}.txt").write_text(lines)
    if merges:
        (folder / "bpecodes").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("fairseq")
    return {each: write(root / each, each == "old") for each in ("old", "new")}


@pytest.fixture(scope="module")
def load(folders):
    return functools.cache(lambda layout: zoo.load(folders[layout]))


# fairseq's network


def positions(ids):
    """Sinusoids of positions that count what is no padding from 2 on; padding has zeros."""
    half = WIDTH // 2
    frequency = torch.exp(torch.arange(half).double() * -(math.log(10000) / (half - 1)))
    angle = torch.arange(PAD + 1 + 60).double()[:, None] * frequency[None]
    table = torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)
    table[PAD] = 0
    real = ids.ne(PAD).long()
    return table[torch.cumsum(real, dim=1) * real + PAD].float()


class Fairseq:
    def __init__(self) -> None:
        self.w = drawn(True)

    def embed(self, ids):
        return math.sqrt(WIDTH) * self.w["encoder.embed_tokens.weight"][ids] + positions(ids)

    def attend(self, name, x, memory, hidden):
        """`hidden` is true where x may not look: [batch, time, memory]."""
        weight, bias = self.w[f"{name}.in_proj_weight"], self.w[f"{name}.in_proj_bias"]
        q, k, v = (
            each @ weight[n * WIDTH : (n + 1) * WIDTH].T + bias[n * WIDTH : (n + 1) * WIDTH]
            for n, each in enumerate((x, memory, memory))
        )
        q = q * (WIDTH // HEADS) ** -0.5
        q, k, v = (each.unflatten(2, (HEADS, -1)).transpose(1, 2) for each in (q, k, v))
        scores = (q @ k.transpose(2, 3)).masked_fill(hidden[:, None], float("-inf"))
        context = (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
        return context @ self.w[f"{name}.out_proj.weight"].T + self.w[f"{name}.out_proj.bias"]

    def norm(self, name, x):
        weight, bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        return torch.nn.functional.layer_norm(x, (WIDTH,), weight, bias, 1e-5)

    def feed(self, layer, x):
        x = torch.relu(x @ self.w[f"{layer}.fc1.weight"].T + self.w[f"{layer}.fc1.bias"])
        return x @ self.w[f"{layer}.fc2.weight"].T + self.w[f"{layer}.fc2.bias"]

    def logits(self, source, target):
        x, padding = self.embed(source), source.eq(PAD)[:, None]
        for i in range(LAYERS["encoder"]):
            layer = f"encoder.layers.{i}"
            x = self.norm(
                f"{layer}.layer_norms.0", x + self.attend(f"{layer}.self_attn", x, x, padding)
            )
            x = self.norm(f"{layer}.layer_norms.1", x + self.feed(layer, x))
        memory, x = x, self.embed(target)
        future = torch.ones(target.shape[1], target.shape[1]).triu(1).bool()[None]
        for i in range(LAYERS["decoder"]):
            layer = f"decoder.layers.{i}"
            own = self.attend(f"{layer}.self_attn", x, x, future)
            x = self.norm(f"{layer}.self_attn_layer_norm", x + own)
            other = self.attend(f"{layer}.encoder_attn", x, memory, padding)
            x = self.norm(f"{layer}.encoder_attn_layer_norm", x + other)
            x = self.norm(f"{layer}.final_layer_norm", x + self.feed(layer, x))
        return x @ self.w["decoder.embed_tokens.weight"].T

    def greedy(self, source, longest):
        found = [END]
        while len(found) <= longest:
            made = self.logits(torch.tensor([source]), torch.tensor([found]))[0, -1]
            made[PAD] = float("-inf")
            found.append(int(made.argmax()))
            if found[-1] == END:
                break
        return found[1:]


# fairseq pads on the left, the zoo on the right.
LEFT = [[5, 6, 7, 8, 9, END], [PAD, PAD, PAD, 10, 11, END]]
RIGHT = np.array([[5, 6, 7, 8, 9, END], [10, 11, END, PAD, PAD, PAD]], dtype="int32")
TARGET = np.array([[END, 12, 13, 14, 15], [END, 16, 17, 18, 19]], dtype="int32")


def expected() -> np.ndarray:
    return Fairseq().logits(torch.tensor(LEFT), torch.tensor(TARGET.astype("int64"))).numpy()


@pytest.mark.parametrize("layout", ["old", "new"])
def test_a_full_pass_is_theirs(layout, load):
    found = ops.convert_to_numpy(load(layout).model({"source": RIGHT, "target": TARGET}))
    assert expected().std() > 1
    np.testing.assert_allclose(found, expected(), atol=1e-4, rtol=0)


def test_cached_steps_are_their_full_pass(load):
    model = load("old").model
    memory, state = model.start({"source": ops.convert_to_tensor(RIGHT)}, TARGET.shape[1])
    for position in range(TARGET.shape[1]):
        token = ops.convert_to_tensor(TARGET[:, position])
        found, state = model.step(token, position, memory, state)
        found = ops.convert_to_numpy(found)
        np.testing.assert_allclose(found, expected()[:, position], atol=1e-4, rtol=0)


def test_it_writes_what_they_write(load):
    ours, theirs, written = load("old"), Fairseq(), set()
    given = {"the new house low.": [7, 8, 9, 5, 6, 4, END], "new low the": [8, 5, 6, 7, END],
             "house.": [9, 4, END], "low low": [5, 6, 5, 6, END]}  # fmt: skip
    assert ours.encode_sources(list(given)) == list(given.values())
    for text, ids in given.items():
        found = theirs.greedy(ids, 12)
        found = found if found[-1] == END else [*found[:-1], END]
        written |= {*found}
        wanted = ours.target_tokenizer.decode(found)
        assert ours.predict(text, beam_size=1, max_length=12) == wanted
    assert len(written) > 3


def test_sizes_and_recipe(load):
    ours = load("old")
    arguments = ours.recipe.model.arguments
    assert (arguments["positions"], arguments["first_position"]) == ("tensor2tensor", 2)
    assert (arguments["max_length"], arguments["dropout"]) == (40, 0.3)
    assert ours.recipe.name == "vaswani2017-fairseq-en-de"
    assert ours.recipe.data.languages == ["en", "de"]
    assert (ours.recipe.evaluate.beam_size, ours.recipe.evaluate.length_penalty) == (4, 0.6)
    count = sum(each.numel() for name, each in drawn(True).items()
                if "version" not in name and "_float_tensor" not in name)  # fmt: skip
    assert ours.model.count_params() == count - VOCABULARY * WIDTH  # one table


def test_tokenizers(load, tmp_path):
    source, target = load("old").source_tokenizer, load("old").target_tokenizer
    assert (source.pad_id, source.unk_id, source.start_id, source.end_id) == (1, 3, 2, 2)
    assert (source.language, target.language) == ("en", "de")
    assert target.decode([11, 12, 13, 10, 4, 2, 1]) == "das neue haus."
    whole = zoo.load(write(tmp_path / "x", merges=())).source_tokenizer
    found = whole.pieces(whole.encode("the low </s> house-new"))
    assert [piece for piece in found if piece != "<unk>"] == ["the", "house", "@-@", "new"]


def test_it_can_be_saved_as_a_bundle(load, tmp_path):
    ours = load("new")
    ours.save(tmp_path / "bundle", dtype="float32")
    again = zoo.load(tmp_path / "bundle")
    found = ops.convert_to_numpy(again.model({"source": RIGHT, "target": TARGET}))
    np.testing.assert_allclose(found, expected(), atol=1e-4, rtol=0)
    assert again.predict("the house", max_length=5) == ours.predict("the house", max_length=5)


# What is wrong with a folder


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"share_all_embeddings": False}, "share_all_embeddings False"),
        ({"encoder_normalize_before": True}, "encoder_normalize_before True"),
        ({"decoder_learned_pos": True}, "decoder_learned_pos True"),
        ({"activation_fn": "gelu"}, "activation_fn gelu, vaswani2017 has activation_fn relu"),
        ({"decoder_ffn_embed_dim": 48}, "encoder_ffn_embed_dim 24, decoder_ffn_embed_dim 48"),
        ({"encoder_layers": None}, "lack a size: encoder_layers"),
        ({"encoder_layers": 3}, r"has no encoder\.layers\.2\.fc1\.weight"),
        ({"source_lang": None}, "name no languages"),
        ({"source_lang": "fr"}, r"has no dict\.fr\.txt"),
    ],
)
def test_settings_of_something_else_are_told(said, text, tmp_path):
    with pytest.raises(BundleError, match=text):
        zoo.load(write(tmp_path / "x", **said))


def lacking(found):
    del found["decoder.layers.1.encoder_attn.in_proj_bias"]


def surplus(found):
    found["decoder.layer_norm.weight"] = torch.zeros(WIDTH)


def apart(found):
    found["decoder.embed_tokens.weight"] = found["decoder.embed_tokens.weight"] + 1


def narrow(found):
    found["encoder.layers.0.self_attn.in_proj_weight"] = torch.zeros(2 * WIDTH, WIDTH)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lacking, r"has no decoder\.layers\.1\.encoder_attn\.in_proj_bias"),
        (surplus, r"has decoder\.layer_norm\.weight, which the model has no place for"),
        (apart, r"another table in decoder\.embed_tokens\.weight"),
        (narrow, r"encoder\.layers\.0\.self_attn\.in_proj_weight is \(32, 16\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, text, tmp_path):
    with pytest.raises(BundleError, match=text):
        zoo.load(write(tmp_path / "x", change=change))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (WORDS[:-1], r"encoder\.embed_tokens\.weight is \(22, 16\), its config says \(21, 16\)"),
        ([*WORDS[:-1], "."], "has each piece once"),
    ],
)
def test_dictionaries_of_something_else_are_told(words, text, tmp_path):
    with pytest.raises(BundleError, match=text):
        zoo.load(write(tmp_path / "x", words=words))


def test_a_line_without_a_count_is_named(tmp_path):
    folder = write(tmp_path / "x")
    (folder / "dict.en.txt").write_text("the 5\na b\n")
    with pytest.raises(BundleError, match=r"dict\.en\.txt:2 is no word with its count"):
        zoo.load(folder)


def test_two_vocabularies_are_refused(tmp_path):
    folder = write(tmp_path / "x")
    (folder / "dict.de.txt").write_text("a 1\n")
    with pytest.raises(BundleError, match="one vocabulary for both"):
        zoo.load(folder)


def test_a_file_without_settings_is_told(tmp_path):
    folder = write(tmp_path / "x")
    torch.save({"model": drawn(True)}, folder / "model.pt")
    with pytest.raises(BundleError, match="no settings by the name args"):
        zoo.load(folder)


class Attack:
    """What runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("kind", ["pickle", "torch", "inside"])
def test_a_malicious_file_runs_nothing(kind, tmp_path):
    marker, folder = tmp_path / "it-ran", write(tmp_path / "x")
    path = folder / "model.pt"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Attack(marker)))
    elif kind == "torch":
        torch.save(Attack(marker), path)
    else:  # within the settings, whose class is allowed
        args = argparse.Namespace(**SETTINGS, evil=Attack(marker))
        torch.save({"args": args, "model": drawn(True)}, path)
    with pytest.raises(BundleError, match="was not read"):
        zoo.load(folder)
    assert not marker.exists()
    if kind == "pickle":  # it would run if it were unpickled
        pickle.loads(path.read_bytes())
        assert marker.exists()
