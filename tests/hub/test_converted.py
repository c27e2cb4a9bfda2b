"""Checkpoints of other libraries: converted once, kept by commit, in 32 bits."""

from __future__ import annotations

import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from safetensors.numpy import save

import zoo
from zoo import bundle, convert
from zoo import hub as hubs
from zoo.bundle import read_weights
from zoo.errors import BundleError, HubError, ZooWarning
from zoo.hub import converted, records, resolve
from zoo.text import BpeTokenizer
from zoo.training import run

SIZES = {"vocabulary": 60, "context": 16, "width": 64, "layers": 1, "heads": 1, "feed_forward": 256}
REPO = "hf://openai/gpt"


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, bytes]:
    """OpenAI GPT as transformers writes it, with random weights."""
    from zoo.convert.openai_gpt import wanted

    text = ["the low lower lowest window.", "new, newer, newest!", "a wide window widens."] * 2
    tokenizer = BpeTokenizer.train(text, vocabulary=60)
    sizes = SIZES | {"vocabulary": tokenizer.size}
    draw = np.random.default_rng(0)
    tensors = {
        name: draw.normal(size=shape).astype("float32")
        for name, (_, shape) in wanted(sizes).items()
    }
    config = {
        "model_type": "openai-gpt", "vocab_size": tokenizer.size, "n_positions": 16, "n_embd": 64,
        "n_layer": 1, "n_head": 1,
    }  # fmt: skip
    return {
        "config.json": json.dumps(config).encode(),
        "vocab.json": json.dumps({word: i for i, word in enumerate(tokenizer.words)}).encode(),
        "merges.txt": "\n".join(
            ["#version: 0.2", *(" ".join(pair) for pair in tokenizer.merges), ""]
        ).encode(),
        "model.safetensors": save(tensors),
    }


def test_a_checkpoint_is_converted_once_and_answers_like_its_folder(
    hub, checkpoint, tmp_path, monkeypatch
):
    commit = hub.add("openai/gpt", checkpoint)
    for name, content in checkpoint.items():
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own" / name).write_bytes(content)
    loaded = zoo.load(REPO)
    own = zoo.load(tmp_path / "own")
    for name, array in bundle.arrays(own.model).items():
        np.testing.assert_array_equal(bundle.arrays(loaded.model)[name], array)
    assert loaded.predict("the low", max_length=8) == own.predict("the low", max_length=8)

    record = records.read("openai/gpt", commit)
    assert record is not None
    kept = record.converted
    bundle.verify(kept)
    assert kept.name == f"{commit}-{zoo.__version__}"
    assert {str(array.dtype) for array in read_weights(kept / "model.safetensors").values()} == {
        "float32"
    }
    monkeypatch.setattr(convert, "read", lambda folder: pytest.fail("converted again"))
    again = zoo.load(f"{REPO}@{commit}")
    assert again.predict("the low", max_length=8) == own.predict("the low", max_length=8)


@pytest.mark.parametrize("layout", ["safetensors", "bin"])
def test_any_pair_of_opus_mt_loads_by_name(layout, hub, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    import marian_checkpoint as marian

    models = marian.pieces()
    words = marian.vocabulary(models)
    theirs = marian.network(words)
    folder = marian.write(tmp_path / "own", theirs, models, words, layout)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.add("Helsinki-NLP/opus-mt-en-fr", files | {"rust_model.ot": b"another copy"})
    with pytest.warns(ZooWarning, match="vaswani2017.opus-mt-en-fr was never pinned"):
        loaded = zoo.load("vaswani2017.opus-mt-en-fr")
    own = zoo.load(folder)
    assert loaded.predict("a b", max_length=8) == own.predict("a b", max_length=8)
    assert loaded.card.tag == "opus-mt-en-fr"
    assert loaded.recipe.data.languages == ["en", "fr"]
    asked = len(hub.requests)
    assert zoo.load("vaswani2017.opus-mt-en-fr").score("a", "b") == own.score("a", "b")
    assert len(hub.requests) == asked
    hub.add("Helsinki-NLP/opus-mt-de-en", {"config.json": b"{}"})
    with pytest.raises(HubError, match=r"neither a bundle .* nor a checkpoint"):
        zoo.load("vaswani2017.opus-mt-de-en")


def test_a_checkpoint_with_files_in_a_folder(hub, tmp_path):
    """sentence-transformers keeps the way that states are pooled in 1_Pooling/config.json."""
    from zoo.convert.bert import wanted
    from zoo.text.wordpiece import WordPieceTokenizer

    tokenizer = WordPieceTokenizer.train(["the low lower lowest window."], vocabulary=40)
    sizes = {"width": 16, "layers": 1, "feed_forward": 24, "segments": 2, "context": 12}
    sizes |= {"vocabulary": tokenizer.size, "pooling": "first", "pooler": True}
    draw = np.random.default_rng(0)
    config = {
        "model_type": "bert", "vocab_size": tokenizer.size, "max_position_embeddings": 12,
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 24, "type_vocab_size": 2,
    }  # fmt: skip
    steps = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    rows = [{"type": f"models.{kind}", "path": place} for kind, place in steps]
    files = {
        "config.json": json.dumps(config).encode(),
        "modules.json": json.dumps(rows).encode(),
        "1_Pooling/config.json": b'{"pooling_mode_cls_token": true}',
        "onnx/config.json": b"{}",
        "vocab.txt": "\n".join(tokenizer.words).encode(),
        "model.safetensors": save({
            name: draw.normal(size=shape).astype("float32")
            for name, (_, shape) in wanted(sizes).items()
        }),
    }  # fmt: skip
    commit = hub.add("user/vectors", files)
    loaded = zoo.load("hf://user/vectors")
    assert loaded.recipe.model.arguments["pooling"] == "first"
    record = records.read("user/vectors", commit)
    assert record is not None
    assert set(record.files) == files.keys() - {"onnx/config.json"}
    for name, each in files.items():
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each)
    own = zoo.load(tmp_path / "own")
    np.testing.assert_array_equal(loaded.predict("the low"), own.predict("the low"))
    hub.add("user/outside", files | {"modules.json": b'[{"type": "a.Pooling", "path": ".."}]'})
    with pytest.raises(BundleError, match="is no folder in it"):
        zoo.load("hf://user/outside")


def test_training_begins_with_a_checkpoint_of_the_hub(hub, checkpoint, tmp_path):
    hub.add("openai/gpt", checkpoint)
    loaded = zoo.load(REPO)
    given, tokenizer = resolve.weights(REPO)
    assert resolve.tokenizers(REPO)[0].merges == tokenizer.merges == loaded.tokenizer.merges
    model = run.build(loaded.recipe)
    run.begin_with(model, tokenizer, REPO)
    for name, array in bundle.arrays(loaded.model).items():
        np.testing.assert_array_equal(given[name], array)
        np.testing.assert_array_equal(bundle.arrays(model)[name], array)

    own = tmp_path / "own"  # what a user has, of which no bundle is made
    own.mkdir()
    for file, content in checkpoint.items():
        (own / file).write_bytes(content)
    found = resolve.weights(str(own))[0]
    assert found.keys() == given.keys()
    np.testing.assert_array_equal(found[name], array)
    assert resolve.tokenizers(str(own))[0].merges == tokenizer.merges


def test_only_checked_files_are_converted(hub, checkpoint):
    """Another program may have put what we did not ask for into the same folder."""
    hub.add("openai/gpt", checkpoint)
    folder = hubs.find(REPO)
    (folder / "params_shapes.json").write_text("[]")  # would be taken for OpenAI's own layout
    assert zoo.load(REPO).recipe.paper == "gpt1"


def test_another_commit_is_another_bundle(hub, checkpoint):
    first = hub.add("openai/gpt", checkpoint)
    zoo.load(f"{REPO}@{first}")
    config = json.loads(checkpoint["config.json"]) | {"resid_pdrop": 0.3}
    second = hub.add("openai/gpt", checkpoint | {"config.json": json.dumps(config).encode()})
    assert zoo.load(f"{REPO}@{second}").recipe.model.arguments["dropout"] == 0.3
    assert zoo.load(f"{REPO}@{first}").recipe.model.arguments["dropout"] == 0.1


def test_a_conversion_that_fails_leaves_nothing(hub, checkpoint, home):
    config = json.loads(checkpoint["config.json"]) | {"n_layer": 2}
    commit = hub.add("openai/gpt", checkpoint | {"config.json": json.dumps(config).encode()})
    with pytest.raises(BundleError, match=r"has no h\.1\."):
        zoo.load(REPO)
    kept = home / "assets" / "paperzoo" / "openai--gpt"
    assert sorted(path.name for path in kept.iterdir()) == [
        f"{commit}.json", "lock", "revisions.json",
    ]  # fmt: skip


def test_a_disk_without_room_for_the_bundle_is_told(hub, checkpoint, monkeypatch):
    hub.add("openai/gpt", checkpoint)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(bundle.storage, "save_weights", full)
        with pytest.raises(
            HubError, match=r"made of openai/gpt cannot be kept: .*space.*\n.*HF_HOME"
        ):
            zoo.load(REPO)
    assert zoo.load(REPO).recipe.paper == "gpt1"


def test_two_at_once_convert_once(hub, checkpoint, monkeypatch):
    hub.add("openai/gpt", checkpoint)
    folder = hubs.find(REPO)
    read, times = convert.read, []

    def slow(path):
        times.append(path)
        threading.Event().wait(0.5)
        return read(path)

    monkeypatch.setattr(convert, "read", slow)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(converted.bundle_of, [folder, folder])
    assert first == second
    assert len(times) == 1
    bundle.verify(first)
