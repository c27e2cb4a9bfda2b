"""BERT as transformers writes it: equal states, words, second task; what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from safetensors.numpy import load_file, save_file

import zoo
from zoo import bundle, convert
from zoo.errors import BundleError
from zoo.text.wordpiece import SPECIAL, WordPieceTokenizer

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

LINES = ["The cat sleeps.", "The dogs eat fish at home.", "Where is my red house?"]
TOKENIZER = WordPieceTokenizer.train(LINES, vocabulary=60)
SIZES = {
    "vocab_size": TOKENIZER.size, "hidden_size": 24, "num_hidden_layers": 3,
    "num_attention_heads": 4, "intermediate_size": 40, "max_position_embeddings": 20,
    "pad_token_id": 0,
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


def network(kind: str = "BertForPreTraining", **changes):
    """Return one of transformers with large random weights, so that each counts."""
    torch.manual_seed(3)
    made = getattr(transformers, kind)(transformers.BertConfig(**SIZES | changes)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return made


def written(folder: Path, made) -> Path:
    made.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(TOKENIZER.words) + "\n", encoding="utf-8")
    return folder


def theirs(made, **inputs):
    tensors = {name: torch.from_numpy(value.astype("int64")) for name, value in inputs.items()}
    with torch.no_grad():
        return made(**tensors)


@pytest.fixture(scope="module")
def peer():
    return network()


@pytest.fixture(scope="module")
def checkpoint(peer, tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("bert"), peer)


@pytest.fixture(scope="module")
def model(checkpoint) -> keras.Model:
    return bundle.model_with(*(lambda read: (read.weights, read.recipe))(convert.read(checkpoint)))


def test_states_words_and_second_task_are_those_of_transformers(peer, model):
    wanted = theirs(peer, input_ids=IDS, attention_mask=PRESENT, token_type_ids=SEGMENTS)
    states = theirs(peer.bert, input_ids=IDS, attention_mask=PRESENT, token_type_ids=SEGMENTS)
    found = model.encode(IDS)
    close(found, states.last_hidden_state, PRESENT)
    close(model(IDS), wanted.prediction_logits, PRESENT)
    close(model.pooled(found), states.pooler_output)
    close(model.judge(found), wanted.seq_relationship_logits)


def close(found, wanted, present=None, atol=1e-4):
    found, wanted = ops.convert_to_numpy(found), wanted.numpy()
    if present is not None:
        found, wanted = found[present > 0], wanted[present > 0]
    np.testing.assert_allclose(found, wanted, atol=atol)
    assert np.abs(wanted).max() > 0.3


def test_segments_that_are_given_win(peer, model):
    others = np.random.default_rng(0).integers(0, 2, IDS.shape).astype("int32")
    wanted = theirs(peer.bert, input_ids=IDS, attention_mask=PRESENT, token_type_ids=others)
    close(model.encode(IDS, others), wanted.last_hidden_state, PRESENT)
    plain = theirs(peer.bert, input_ids=IDS, attention_mask=PRESENT, token_type_ids=SEGMENTS)
    assert (wanted.last_hidden_state - plain.last_hidden_state).abs().max() > 0.1


def test_padding_on_the_left_changes_nothing(model):
    turned = np.array([np.concatenate([row[row == 0], row[row != 0]]) for row in IDS])
    right, left = (ops.convert_to_numpy(model(ids)) for ids in (IDS, turned))
    np.testing.assert_allclose(right[IDS != 0], left[turned != 0], atol=1e-5)


def test_some_places_are_those_of_all(model):
    places = np.array([[2, 5], [2, 0], [7, 1]], dtype="int32")
    whole = ops.convert_to_numpy(model(IDS))
    found = ops.convert_to_numpy(model.fill(IDS, places))
    np.testing.assert_allclose(found, np.take_along_axis(whole, places[:, :, None], 1), atol=1e-5)


@pytest.mark.parametrize(("activation", "ours"), [("gelu_new", "gelu_tanh"), ("gelu", "gelu")])
def test_either_gelu(activation, ours, tmp_path):
    made = network(hidden_act=activation)
    read = convert.read(written(tmp_path, made))
    assert read.recipe.model.arguments["activation"] == ours
    found = bundle.model_with(read.weights, read.recipe)(IDS)
    wanted = theirs(made, input_ids=IDS, attention_mask=PRESENT, token_type_ids=SEGMENTS)
    close(found, wanted.prediction_logits, PRESENT)


def test_a_network_without_the_second_task(tmp_path):
    made = network("BertForMaskedLM")
    read = convert.read(written(tmp_path, made))
    assert read.recipe.model.arguments["next_sentence"] is False
    found = bundle.model_with(read.weights, read.recipe)(IDS)
    close(found, theirs(made, input_ids=IDS, attention_mask=PRESENT,
                        token_type_ids=SEGMENTS).logits, PRESENT)  # fmt: skip


def test_older_names_no_prefix_and_surplus_buffers(checkpoint, model, tmp_path):
    old = {}
    for name, array in load_file(checkpoint / "model.safetensors").items():
        name = name.removeprefix("bert.")
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        old[name.replace("LayerNorm.bias", "LayerNorm.beta")] = array
    old["embeddings.position_ids"] = np.arange(20)[None]
    for name in ("config.json", "vocab.txt"):
        (tmp_path / name).write_bytes((checkpoint / name).read_bytes())
    save_file(old, tmp_path / "model.safetensors")
    read = convert.read(tmp_path)
    for name, array in bundle.arrays(model).items():
        np.testing.assert_array_equal(read.weights[name], array)


def test_pytorchs_file_and_the_fast_tokenizer(checkpoint, peer, model, tmp_path):
    torch.save(peer.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    vocabulary = {word: i for i, word in enumerate(TOKENIZER.words)}
    transformers.BertTokenizer(vocab=vocabulary).save_pretrained(tmp_path)
    assert not (tmp_path / "vocab.txt").exists()
    read = convert.read(tmp_path)
    assert read.tokenizers[0].words == TOKENIZER.words
    assert read.tokenizers[0].lowercase
    for name, array in bundle.arrays(model).items():
        np.testing.assert_array_equal(read.weights[name], array)


def test_a_cased_vocabulary(checkpoint, tmp_path):
    for path in checkpoint.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}', encoding="utf-8")
    read = convert.read(tmp_path)
    assert not read.tokenizers[0].lowercase
    assert read.recipe.tokenizer.lowercase is False


def test_it_fills_as_transformers_does(checkpoint, tmp_path):
    """From the folder to the answer, and through a bundle."""
    vocabulary = {word: i for i, word in enumerate(TOKENIZER.words)}
    tokenizer = transformers.BertTokenizer(vocab=vocabulary)
    texts = ["The [MASK] sleeps.", "Where is my [MASK] house?"]
    words = transformers.BertForMaskedLM.from_pretrained(checkpoint).eval()
    pipeline = transformers.pipeline("fill-mask", model=words, tokenizer=tokenizer, top_k=40)
    out = convert.write(checkpoint, "bert2018", tmp_path / "mine")
    for loaded in (zoo.load(checkpoint), zoo.load(out)):
        for text, wanted in zip(texts, pipeline(texts), strict=True):
            found = loaded.predict(text, scores=True, num_return=8)
            allowed = [each for each in wanted if each["token_str"] not in SPECIAL][:8]
            assert list(found) == [each["token_str"] for each in allowed]
            ratio = [found[each["token_str"]] / each["score"] for each in allowed]
            np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)  # special words left out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "vocab.txt").write_text("[PAD]\n[UNK]"), "a vocabulary of WordPiece has"),
        (lambda f: (f / "vocab.txt").write_text("\n".join([*SPECIAL, "a"])), "has 6 pieces and"),
        (lambda f: (f / "vocab.txt").unlink(), "neither vocab.txt nor tokenizer.json"),
        (lambda f: edited(f, hidden_act="relu"), "the activation is relu"),
        (lambda f: edited(f, hidden_size=None), "lacks a size"),
        (lambda f: edited(f, hidden_size=32), "its config says"),
        (lambda f: edited(f, num_hidden_layers=4), "has no encoder.layer.3"),
    ],
)
def test_what_is_refused(change, message, checkpoint, tmp_path):
    for path in checkpoint.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    change(tmp_path)
    with pytest.raises(BundleError, match=message):
        convert.read(tmp_path)


def edited(folder: Path, **changes) -> None:
    path = folder / "config.json"
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_head_that_the_zoo_does_not_have_is_named(tmp_path):
    with pytest.raises(BundleError, match="has a head that is not read here"):
        convert.read(written(tmp_path, network("BertForNextSentencePrediction")))


# Classifiers


@pytest.fixture(scope="module")
def judge():
    labels = {0: "bad", 1: "so so", 2: "good"}
    return network("BertForSequenceClassification", num_labels=3, id2label=labels,
                   label2id={label: i for i, label in labels.items()})  # fmt: skip


def test_a_classifier_is_that_of_transformers(judge, tmp_path):
    read = convert.read(written(tmp_path, judge))
    assert (read.recipe.task, read.recipe.data.labels) == ("classify", ["bad", "so so", "good"])
    made = bundle.model_with(read.weights, read.recipe)
    wanted = theirs(judge, input_ids=IDS, attention_mask=PRESENT, token_type_ids=SEGMENTS).logits
    close(made(IDS), wanted)
    turned = np.array([np.concatenate([row[row == 0], row[row != 0]]) for row in IDS])
    close(made(turned), wanted)


def test_it_classifies_as_transformers_does(judge, tmp_path):
    vocabulary = {word: i for i, word in enumerate(TOKENIZER.words)}
    tokenizer = transformers.BertTokenizer(vocab=vocabulary)
    pipeline = transformers.pipeline(
        "text-classification", model=judge, tokenizer=tokenizer, top_k=None
    )
    loaded = zoo.load(written(tmp_path, judge))
    for line, wanted in zip(LINES, pipeline(LINES), strict=True):
        found = loaded.predict(line, scores=True)
        assert list(found) == [each["label"] for each in wanted]
        np.testing.assert_allclose(list(found.values()), [each["score"] for each in wanted],
                                   atol=1e-4)  # fmt: skip


def test_labels_that_are_not_there(judge, tmp_path):
    written(tmp_path, judge)
    edited(tmp_path, id2label={"0": "one"})
    with pytest.raises(BundleError, match="does not number two labels"):
        convert.read(tmp_path)


# Taggers


TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def test_a_tagger_is_that_of_transformers(tmp_path):
    names = dict(enumerate(TAGS))
    made = network("BertForTokenClassification", num_labels=5, id2label=names)
    read = convert.read(written(tmp_path / "tagger", made))
    assert read.recipe.data.labels == TAGS
    assert read.recipe.evaluate.metric == "f1"
    mine = bundle.model_with(read.weights, read.recipe)
    inputs = {"input_ids": IDS, "attention_mask": PRESENT, "token_type_ids": SEGMENTS}
    wanted = theirs(made, **inputs).logits.numpy()
    found = ops.convert_to_numpy(mine(IDS))
    assert np.abs(found - wanted)[PRESENT == 1].max() < 1e-4


def test_a_tagger_of_plain_tags_is_measured_by_accuracy(tmp_path):
    made = network("BertForTokenClassification", num_labels=3)  # LABEL_0 and so on
    model = zoo.load(written(tmp_path / "tagger", made))
    assert model.labels == ["LABEL_0", "LABEL_1", "LABEL_2"]
    assert model.recipe.evaluate.metric == "accuracy"
    assert [word["word"] for word in model.predict("The cat sleeps.")] == [
        "The", "cat", "sleeps", ".",
    ]  # fmt: skip


# Answers to questions


@pytest.fixture(scope="module")
def answerer():
    return network("BertForQuestionAnswering")


def test_spans_are_those_of_transformers(answerer, tmp_path):
    read = convert.read(written(tmp_path, answerer))
    assert (read.recipe.task, read.recipe.evaluate.metric) == ("answer", "f1")
    assert (read.recipe.data.max_length, read.recipe.data.stride) == (20, 128)
    made = bundle.model_with(read.weights, read.recipe)
    wanted = theirs(answerer, input_ids=IDS, attention_mask=PRESENT, token_type_ids=SEGMENTS)
    found = ops.convert_to_numpy(made(IDS))
    assert found.shape == (3, 2, 9)
    for place, logits in enumerate((wanted.start_logits, wanted.end_logits)):
        close(found[:, place], logits, PRESENT)
    assert (found[:, 0][PRESENT == 0] < -1e8).all()  # padding is no start
    turned = np.array([np.concatenate([row[row == 0], row[row != 0]]) for row in IDS])
    left = ops.convert_to_numpy(made(turned))
    np.testing.assert_allclose(left[:, 0][turned != 0], found[:, 0][IDS != 0], atol=1e-5)


def test_it_answers_as_transformers_does(answerer, tmp_path):
    """The same windows as the tokenizer there cuts, and the best span of the logits there."""
    vocabulary = {word: i for i, word in enumerate(TOKENIZER.words)}
    tokenizer = transformers.BertTokenizer(vocab=vocabulary)
    out = convert.write(written(tmp_path / "theirs", answerer), "bert2018", tmp_path / "mine")
    model = zoo.load(out)
    question, short, long = "Where is my cat?", "The Dogs sleep.", " ".join(LINES)
    asked = len(tokenizer(question, add_special_tokens=False)["input_ids"])
    model.task.data = model.recipe.changed({"data.stride": 4}).data
    cut = {"max_length": 20, "stride": 20 - 3 - asked - 4, "truncation": "only_second"}
    (ours,) = model.encode_sources((question, long))
    assert ours == tokenizer(question, long, return_overflowing_tokens=True, **cut)["input_ids"]
    assert len(ours) > 2
    batch = tokenizer(question, short, return_offsets_mapping=True)
    inputs = {name: np.array([batch[name]]) for name in ("input_ids", "token_type_ids")}
    wanted = theirs(answerer, **inputs)
    offsets, first = batch["offset_mapping"], asked + 2
    scores = {
        (i, j): float(wanted.start_logits[0, i] + wanted.end_logits[0, j])
        for i in range(first, len(offsets) - 1)
        for j in range(i, len(offsets) - 1)
    }
    best = sorted(scores, key=lambda span: -scores[span])[:5]
    found = model.predict((question, short), num_return=5)
    places = [(offsets[i][0], offsets[j][1]) for i, j in best]
    assert [(each["start"], each["end"]) for each in found] == places
    ratio = np.log(found[0]["score"] / found[1]["score"])
    assert ratio == pytest.approx(scores[best[0]] - scores[best[1]], abs=1e-3)
