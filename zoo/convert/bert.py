"""Read BERT's checkpoints as bert2018: the folders that transformers writes, and Google's own.

config.json, model.safetensors or pytorch_model.bin, and vocab.txt or tokenizer.json. Names may
begin with "bert.", and older files call the gain and bias of layer normalisation gamma and beta.
PyTorch's matrices have the outputs first. The numbers of the positions and the copy of the word
table are left out. A network without the second task loses the pooler, which nothing reads. One
with a layer "classifier" is a classifier of texts, with the labels that config.json names, or
without the pooler a tagger of words; one with a layer "qa_outputs" answers questions. One without a
head gives texts vectors, see `zoo.convert.sentences`. Google's checkpoints come in by the same
names, see `zoo.convert.google`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.config import recipe as recipes
from zoo.config.tasks import main_metric
from zoo.convert import Converted, adapted, google, sentences
from zoo.convert import tensors as checkpoints
from zoo.convert.facts import read_json, vocabulary
from zoo.convert.tensors import Shape, Tensor
from zoo.errors import BundleError
from zoo.text import Tokenizer, WordPieceTokenizer

# Our arguments and their names in config.json.
SIZES = {
    "vocabulary": "vocab_size", "context": "max_position_embeddings", "width": "hidden_size",
    "layers": "num_hidden_layers", "heads": "num_attention_heads",
    "feed_forward": "intermediate_size", "segments": "type_vocab_size",
}  # fmt: skip
RECIPE, CLASSIFIER, EMBEDDER = "bert2018-books", "bert2018-sst2-base", "bert2018-minilm"
TAGGER, ANSWERER = "bert2018-ner", "bert2018-squad"
# Our name, theirs, and our shape: w is the states' width, f the feed-forward layer's.
EMBEDDINGS = {
    "words": ("word_embeddings.weight", "v w"),
    "positions": ("position_embeddings.weight", "c w"),
    "segments": ("token_type_embeddings.weight", "s w"),
    "norm.gamma": ("LayerNorm.weight", "w"),
    "norm.beta": ("LayerNorm.bias", "w"),
}
PARTS = ("query", "key", "value")
BLOCK = {
    **{
        f"self_attention.{part}.{ours}": (f"attention.self.{part}.{theirs}", shape)
        for part in PARTS
        for ours, theirs, shape in (("kernel", "weight", "w w"), ("bias", "bias", "w"))
    },
    "self_attention.projection.kernel": ("attention.output.dense.weight", "w w"),
    "self_attention.projection.bias": ("attention.output.dense.bias", "w"),
    "self_attention_norm.gamma": ("attention.output.LayerNorm.weight", "w"),
    "self_attention_norm.beta": ("attention.output.LayerNorm.bias", "w"),
    "feed_forward.inner.kernel": ("intermediate.dense.weight", "w f"),
    "feed_forward.inner.bias": ("intermediate.dense.bias", "f"),
    "feed_forward.outer.kernel": ("output.dense.weight", "f w"),
    "feed_forward.outer.bias": ("output.dense.bias", "w"),
    "feed_forward_norm.gamma": ("output.LayerNorm.weight", "w"),
    "feed_forward_norm.beta": ("output.LayerNorm.bias", "w"),
}
WORDS = {
    "transform.kernel": ("cls.predictions.transform.dense.weight", "w w"),
    "transform.bias": ("cls.predictions.transform.dense.bias", "w"),
    "transform_norm.gamma": ("cls.predictions.transform.LayerNorm.weight", "w"),
    "transform_norm.beta": ("cls.predictions.transform.LayerNorm.bias", "w"),
    "output_bias": ("cls.predictions.bias", "v"),
}
POOLER = {
    "pooler.kernel": ("pooler.dense.weight", "w w"),
    "pooler.bias": ("pooler.dense.bias", "w"),
}
TAGS = {
    "head.kernel": ("classifier.weight", "w n"),
    "head.bias": ("classifier.bias", "n"),
}
HEAD = {**POOLER, **TAGS}
SPANS = {
    "head.kernel": ("qa_outputs.weight", "w 2"),
    "head.bias": ("qa_outputs.bias", "2"),
}
SECOND_TASK = {
    **POOLER,
    "follows.kernel": ("cls.seq_relationship.weight", "w 2"),
    "follows.bias": ("cls.seq_relationship.bias", "2"),
}
# Heads that other tasks have.
OTHER_HEADS = ("cls.", "classifier.")
# The layer that scores where an answer starts and ends.
SPAN_HEAD = "qa_outputs.weight"
# What tells a tagger of words from a classifier of texts.
ARCHITECTURE, POOLED = "BertForTokenClassification", "pooler.dense.weight"
# Tensors that are no weights: the positions' numbers, and what is tied to the words.
LEFT_OUT = re.compile(r"(position_ids|cls\.predictions\.decoder\.(weight|bias))$")
# Names of layer normalisation's gain and bias in older files.
OLDER = {"gamma": "weight", "beta": "bias"}
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}


def recognises(folder: Path) -> bool:
    """Return whether a folder holds one of these checkpoints."""
    return is_kind(folder, "bert")


def is_kind(folder: Path, kind: str) -> bool:
    """Return whether a folder is of transformers or Google, and of this kind of network."""
    config = folder / "config.json"
    if config.is_file():
        return read_json(config).get("model_type") == kind
    return google.configuration(folder, kind) is not None


def further(folder: Path) -> list[str]:
    """Return the names of files in subfolders that belong to a checkpoint."""
    return sentences.configurations(folder)


def read(folder: Path) -> Converted:
    """Read a checkpoint; raise what `zoo.convert.read` does."""
    tensors, config, path = opened(folder, "bert")
    arguments = arguments_of(config, path, SIZES, "bert2018")
    tokenizer = _tokenizer(folder)
    check_size(tokenizer, arguments, folder)
    arguments |= {"padding_id": tokenizer.pad_id, "separator_id": tokenizer.end_id}
    changes = {
        "tokenizer.vocabulary": tokenizer.size, "tokenizer.lowercase": tokenizer.lowercase,
        "data.max_length": arguments["context"], "converted": origin(path),
    }  # fmt: skip
    if "classifier.weight" in tensors:
        labels = labels_of(config, path)
        arguments["classes"] = len(labels)
        changes |= {"data.labels": labels, "model.weights": "", "tokenizer.weights": ""}
        tags = ARCHITECTURE in config.get("architectures", []) or POOLED not in tensors
        base = TAGGER if tags else CLASSIFIER
        if tags:
            task = recipes.load(base).task
            changes |= {"evaluate.metric": main_metric(task, labels), "train.precision": "float32"}
        else:
            arguments["start_id"] = tokenizer.start_id
    elif "cls.predictions.bias" in tensors:
        base = RECIPE
        arguments["next_sentence"] = "cls.seq_relationship.weight" in tensors
        if not arguments["next_sentence"]:
            changes["train.second_task"] = "none"
    elif SPAN_HEAD in tensors:
        base = ANSWERER
        changes |= answering(base, arguments["context"])
    elif not any(name.startswith(OTHER_HEADS) for name in tensors):
        base = EMBEDDER
        found = sentences.read(folder, tokenizer.lowercase)
        arguments |= {
            "pooling": found.pooling, "normalized": found.normalized, "scale": 1.0,
            "pooler": POOLED in tensors, "start_id": tokenizer.start_id,
        }  # fmt: skip
        if found.max_length is not None:
            changes["data.max_length"] = min(found.max_length, arguments["context"])
    else:
        raise BundleError(
            f"{folder} has a head that is not read here: it does not guess words, classify "
            "texts or words, or answer questions",
            "take a checkpoint of BertModel, BertForPreTraining, BertForMaskedLM, "
            "BertForSequenceClassification, BertForTokenClassification or "
            "BertForQuestionAnswering",
        )
    kept = {name: tensor for name, tensor in tensors.items() if not LEFT_OUT.search(name)}
    if arguments.get("next_sentence") is False or base in (TAGGER, ANSWERER):
        kept = {name: tensor for name, tensor in kept.items() if not name.startswith("pooler.")}
    weights = ours(checkpoints.take(kept, wanted(arguments, base == ANSWERER), folder))
    return Converted(adapted(base, arguments, changes), weights, (tokenizer, tokenizer))


def opened(folder: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any], Path]:
    """Return tensors by transformers' newer names, the configuration, and its path.

    Args:
        kind: of the network, "bert" or "albert": its names may begin so.
    """
    path = folder / "config.json"
    if path.is_file():
        read, config = checkpoints.read(folder), read_json(path)
        return {plain(name, f"{kind}."): tensor for name, tensor in read.items()}, config, path
    own = google.configuration(folder, kind)
    assert own is not None  # `recognises` has seen it
    return google.read(folder, kind), google.read_configuration(own, kind), own


def origin(configuration: Path) -> str:
    """Return who wrote a checkpoint, by the name of its configuration."""
    return "transformers" if configuration.name == "config.json" else "Google"


def answering(recipe: str, context: int) -> dict[str, Any]:
    """Return the changes of a recipe for a model that answers questions with this context."""
    longest = recipes.load(recipe).data.max_length or context
    return {
        "data.max_length": min(longest, context), "train.precision": "float32",
        "model.weights": "", "tokenizer.weights": "",
    }  # fmt: skip


def labels_of(config: Mapping[str, Any], path: Path) -> list[str]:
    """Return the labels of a classifier in the order of its logits."""
    names = config.get("id2label") or {}
    labels = [str(names.get(str(number), "")) for number in range(len(names))]
    if len(labels) < 2 or not all(labels):
        raise BundleError(
            f"{path} does not number two labels or more from 0 on, in id2label",
            'name them there, as in "id2label": {"0": "negative", "1": "positive"}; models of '
            "numbers cannot be read",
        )
    return labels


def check_size(tokenizer: Tokenizer, arguments: Mapping[str, Any], folder: Path) -> None:
    """Raise BundleError unless the tokenizer has a piece for each row of the word table."""
    if tokenizer.size != arguments["vocabulary"]:
        raise BundleError(
            f"{folder}: the tokenizer has {tokenizer.size:,} pieces and the weights "
            f"{arguments['vocabulary']:,} rows for them",
            "take tokenizer and weights from one place",
        )


def arguments_of(
    config: Mapping[str, Any], path: Path, sizes: Mapping[str, str], paper: str
) -> dict[str, Any]:
    """Return the model's arguments that a configuration holds.

    Args:
        sizes: the configuration's name of each of the model's sizes.
    """
    try:
        arguments: dict[str, Any] = {ours: int(config[theirs]) for ours, theirs in sizes.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path} lacks a size: {error}", "copy the checkpoint again") from None
    activation = config.get("hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise BundleError(
            f"{path}: the activation is {activation}, {paper} has gelu",
            "only checkpoints of the paper's network can be read",
        )
    return arguments | {
        "activation": ACTIVATIONS[activation],
        "dropout": float(config.get("hidden_dropout_prob", 0.1)),
        "attention_dropout": float(config.get("attention_probs_dropout_prob", 0.1)),
        "epsilon": float(config.get("layer_norm_eps", 1e-12)),
    }


def plain(name: str, prefix: str) -> str:
    """Return the newer form of a tensor's name, without the prefix."""
    parts = name.removeprefix(prefix).split(".")
    if parts[-2:-1] == ["LayerNorm"]:
        parts[-1] = OLDER.get(parts[-1], parts[-1])
    return ".".join(parts)


def wanted(arguments: Mapping[str, Any], answers: bool = False) -> dict[str, tuple[str, Shape]]:
    """Return a name of ours and the shape in a checkpoint for each name there.

    Args:
        answers: whether the model answers questions.
    """
    sizes = {
        "v": arguments["vocabulary"], "c": arguments["context"], "s": arguments["segments"],
        "w": arguments["width"], "f": arguments["feed_forward"], "2": 2,
        "n": arguments.get("classes", 0),
    }  # fmt: skip
    if answers:
        heads = [SPANS]
    elif "pooling" in arguments:
        heads = [POOLER] if arguments["pooler"] else []
    else:
        of_classes = HEAD if "start_id" in arguments else TAGS
        heads = [of_classes] if "classes" in arguments else [WORDS]
    if arguments.get("next_sentence"):
        heads.append(SECOND_TASK)
    tables = [
        ("encoder.embeddings.", "embeddings.", EMBEDDINGS),
        *(("", "", head) for head in heads),
    ]
    tables += [
        (f"encoder.blocks.{layer}.", f"encoder.layer.{layer}.", BLOCK)
        for layer in range(arguments["layers"])
    ]
    return named(tables, sizes)


def named(
    tables: Iterable[tuple[str, str, Mapping[str, tuple[str, str]]]], sizes: Mapping[str, int]
) -> dict[str, tuple[str, Shape]]:
    """Return a name of ours and the shape in a checkpoint for each name there.

    Args:
        tables: what stands before our names and theirs, and names and shapes.
        sizes: the number that each letter of a shape stands for.
    """
    names = {}
    for before, their_before, table in tables:
        for name, (theirs, letters) in table.items():
            shape = tuple(sizes[letter] for letter in letters.split())
            turned = shape[::-1] if name.endswith("kernel") else shape
            names[f"{their_before}{theirs}"] = (f"{before}{name}", turned)
    return names


def ours(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return weights as Keras has them: inputs first; queries, keys and values side by side."""
    turned = {
        name: np.ascontiguousarray(array.T) if name.endswith("kernel") else array
        for name, array in weights.items()
    }
    found = {}
    for name, array in turned.items():
        if ".self_attention.query." in name:
            parts = [turned[name.replace(".query.", f".{part}.")] for part in PARTS]
            joined = name.replace(".query.", ".query_key_value.")
            found[joined] = np.concatenate(parts, axis=-1)
        elif ".self_attention.key." not in name and ".self_attention.value." not in name:
            found[name] = array
    return found


def cased(vocabulary: str) -> bool:
    """Return whether any of the pieces, a line each, has capitals; special ones are in brackets."""
    pieces = (line for line in vocabulary.split("\n") if not line.startswith("["))
    return any(piece != piece.lower() for piece in pieces)


def _tokenizer(folder: Path) -> WordPieceTokenizer:
    """Read vocab.txt, with tokenizer_config.json if it is there, or tokenizer.json."""
    path, whole = folder / "vocab.txt", folder / "tokenizer.json"
    if path.is_file():
        about = folder / "tokenizer_config.json"
        config = read_json(about) if about.is_file() else {}
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise BundleError(f"{path} is not UTF-8: {error}", "copy it again") from None
        return WordPieceTokenizer.of_lines(text, bool(config.get("do_lower_case", not cased(text))))
    if whole.is_file():
        content = read_json(whole)
        model, normal = content.get("model") or {}, content.get("normalizer") or {}
        words = vocabulary(model.get("vocab") or {}, whole)
        return WordPieceTokenizer(words, bool(normal.get("lowercase", True)))
    raise BundleError(
        f"{folder} has no tokenizer: neither vocab.txt nor tokenizer.json",
        "save the tokenizer into the same folder",
    )
