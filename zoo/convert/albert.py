"""Read ALBERT's checkpoints as albert2019: the folders that transformers writes, and Google's own.

config.json, model.safetensors or pytorch_model.bin, and spiece.model. Names may begin with
"albert."; zoo/convert/bert.py says what else these files have in common with BERT's. A network
whose layers are of several groups, or several blocks a layer, is not the paper's and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.convert import Converted, adapted, bert
from zoo.convert import tensors as checkpoints
from zoo.convert.facts import missing, read_json
from zoo.convert.tensors import Shape
from zoo.errors import BundleError
from zoo.text import AlbertTokenizer

SIZES = bert.SIZES | {"embedding": "embedding_size"}
RECIPE, CLASSIFIER = "albert2019-books", "albert2019-sst2-base"
ANSWERER = "albert2019-squad-base"
# Our name, theirs, and our shape: e is the tables' width, w the states', f the feed-forward
# layer's.
EMBEDDINGS = {
    name: (theirs, shape.replace("w", "e")) for name, (theirs, shape) in bert.EMBEDDINGS.items()
}
PROJECTION = {"projection.kernel": ("weight", "e w"), "projection.bias": ("bias", "w")}
BLOCK = {
    **{
        f"self_attention.{ours}.{part}": (f"attention.{theirs}.{their_part}", shape)
        for ours, theirs in (*((part, part) for part in bert.PARTS), ("projection", "dense"))
        for part, their_part, shape in (("kernel", "weight", "w w"), ("bias", "bias", "w"))
    },
    "self_attention_norm.gamma": ("attention.LayerNorm.weight", "w"),
    "self_attention_norm.beta": ("attention.LayerNorm.bias", "w"),
    "feed_forward.inner.kernel": ("ffn.weight", "w f"),
    "feed_forward.inner.bias": ("ffn.bias", "f"),
    "feed_forward.outer.kernel": ("ffn_output.weight", "f w"),
    "feed_forward.outer.bias": ("ffn_output.bias", "w"),
    "feed_forward_norm.gamma": ("full_layer_layer_norm.weight", "w"),
    "feed_forward_norm.beta": ("full_layer_layer_norm.bias", "w"),
}
WORDS = {
    "transform.kernel": ("predictions.dense.weight", "w e"),
    "transform.bias": ("predictions.dense.bias", "e"),
    "transform_norm.gamma": ("predictions.LayerNorm.weight", "e"),
    "transform_norm.beta": ("predictions.LayerNorm.bias", "e"),
    "output_bias": ("predictions.bias", "v"),
}
POOLER = {"pooler.kernel": ("pooler.weight", "w w"), "pooler.bias": ("pooler.bias", "w")}
HEAD = {
    **POOLER,
    "head.kernel": ("classifier.weight", "w n"),
    "head.bias": ("classifier.bias", "n"),
}
ORDER = "sop_classifier.classifier.weight"
SECOND_TASK = {
    **POOLER,
    "follows.kernel": (ORDER, "w 2"),
    "follows.bias": ("sop_classifier.classifier.bias", "2"),
}
# Tensors that are no weights: the positions' numbers, and what is tied to the words.
LEFT_OUT = re.compile(r"(position_ids|token_type_ids|predictions\.decoder\.(weight|bias))$")


def recognises(folder: Path) -> bool:
    """Return whether a folder holds one of these checkpoints."""
    return bert.is_kind(folder, "albert")


def read(folder: Path) -> Converted:
    """Read a checkpoint; raise what `zoo.convert.read` does."""
    tensors, config, path = bert.opened(folder, "albert")
    arguments = _arguments(config, path)
    tokenizer = _tokenizer(folder)
    bert.check_size(tokenizer, arguments, folder)
    arguments |= {"padding_id": tokenizer.pad_id, "separator_id": tokenizer.end_id}
    changes = {
        "tokenizer.vocabulary": tokenizer.size, "tokenizer.lowercase": tokenizer.lowercase,
        "tokenizer.keep_accents": tokenizer.keep_accents,
        "data.max_length": arguments["context"], "converted": bert.origin(path),
    }  # fmt: skip
    if "classifier.weight" in tensors:
        base = CLASSIFIER
        labels = bert.labels_of(config, path)
        arguments |= {
            "classes": len(labels), "start_id": tokenizer.start_id,
            "dropout_head": float(config.get("classifier_dropout_prob", 0.1)),
        }  # fmt: skip
        changes |= {"data.labels": labels, "model.weights": "", "tokenizer.weights": ""}
    elif bert.SPAN_HEAD in tensors:
        base = ANSWERER
        changes |= bert.answering(base, arguments["context"])
    elif "predictions.bias" in tensors:
        base = RECIPE
        arguments["sentence_order"] = ORDER in tensors
        if not arguments["sentence_order"]:
            changes["train.second_task"] = "none"
    else:
        raise BundleError(
            f"{folder} has no head that guesses words, classifies texts or answers questions",
            "take a checkpoint of AlbertForPreTraining, AlbertForMaskedLM, "
            "AlbertForSequenceClassification or AlbertForQuestionAnswering",
        )
    kept = {name: tensor for name, tensor in tensors.items() if not LEFT_OUT.search(name)}
    if arguments.get("sentence_order") is False or base == ANSWERER:  # nothing reads the pooler
        kept = {name: tensor for name, tensor in kept.items() if not name.startswith("pooler.")}
    weights = bert.ours(checkpoints.take(kept, wanted(arguments, base == ANSWERER), folder))
    return Converted(adapted(base, arguments, changes), weights, (tokenizer, tokenizer))


def _arguments(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the model's arguments that a configuration holds."""
    for key in ("num_hidden_groups", "inner_group_num"):
        if config.get(key, 1) != 1:
            raise BundleError(
                f"{path}: {key} is {config[key]}, and albert2019 has one block for all layers",
                "only checkpoints of the paper's network can be read",
            )
    # What transformers takes for a key that is missing is not what BERT's have.
    dropouts = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return bert.arguments_of(
        {"hidden_act": "gelu_new", **dropouts, **config}, path, SIZES, "albert2019"
    )


def wanted(arguments: Mapping[str, Any], answers: bool = False) -> dict[str, tuple[str, Shape]]:
    """Return a name of ours and the shape in a checkpoint for each name there.

    Args: see `zoo.convert.bert.wanted`.
    """
    sizes = {
        "v": arguments["vocabulary"], "c": arguments["context"], "s": arguments["segments"],
        "e": arguments["embedding"], "w": arguments["width"], "f": arguments["feed_forward"],
        "2": 2, "n": arguments.get("classes", 0),
    }  # fmt: skip
    heads = [bert.SPANS if answers else HEAD if "classes" in arguments else WORDS]
    if arguments.get("sentence_order"):
        heads.append(SECOND_TASK)
    tables = [
        ("encoder.embeddings.", "embeddings.", EMBEDDINGS),
        ("encoder.", "encoder.embedding_hidden_mapping_in.", PROJECTION),
        ("encoder.block.", "encoder.albert_layer_groups.0.albert_layers.0.", BLOCK),
        *(("", "", head) for head in heads),
    ]
    return bert.named(tables, sizes)


def _tokenizer(folder: Path) -> AlbertTokenizer:
    """Read spiece.model, with tokenizer_config.json if it is there, or Google's 30k-clean.model."""
    path, about = folder / "spiece.model", folder / "tokenizer_config.json"
    published = folder / "30k-clean.model"
    if not path.is_file() and not published.is_file():
        raise missing(path)
    path = path if path.is_file() else published
    config = read_json(about) if about.is_file() else {}
    return AlbertTokenizer(
        path.read_bytes(),
        bool(config.get("do_lower_case", True)),
        bool(config.get("keep_accents", False)),
    )
