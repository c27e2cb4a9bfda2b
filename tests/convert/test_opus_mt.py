"""OPUS-MT's checkpoints: what transformers' Marian computes and writes with the same files."""

from __future__ import annotations

import functools
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from given import PAIRS
from keras import ops

import zoo
from zoo.errors import BundleError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import marian_checkpoint as checkpoint  # noqa: E402
from marian_checkpoint import LONGEST, WIDTH, changed, write  # noqa: E402

LAYOUTS = ["safetensors", "bin", "bare", "bare-bin", "half"]


@pytest.fixture(scope="module")
def models() -> tuple[bytes, bytes]:
    return checkpoint.pieces()


@pytest.fixture(scope="module")
def words(models) -> list[str]:
    return checkpoint.vocabulary(models)


@pytest.fixture(scope="module")
def theirs(words):
    return checkpoint.network(words)


@pytest.fixture(scope="module")
def folders(theirs, models, words, tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {each: write(root / each, theirs, models, words, each) for each in LAYOUTS}


@pytest.fixture(scope="module")
def load(folders):
    return functools.cache(lambda layout: zoo.load(folders[layout]))


@pytest.fixture
def copy(folders, tmp_path) -> Path:
    return shutil.copytree(folders["safetensors"], tmp_path / "copy")


def arrays(words) -> tuple[np.ndarray, np.ndarray]:
    pad = len(words) - 1
    source = np.array([[5, 6, 7, 8, 9, 0], [10, 11, 0, pad, pad, pad]], dtype="int32")
    return source, np.array([[pad, 12, 13, 14, 15], [pad, 16, 17, 18, 19]], dtype="int32")


def their_logits(model, source, target):
    wide = [torch.tensor(each.astype("int64")) for each in (source, target)]
    mask = wide[0] != model.config.pad_token_id
    with torch.no_grad():
        made = model(input_ids=wide[0], attention_mask=mask, decoder_input_ids=wide[1])
    return made.logits.numpy()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_full_pass_is_theirs(layout, load, theirs, words):
    ours = load(layout)
    source, target = arrays(words)
    expected = their_logits(theirs, source, target)
    if layout.startswith("bare"):  # which has no bias of the logits
        expected = expected - theirs.final_logits_bias.numpy()
    found = ops.convert_to_numpy(ours.model({"source": source, "target": target}))
    assert expected.std() > 1
    rounded = layout == "half"
    np.testing.assert_allclose(found, expected, atol=0.1 if rounded else 1e-4, rtol=0)
    trained = sum(
        each.numel() for name, each in theirs.named_parameters() if "embed_pos" not in name
    )
    bias = 0 if layout.startswith("bare") else len(words)
    assert ours.model.count_params() == trained + bias


def test_cached_steps_are_their_full_pass(load, theirs, words):
    model = load("safetensors").model
    source, target = arrays(words)
    expected = their_logits(theirs, source, target)
    memory, state = model.start({"source": ops.convert_to_tensor(source)}, target.shape[1])
    for position in range(target.shape[1]):
        token = ops.convert_to_tensor(target[:, position])
        found, state = model.step(token, position, memory, state)
        found = ops.convert_to_numpy(found)
        np.testing.assert_allclose(found, expected[:, position], atol=1e-4, rtol=0)


@pytest.mark.parametrize("beams", [1, 4])
def test_it_writes_what_they_write(beams, load, folders, theirs):
    """Padding is banned on both sides, and probabilities are those of the rest."""
    texts = [source for source, _ in PAIRS[:6]]
    tokenizer = transformers.MarianTokenizer.from_pretrained(folders["safetensors"])
    expected = []
    for text in texts:
        made = theirs.generate(
            **tokenizer([text], return_tensors="pt"), num_beams=beams, do_sample=False,
            max_length=16, length_penalty=0.0, early_stopping="never" if beams > 1 else False,
            bad_words_ids=[[theirs.config.pad_token_id]], renormalize_logits=True,
        )  # fmt: skip
        expected.append(tokenizer.decode(made[0], skip_special_tokens=True))
    found = load("safetensors").predict(
        texts, beam_size=beams, length_penalty=0.0, max_length=15, progress=False
    )
    assert found == expected
    assert len(set(found)) > 1


def test_the_recipe_says_what_it_is(load):
    recipe = load("safetensors").recipe
    assert recipe.name == "vaswani2017-opus-mt-en-fr"
    assert recipe.data.languages == ["en", "fr"]
    assert (recipe.evaluate.beam_size, recipe.evaluate.length_penalty) == (4, 1.0)


def test_generation_config_decides_how_to_decode(theirs, models, words, tmp_path):
    folder = write(tmp_path / "x", theirs, models, words, num_beams=6, length_penalty=0.7)
    recipe = zoo.load(folder).recipe
    assert (recipe.evaluate.beam_size, recipe.evaluate.length_penalty) == (6, 0.7)


@pytest.mark.parametrize(
    ("folder", "config", "pair"),
    [
        ("opus-mt-fi-ZH", {}, ["fi", "ZH"]),
        ("x", {"_name_or_path": "Helsinki-NLP/opus-mt-de-en"}, ["de", "en"]),
        ("models--Helsinki-NLP--opus-mt-it-es/snapshots", {}, ["it", "es"]),
        ("x", {}, ["und", "und"]),
    ],
)
def test_languages_come_from_names_where_the_tokenizer_has_none(
    folder, config, pair, copy, tmp_path
):
    (copy / "tokenizer_config.json").unlink()
    changed(copy / "config.json", config)
    (tmp_path / folder).parent.mkdir(exist_ok=True)
    assert zoo.load(copy.rename(tmp_path / folder)).recipe.data.languages == pair


def test_it_can_be_saved_as_a_bundle_and_scores(load, words, tmp_path):
    ours = load("bin")
    ours.save(tmp_path / "bundle", dtype="float32")
    again = zoo.load(tmp_path / "bundle")
    texts = [source for source, _ in PAIRS[:3]]
    assert again.predict(texts, max_length=8) == ours.predict(texts, max_length=8)
    assert again.source_tokenizer.model != again.target_tokenizer.model
    assert again.score("Go.", "Va !") == pytest.approx(ours.score("Go.", "Va !"), abs=1e-4)


def test_it_can_be_trained_further(load):
    """Its end has the id that padding has elsewhere."""
    changes = {
        "train.updates": 2, "train.updates_per_epoch": 1, "train.jit": False,
        "train.buckets": [40], "data.max_length": 40, "train.batch_tokens": 160,
    }  # fmt: skip
    batch, labels = next(load("safetensors").preprocess(PAIRS, changes=changes))
    pad = load("safetensors").tokenizer.pad_id
    assert (batch["target"][:, 0] == pad).all()
    assert ((labels == 0).sum(axis=1) == 1).all()
    assert (labels == pad).any()


# What is wrong with a folder


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"share_encoder_decoder_embeddings": False}, "one table for both languages"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings False"),
        ({"scale_embedding": False}, "scale_embedding False, vaswani2017 has scale_embedding True"),
        ({"activation_function": "gelu"}, "activation gelu, vaswani2017 has relu or swish"),
        ({"decoder_vocab_size": 7}, "decoder_vocab_size 7"),
        ({"decoder_ffn_dim": 96}, "encoder_ffn_dim 48, decoder_ffn_dim 96"),
        ({"d_model": None}, "lacks a size: d_model"),
        ({"pad_token_id": 0, "decoder_start_token_id": 0}, "<pad> is"),
        ({"encoder_layers": 3}, r"has no encoder\.layers\.2"),
        ({"encoder_layers": 1}, r"which the model has no place for"),
        ({"encoder_ffn_dim": 64, "decoder_ffn_dim": 64}, r"fc1\.weight is \(48, 32\)"),
    ],
)
def test_a_config_of_something_else_is_told(config, text, copy):
    changed(copy / "config.json", config)
    with pytest.raises(BundleError, match=text):
        zoo.load(copy)


def rewritten(folder: Path, change) -> None:
    """Change the tensors of a safetensors file."""
    from safetensors.numpy import load_file, save_file

    path = folder / "model.safetensors"
    found = load_file(path)
    change(found)
    path.unlink()
    save_file(found, path)


def untied(found):
    found["lm_head.weight"] = found["model.shared.weight"] + 1


def apart(found):
    found["model.encoder.embed_tokens.weight"] = found.pop("model.shared.weight")
    found["model.decoder.embed_tokens.weight"] = found["model.encoder.embed_tokens.weight"] + 1


def moved(found):
    found["model.encoder.embed_positions.weight"] = np.ones((LONGEST, WIDTH), "float32")


def unbiased(found):
    del found["final_logits_bias"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (untied, r"another table in lm_head\.weight"),
        (apart, r"another table in decoder\.embed_tokens\.weight"),
        (moved, r"a table of its own in encoder\.embed_positions\.weight"),
        (unbiased, r"has no final_logits_bias"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change, text, copy):
    rewritten(copy, change)
    with pytest.raises(BundleError, match=text):
        zoo.load(copy)


@pytest.mark.parametrize("name", ["model.safetensors", "source.spm", "target.spm", "vocab.json"])
def test_a_missing_file_is_named(name, copy):
    (copy / name).unlink()
    with pytest.raises(BundleError, match=name):
        zoo.load(copy)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("vocab.json", '{"</s>": 0, "<unk>": 1, "<pad>": 2}', "has 3 pieces"),
        ("vocab.json", '{"</s>": 0, "<unk>": 2}', "number its words from 0 on"),
        ("vocab.json", "[", "not valid JSON"),
        ("source.spm", "no model", "SentencePiece"),
        ("target_vocab.json", "{}", "one vocabulary for both languages"),
    ],
)
def test_a_file_of_something_else_is_refused(name, content, text, copy):
    (copy / name).write_text(content)
    with pytest.raises(BundleError, match=text):
        zoo.load(copy)


class Attack:
    """What runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_malicious_file_runs_nothing(kind, copy, tmp_path):
    marker = tmp_path / "it-ran"
    (copy / "model.safetensors").unlink()
    path = copy / "pytorch_model.bin"
    if kind == "torch":
        torch.save({"model.shared.weight": Attack(marker)}, path)
    else:
        path.write_bytes(pickle.dumps(Attack(marker)))
    with pytest.raises(BundleError, match="was not read"):
        zoo.load(copy)
    assert not marker.exists()
    if kind == "pickle":  # it would run if it were unpickled
        pickle.loads(path.read_bytes())
        assert marker.exists()
