"""Google's TensorFlow checkpoints of BERT and ALBERT: the networks of transformers' folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from given import PAIRS

from zoo import convert
from zoo.errors import BundleError
from zoo.text.albert import AlbertTokenizer
from zoo.text.wordpiece import WordPieceTokenizer

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

LINES = [source for source, _ in PAIRS]
PIECES = WordPieceTokenizer.train(LINES, vocabulary=60)
UNIGRAMS = AlbertTokenizer.train(LINES, vocabulary=60)
SIZES = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40,
    "max_position_embeddings": 20, "type_vocab_size": 2, "hidden_act": "gelu",
}  # fmt: skip
TABLES = {
    "bert/embeddings/word_embeddings": "embeddings.word_embeddings.weight",
    "bert/embeddings/position_embeddings": "embeddings.position_embeddings.weight",
    "bert/embeddings/token_type_embeddings": "embeddings.token_type_embeddings.weight",
}
# Layers with a kernel and a bias, or a gamma and a beta, where the name ends in LayerNorm.
BERT = {
    "bert/embeddings/LayerNorm": "bert.embeddings.LayerNorm",
    **{
        f"bert/encoder/layer_{layer}/{theirs}": f"bert.encoder.layer.{layer}.{name}"
        for layer in range(2)
        for theirs, name in (
            ("attention/self/query", "attention.self.query"),
            ("attention/self/key", "attention.self.key"),
            ("attention/self/value", "attention.self.value"),
            ("attention/output/dense", "attention.output.dense"),
            ("attention/output/LayerNorm", "attention.output.LayerNorm"),
            ("intermediate/dense", "intermediate.dense"),
            ("output/dense", "output.dense"),
            ("output/LayerNorm", "output.LayerNorm"),
        )
    },
    "bert/pooler/dense": "bert.pooler.dense",
    "cls/predictions/transform/dense": "cls.predictions.transform.dense",
    "cls/predictions/transform/LayerNorm": "cls.predictions.transform.LayerNorm",
}
GROUP = "bert/encoder/transformer/group_0/inner_group_0"
LAYER = "albert.encoder.albert_layer_groups.0.albert_layers.0"
ALBERT = {
    "bert/embeddings/LayerNorm": "albert.embeddings.LayerNorm",
    "bert/encoder/embedding_hidden_mapping_in": "albert.encoder.embedding_hidden_mapping_in",
    f"{GROUP}/attention_1/self/query": f"{LAYER}.attention.query",
    f"{GROUP}/attention_1/self/key": f"{LAYER}.attention.key",
    f"{GROUP}/attention_1/self/value": f"{LAYER}.attention.value",
    f"{GROUP}/attention_1/output/dense": f"{LAYER}.attention.dense",
    f"{GROUP}/LayerNorm": f"{LAYER}.attention.LayerNorm",
    f"{GROUP}/ffn_1/intermediate/dense": f"{LAYER}.ffn",
    f"{GROUP}/ffn_1/intermediate/output/dense": f"{LAYER}.ffn_output",
    f"{GROUP}/LayerNorm_1": f"{LAYER}.full_layer_layer_norm",
    "bert/pooler/dense": "albert.pooler",
    "cls/predictions/transform/dense": "predictions.dense",
    "cls/predictions/transform/LayerNorm": "predictions.LayerNorm",
}


def network(kind: str):
    """Return one of transformers with large random weights, so that each counts."""
    torch.manual_seed(3)
    sizes = SIZES | {"vocab_size": PIECES.size if kind == "Bert" else UNIGRAMS.size}
    if kind == "Albert":  # Google's code has the tanh form under the name gelu
        sizes |= {"embedding_size": 8, "hidden_act": "gelu_new"}
    config = getattr(transformers, f"{kind}Config")(**sizes)
    made = getattr(transformers, f"{kind}ForPreTraining")(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return made


def variables(made, layers: dict[str, str], heads: dict[str, str]) -> dict[str, np.ndarray]:
    """Return a network's weights as Google's code names and turns them."""
    state = {name: tensor.numpy() for name, tensor in made.state_dict().items()}
    prefix = next(iter(layers.values())).split(".")[0]
    found = {theirs: state[f"{prefix}.{name}"] for theirs, name in TABLES.items()}
    for theirs, name in layers.items():
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        if weight.ndim == 1:
            found |= {f"{theirs}/gamma": weight, f"{theirs}/beta": bias}
        else:
            found |= {f"{theirs}/kernel": weight.T, f"{theirs}/bias": bias}
    return found | {theirs: state[name] for theirs, name in heads.items()}


HEADS = {
    "cls/predictions/output_bias": "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
}
ORDER_HEADS = {
    "cls/predictions/output_bias": "predictions.bias",
    "cls/seq_relationship/output_weights": "sop_classifier.classifier.weight",
    "cls/seq_relationship/output_bias": "sop_classifier.classifier.bias",
}


def saved(path: Path, values: dict[str, np.ndarray]) -> None:
    """Write a checkpoint as TensorFlow 1 did."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = [
            tf.compat.v1.get_variable(name, initializer=value) for name, value in values.items()
        ]
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(made).save(session, str(path))


def trained(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return variables with what an optimizer keeps beside them."""
    name = "bert/pooler/dense/kernel"
    means = {f"{name}/adam_m": values[name] * 0, f"{name}/adam_v": values[name] * 0}
    return values | means | {"global_step": np.array(1_000_000)}


def google(folder: Path, kind: str) -> tuple[Path, Path]:
    """Write one network as Google and as transformers; return both folders."""
    own, other = folder / "google", folder / "transformers"
    own.mkdir()
    made = network(kind)
    made.save_pretrained(other)
    config = {**SIZES, "vocab_size": made.config.vocab_size}
    if kind == "Bert":
        saved(own / "bert_model.ckpt", trained(variables(made, BERT, HEADS)))
        text = "\n".join(PIECES.words) + "\n"
        for each in (own, other):
            (each / "vocab.txt").write_text(text, encoding="utf-8")
    else:
        saved(own / "model.ckpt-best", trained(variables(made, ALBERT, ORDER_HEADS)))
        (own / "30k-clean.model").write_bytes(UNIGRAMS.model)
        (other / "spiece.model").write_bytes(UNIGRAMS.model)
        config |= {"embedding_size": 8, "num_hidden_groups": 1, "inner_group_num": 1}
    (own / f"{kind.lower()}_config.json").write_text(json.dumps(config), encoding="utf-8")
    return own, other


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> tuple[Path, Path]:
    return google(tmp_path_factory.mktemp("bert"), "Bert")


@pytest.mark.parametrize("kind", ["Bert", "Albert"])
def test_it_is_the_network_of_transformers_folder(kind, tmp_path):
    own, other = (convert.read(folder) for folder in google(tmp_path, kind))
    assert own.recipe.model.arguments == other.recipe.model.arguments
    assert own.recipe.model.arguments["activation"] == ("gelu" if kind == "Bert" else "gelu_tanh")
    assert (own.recipe.converted, other.recipe.converted) == ("Google", "transformers")
    assert own.weights.keys() == other.weights.keys()
    for name, array in other.weights.items():
        np.testing.assert_array_equal(own.weights[name], array, err_msg=name)
    line = LINES[0]
    assert own.tokenizers[0].encode(line) == other.tokenizers[0].encode(line)


def test_capitals_in_the_vocabulary_say_that_case_counts(bert, tmp_path):
    assert convert.read(bert[0]).tokenizers[0].lowercase
    folder = copied(bert[0], tmp_path)
    words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    words[words.index("t")] = "The"
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    read = convert.read(folder)
    assert not read.tokenizers[0].lowercase
    assert not read.recipe.tokenizer.lowercase


def copied(folder: Path, out: Path) -> Path:
    for path in folder.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    return out


def test_what_is_damaged_or_missing_is_told(bert, tmp_path):
    folder = copied(bert[0], tmp_path)
    data = next(folder.glob("*.data-*"))
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError, match=r"bert_model\.ckpt cannot be read"):
        convert.read(folder)
    data.unlink()
    with pytest.raises(BundleError, match=r"copy it again, the \.index and all \.data files"):
        convert.read(folder)
    data.write_bytes(whole)
    (folder / "other.ckpt.index").write_bytes((folder / "bert_model.ckpt.index").read_bytes())
    with pytest.raises(BundleError, match=r"2 checkpoints of TensorFlow: bert_model\.ckpt, other"):
        convert.read(folder)
    for path in folder.glob("*.index"):
        path.unlink()
    with pytest.raises(BundleError, match="0 checkpoints of TensorFlow"):
        convert.read(folder)


def test_a_classifier_needs_its_labels(bert, tmp_path):
    folder = copied(bert[0], tmp_path)
    values = {
        name: array
        for name, array in variables(network("Bert"), BERT, {}).items()
        if not name.startswith("cls/")
    }
    rng = np.random.default_rng(0)
    head = rng.normal(size=(3, 24)).astype("float32")
    saved(folder / "bert_model.ckpt", values | {"output_weights": head, "output_bias": head[:, 0]})
    with pytest.raises(BundleError, match="does not number two labels"):
        convert.read(folder)
    path = folder / "bert_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["id2label"] = {"0": "no", "1": "maybe", "2": "yes"}
    path.write_text(json.dumps(config), encoding="utf-8")
    read = convert.read(folder)
    assert read.recipe.task == "classify"
    assert read.recipe.data.labels == ["no", "maybe", "yes"]
    np.testing.assert_array_equal(read.weights["head.kernel"], head.T)


def test_what_was_fine_tuned_on_squad_answers_questions(bert, tmp_path):
    folder = copied(bert[0], tmp_path)
    head = np.random.default_rng(0).normal(size=(2, 24)).astype("float32")
    squad = {"cls/squad/output_weights": head, "cls/squad/output_bias": head[:, 0]}
    kept = {
        name: a for name, a in variables(network("Bert"), BERT, {}).items() if "cls/" not in name
    }
    saved(folder / "bert_model.ckpt", kept | squad)
    read = convert.read(folder)
    assert read.recipe.task == "answer"
    assert any(np.array_equal(array, head.T) for array in read.weights.values())
