"""sentence-transformers' files beside BERT's: which states are pooled, lengths, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import zoo
from zoo import bundle, convert
from zoo.errors import BundleError
from zoo.text.wordpiece import WordPieceTokenizer

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

LINES = ["The cat sleeps.", "The dogs eat fish at home.", "Where is my red house?"]
TOKENIZER = WordPieceTokenizer.train(LINES, vocabulary=60)
STEPS = ("Transformer", "Pooling", "Normalize")
MEAN = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
FIRST = {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}


@pytest.fixture(scope="module")
def peer():
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=TOKENIZER.size, hidden_size=24, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=40, max_position_embeddings=20,
    )  # fmt: skip
    made = transformers.BertModel(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return made


@pytest.fixture
def write(peer, tmp_path):
    """A function: write a folder as sentence-transformers does."""

    def made(
        steps: tuple[str, ...] = STEPS, pooling: dict | None = None, length: dict | None = None
    ) -> Path:
        peer.save_pretrained(tmp_path)
        (tmp_path / "vocab.txt").write_text("\n".join(TOKENIZER.words) + "\n", encoding="utf-8")
        places = [f"{i}_{kind}" if i else "" for i, kind in enumerate(steps)]
        rows = [
            {"idx": i, "path": place, "type": f"sentence_transformers.models.{kind}"}
            for i, (kind, place) in enumerate(zip(steps, places, strict=True))
        ]
        files = {"modules.json": rows, "sentence_bert_config.json": length or {}}
        if "Pooling" in steps:
            (tmp_path / places[1]).mkdir(exist_ok=True)
            files[f"{places[1]}/config.json"] = pooling or MEAN
        for name, content in files.items():
            (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
        return tmp_path

    return made


def states_of(peer, text: str) -> np.ndarray:
    ids = [TOKENIZER.start_id, *TOKENIZER.encode(text), TOKENIZER.end_id]
    with torch.no_grad():
        return peer(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()


@pytest.mark.parametrize(
    ("pooling", "normalized"),
    [(MEAN, True), (FIRST, True), (MEAN, False), ({"pooling_mode": "cls"}, False)],
)
def test_vectors_are_pooled_as_the_files_say(pooling, normalized, write, peer):
    loaded = zoo.load(write(STEPS if normalized else STEPS[:2], pooling))
    assert loaded.recipe.task == "embed"
    found = loaded.predict(LINES)
    for line, vector in zip(LINES, found, strict=True):
        states = states_of(peer, line)
        plain = states.mean(axis=0) if pooling is MEAN else states[0]
        wanted = plain / np.linalg.norm(plain) if normalized else plain
        np.testing.assert_allclose(vector, wanted, atol=1e-4)


def test_states_and_pooled_output(write, peer):
    read = convert.read(write())
    made = bundle.model_with(read.weights, read.recipe)
    ids = np.array([[2, 6, 7, 8, 9, 3, 0, 0], [2, 11, 4, 12, 13, 14, 15, 3]], dtype="int32")
    with torch.no_grad():
        wanted = peer(
            input_ids=torch.from_numpy(ids.astype("int64")),
            attention_mask=torch.from_numpy((ids != 0).astype("int64")),
        )
    states = made.encode(ids)
    present = ids != 0
    np.testing.assert_allclose(
        ops.convert_to_numpy(states)[present], wanted.last_hidden_state.numpy()[present], atol=1e-4
    )
    pooled = ops.convert_to_numpy(made.pooler(states[:, 0]))
    np.testing.assert_allclose(pooled, wanted.pooler_output.numpy(), atol=1e-4)


def test_a_plain_network_is_averaged(peer, tmp_path):
    """As sentence-transformers does without a modules.json; here without a pooler too."""
    bare = transformers.BertModel(peer.config, add_pooling_layer=False).eval()
    bare.load_state_dict(peer.state_dict(), strict=False)
    bare.save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(TOKENIZER.words) + "\n", encoding="utf-8")
    loaded = zoo.load(tmp_path)
    arguments = loaded.recipe.model.arguments
    assert (arguments["normalized"], arguments["pooler"]) == (False, False)
    wanted = states_of(peer, LINES[0]).mean(axis=0)
    np.testing.assert_allclose(loaded.predict(LINES[0]), wanted, atol=1e-4)


def test_a_bundle_of_it_answers_alike(write, tmp_path_factory):
    folder = write()
    out = convert.write(folder, "bert2018", tmp_path_factory.mktemp("out") / "mine")
    np.testing.assert_allclose(zoo.load(out).predict(LINES), zoo.load(folder).predict(LINES),
                               atol=1e-6)  # fmt: skip


@pytest.mark.parametrize(
    ("length", "wanted"), [({"max_seq_length": 9}, 9), ({"max_seq_length": 500}, 20), ({}, None)]
)
def test_the_length_is_that_of_the_sentence_config(length, wanted, write):
    read = convert.read(write(length=length))
    assert read.recipe.data.max_length == (20 if wanted is None else wanted)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"steps": ("Transformer", "Pooling", "Dense")},
         "lists the steps Transformer, Pooling, Dense\n.*such as Dense"),
        ({"steps": ("CLIPModel",)}, "lists the steps CLIPModel"),
        ({"pooling": {"pooling_mode_max_tokens": True}}, "pools states by max_tokens\n"),
        ({"pooling": {"pooling_mode": "lasttoken"}}, "pools states by lasttoken\n"),
        ({"pooling": {**MEAN, "pooling_mode_cls_token": True}},
         "pools states by mean_tokens and cls_token"),
        ({"pooling": {"pooling_mode_mean_tokens": False}}, "pools states by nothing"),
        ({"length": {"max_seq_length": "long"}}, "max_seq_length is 'long'"),
    ],
)  # fmt: skip
def test_what_is_refused(files, message, write):
    with pytest.raises(BundleError, match=f"(?s){message}"):
        convert.read(write(**files))


def test_a_cased_tokenizer_cannot_read_lower_cased_texts(write):
    folder = write(length={"do_lower_case": True})
    assert convert.read(folder).tokenizers[0].lowercase
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}', encoding="utf-8")
    with pytest.raises(BundleError, match="lower-cases texts that its tokenizer reads"):
        convert.read(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no list of steps"),
        ("[1]", "is no list of steps"),
        ('[{"type": "x"}]', "is no list of steps: KeyError"),
        ('[{"type": "a.Transformer", "path": ""}, {"type": "a.Pooling", "path": "../x"}]',
         "is no folder in it"),
    ],
)  # fmt: skip
def test_lists_of_steps_that_are_none(content, message, write):
    folder = write()
    (folder / "modules.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleError, match=message):
        convert.read(folder)


def test_a_missing_configuration_of_the_pooling(write):
    folder = write()
    (folder / "1_Pooling" / "config.json").unlink()
    with pytest.raises(BundleError, match=r"1_Pooling has no config.json"):
        convert.read(folder)
    assert convert.further(folder) == ["1_Pooling/config.json"]
