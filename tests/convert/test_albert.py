"""ALBERT as transformers writes it: equal states, words, order, labels; what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
from given import PAIRS
from keras import ops
from safetensors.numpy import load_file, save_file

import zoo
from zoo import bundle, convert
from zoo.convert import albert
from zoo.errors import BundleError
from zoo.text.albert import AlbertTokenizer

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

LINES = [source for source, _ in PAIRS]
TOKENIZER = AlbertTokenizer.train(LINES, vocabulary=60)
SIZES = {
    "vocab_size": TOKENIZER.size, "embedding_size": 8, "hidden_size": 24, "num_hidden_layers": 3,
    "num_attention_heads": 4, "intermediate_size": 40, "max_position_embeddings": 20,
}  # fmt: skip
# Of several lengths, the second with two texts.
IDS = np.array(
    [
        [2, 6, 7, 8, 9, 10, 3, 0, 0],
        [2, 11, 4, 3, 12, 13, 3, 0, 0],
        [2, 5, 14, 15, 16, 17, 18, 4, 3],
    ],
    dtype="int32",
)
PRESENT = (IDS != 0).astype("int64")
SEGMENTS = np.array([[0] * 9, [0, 0, 0, 0, 1, 1, 1, 0, 0], [0] * 9], dtype="int64")


def network(kind: str = "AlbertForPreTraining", **changes):
    """Return one of transformers with large random weights, so that each counts."""
    torch.manual_seed(3)
    made = getattr(transformers, kind)(transformers.AlbertConfig(**SIZES | changes)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return made


def written(folder: Path, made) -> Path:
    made.save_pretrained(folder)
    (folder / "spiece.model").write_bytes(TOKENIZER.model)
    return folder


def copied(checkpoint: Path, folder: Path) -> Path:
    for path in checkpoint.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def edited(folder: Path, **changes) -> None:
    path = folder / "config.json"
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(content), encoding="utf-8")


def theirs(made, ids=IDS, segments=SEGMENTS, **more):
    inputs = {"input_ids": ids, "attention_mask": (ids != 0), "token_type_ids": segments, **more}
    tensors = {name: torch.from_numpy(value.astype("int64")) for name, value in inputs.items()}
    with torch.no_grad():
        return made(**tensors)


def close(found, wanted, present=None, atol=1e-4):
    found, wanted = ops.convert_to_numpy(found), wanted.numpy()
    if present is not None:
        found, wanted = found[present > 0], wanted[present > 0]
    np.testing.assert_allclose(found, wanted, atol=atol)
    assert np.abs(wanted).max() > 0.3


def model_of(read: convert.Converted) -> keras.Model:
    return bundle.model_with(read.weights, read.recipe)


@pytest.fixture(scope="module")
def peer():
    return network()


@pytest.fixture(scope="module")
def checkpoint(peer, tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("albert"), peer)


@pytest.fixture(scope="module")
def model(checkpoint) -> keras.Model:
    return model_of(convert.read(checkpoint))


def test_states_words_and_order_are_those_of_transformers(peer, model):
    wanted, states = theirs(peer), theirs(peer.albert)
    found = model.encode(IDS)
    close(found, states.last_hidden_state, PRESENT)
    close(model(IDS), wanted.prediction_logits, PRESENT)
    close(model.pooled(found), states.pooler_output)
    close(model.judge(found), wanted.sop_logits)


def test_each_layer_is_the_one_block(checkpoint, peer, tmp_path):
    """Of 1 to 5 layers the weights are the same."""
    for layers in (1, 5):
        edited(copied(checkpoint, tmp_path), num_hidden_layers=layers)
        deep = transformers.AlbertForPreTraining.from_pretrained(tmp_path).eval()
        found = model_of(convert.read(tmp_path))
        close(found.encode(IDS), theirs(deep.albert).last_hidden_state, PRESENT)


def test_segments_that_are_given_win(peer, model):
    others = np.random.default_rng(0).integers(0, 2, IDS.shape).astype("int32")
    wanted = theirs(peer.albert, segments=others).last_hidden_state
    close(model.encode(IDS, others), wanted, PRESENT)
    assert (wanted - theirs(peer.albert).last_hidden_state).abs().max() > 0.1


def test_padding_on_the_left_changes_nothing(model, peer):
    turned = np.array([np.concatenate([row[row == 0], row[row != 0]]) for row in IDS])
    right, left = (ops.convert_to_numpy(model(ids)) for ids in (IDS, turned))
    np.testing.assert_allclose(right[IDS != 0], left[turned != 0], atol=1e-5)
    places = np.maximum(np.cumsum(turned != 0, axis=1) - 1, 0)
    segments = np.array([[0] * 9, [0] * 6 + [1] * 3, [0] * 9])
    wanted = theirs(peer, turned, segments, position_ids=places).prediction_logits
    close(left, wanted, (turned != 0))


def test_some_places_are_those_of_all(model):
    places = np.array([[2, 5], [2, 0], [7, 1]], dtype="int32")
    whole = ops.convert_to_numpy(model(IDS))
    found = ops.convert_to_numpy(model.fill(IDS, places))
    np.testing.assert_allclose(found, np.take_along_axis(whole, places[:, :, None], 1), atol=1e-5)


@pytest.mark.parametrize(("activation", "ours"), [("gelu_new", "gelu_tanh"), ("gelu", "gelu")])
def test_either_gelu_and_a_network_without_order(activation, ours, tmp_path):
    made = network("AlbertForMaskedLM", hidden_act=activation)
    read = convert.read(written(tmp_path, made))
    assert read.recipe.model.arguments["activation"] == ours
    assert read.recipe.model.arguments["sentence_order"] is False
    close(model_of(read)(IDS), theirs(made).logits, PRESENT)


def test_no_prefix_and_surplus_tensors(checkpoint, model, tmp_path):
    copied(checkpoint, tmp_path)
    tensors = load_file(checkpoint / "model.safetensors")
    tensors = {name.removeprefix("albert."): array for name, array in tensors.items()}
    tensors["embeddings.position_ids"] = np.arange(20)[None]
    tensors["predictions.decoder.weight"] = tensors["embeddings.word_embeddings.weight"]
    tensors["predictions.decoder.bias"] = tensors["predictions.bias"]
    save_file(tensors, tmp_path / "model.safetensors")
    read = convert.read(tmp_path)
    for name, array in bundle.arrays(model).items():
        np.testing.assert_array_equal(read.weights[name], array)


def test_a_pooler_without_order_is_left_out(checkpoint, peer, tmp_path):
    """As in the authors' own checkpoint on the hub."""
    copied(checkpoint, tmp_path)
    tensors = load_file(checkpoint / "model.safetensors")
    kept = {name: array for name, array in tensors.items() if "sop_classifier" not in name}
    save_file(kept, tmp_path / "model.safetensors")
    read = convert.read(tmp_path)
    assert not any("pooler" in name for name in read.weights)
    close(model_of(read)(IDS), theirs(peer).prediction_logits, PRESENT)


def test_pytorchs_file(checkpoint, peer, model, tmp_path):
    copied(checkpoint, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(peer.state_dict(), tmp_path / "pytorch_model.bin")
    read = convert.read(tmp_path)
    for name, array in bundle.arrays(model).items():
        np.testing.assert_array_equal(read.weights[name], array)


def test_a_tokenizer_that_keeps_case_and_accents(checkpoint, tmp_path):
    copied(checkpoint, tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(
        '{"do_lower_case": false, "keep_accents": true}', encoding="utf-8"
    )
    read = convert.read(tmp_path)
    made, settings = read.tokenizers[0], read.recipe.tokenizer
    assert (made.lowercase, made.keep_accents) == (settings.lowercase, settings.keep_accents)
    assert (made.lowercase, made.keep_accents) == (False, True)


def test_it_fills_as_transformers_does(checkpoint, tmp_path):
    """From the folder to the answer, and through a bundle."""
    words = transformers.AlbertForMaskedLM.from_pretrained(checkpoint).eval()
    out = convert.write(checkpoint, "albert2019", tmp_path / "mine")
    for text in ("The [MASK] sleeps.", "Where is my [MASK] house?"):
        left, right = text.split("[MASK]")
        ids = [2, *TOKENIZER.encode(left), 4, *TOKENIZER.encode(right), 3]
        ids = np.array([ids], dtype="int64")
        logits = theirs(words, ids, np.zeros_like(ids)).logits[0, ids[0].tolist().index(4)]
        logits[:5] = -np.inf  # special words are never written, nor is a space alone
        logits[TOKENIZER.words.index("\u2581")] = -np.inf
        p = torch.softmax(logits, 0).numpy()
        best = [TOKENIZER.words[i] for i in np.argsort(-p)[:8]]
        for loaded in (zoo.load(checkpoint), zoo.load(out)):
            found = loaded.predict(text, scores=True, num_return=8)
            # A piece that begins a word has no mark, one within a word WordPiece's.
            assert list(found) == [
                each[1:] if each[0] == "\u2581" else f"##{each}" for each in best
            ]
            np.testing.assert_allclose(list(found.values()), np.sort(p)[::-1][:8], rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "spiece.model").write_bytes(b"no"), "SentencePiece model is none"),
        (lambda f: (f / "spiece.model").unlink(), "has no spiece.model"),
        (lambda f: edited(f, vocab_size=70), "pieces and the weights 70 rows"),
        (lambda f: edited(f, hidden_act="relu"), "the activation is relu"),
        (lambda f: edited(f, embedding_size=None), "lacks a size"),
        (lambda f: edited(f, hidden_size=32), "its config says"),
        (lambda f: edited(f, num_hidden_groups=2), "num_hidden_groups is 2, and albert2019"),
        (lambda f: edited(f, inner_group_num=2), "inner_group_num is 2, and albert2019"),
    ],
)
def test_what_is_refused(change, message, checkpoint, tmp_path):
    change(copied(checkpoint, tmp_path))
    with pytest.raises(BundleError, match=message):
        convert.read(tmp_path)


def test_a_network_without_a_head_is_named(tmp_path):
    with pytest.raises(BundleError, match="has no head that guesses words, classifies texts or"):
        convert.read(written(tmp_path, network("AlbertModel")))


def test_a_classifier_is_that_of_transformers(tmp_path):
    labels = {0: "bad", 1: "so so", 2: "good"}
    judge = network(
        "AlbertForSequenceClassification", num_labels=3, id2label=labels,
        label2id={label: i for i, label in labels.items()}, classifier_dropout_prob=0.2,
    )  # fmt: skip
    read = convert.read(written(tmp_path, judge))
    assert (read.recipe.task, read.recipe.data.labels) == ("classify", ["bad", "so so", "good"])
    assert read.recipe.model.arguments["dropout_head"] == 0.2
    made = model_of(read)
    wanted = theirs(judge).logits
    close(made(IDS), wanted)
    turned = np.array([np.concatenate([row[row == 0], row[row != 0]]) for row in IDS])
    close(made(turned), wanted)
    loaded = zoo.load(tmp_path)
    for line in LINES[:3]:
        ids = np.array([[2, *TOKENIZER.encode(line), 3]], dtype="int64")
        p = torch.softmax(theirs(judge, ids, np.zeros_like(ids)).logits[0], 0).numpy()
        found = loaded.predict(line, scores=True)
        assert list(found) == [labels[int(i)] for i in np.argsort(-p)]
        np.testing.assert_allclose(list(found.values()), np.sort(p)[::-1], atol=1e-4)


@pytest.mark.parametrize(
    ("more", "published"),
    [
        ({"sentence_order": True}, 11_813_810),
        ({"sentence_order": False}, 11_813_810 - 590_592 - 1_538),
        ({"classes": 2}, 11_683_584 + 1_538),
    ],
)
def test_what_is_wanted_of_base(more, published):
    sizes = {
        "vocabulary": 30_000, "context": 512, "segments": 2, "embedding": 128, "width": 768,
        "feed_forward": 3072, "layers": 12,
    }  # fmt: skip
    shapes = [shape for _, shape in albert.wanted(sizes | more).values()]
    assert sum(map(math.prod, shapes)) == published


def test_spans_are_those_of_transformers(tmp_path):
    made = network("AlbertForQuestionAnswering")
    read = convert.read(written(tmp_path, made))
    assert (read.recipe.task, read.recipe.data.max_length) == ("answer", 20)
    wanted, found = theirs(made), ops.convert_to_numpy(model_of(read)(IDS))
    for place, logits in enumerate((wanted.start_logits, wanted.end_logits)):
        close(found[:, place], logits, PRESENT)
    context = "Where  is the DOG? The cat (sleeps)."
    answer = zoo.load(tmp_path).predict("Where is it?", context=context)
    assert answer["text"] == context[answer["start"] : answer["end"]]
    assert answer["text"].strip() == answer["text"] != ""
