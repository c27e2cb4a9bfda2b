"""Read the TensorFlow checkpoints that Google published of BERT and ALBERT.

bert_config.json or albert_config.json, one checkpoint of TensorFlow 1 (name.index and its
name.data-00000-of-00001), and vocab.txt or the SentencePiece model. Variables get the names and
shapes that transformers gives the same tensors. Left out are the optimizer's means and the step.

The configurations call both papers' activation gelu. BERT's code had the exact one when these
checkpoints were made; ALBERT's has the one by tanh.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.convert.facts import read_json
from zoo.convert.tensors import Tensor
from zoo.errors import BundleError

# Variables of training alone: the step, and the two means of Adam and LAMB.
TRAINING = re.compile(r"(^|/)(global_step|(adam|lamb)_[mv])(_\d+)?$")
# What TensorFlow's reader raises beside its own errors: IndexError where a file is too short.
UNREADABLE = (ValueError, LookupError, RuntimeError)
# What stands in a variable's name, and in the tensor's of transformers. A dot marks where a part
# ends, so that a later rule finds no part that an earlier one has written.
RULES = {
    "bert": (
        (r"^bert/", ""),
        (r"^cls/predictions/output_bias$", "cls.predictions.bias"),
        (r"^cls/squad/", "qa_outputs/"),
        (r"/layer_(\d+)/", r"/layer/\1/"),
    ),
    "albert": (
        (r"^(module/)?bert/", ""),
        (r"^(module/)?cls/predictions/output_bias$", "predictions.bias"),
        (r"^(module/)?cls/predictions/transform/", "predictions/"),
        (r"^(module/)?cls/seq_relationship/", "sop_classifier/classifier/"),
        (
            r"^encoder/transformer/group_(\d+)/inner_group_(\d+)/",
            r"encoder/albert_layer_groups/\1/albert_layers/\2/",
        ),
        (r"/attention_1/self/", "/attention/"),
        (r"/attention_1/output/dense/", "/attention/dense/"),
        (r"(/albert_layers/\d+)/LayerNorm/", r"\1/attention/LayerNorm/"),
        (r"/LayerNorm_1/", "/full_layer_layer_norm/"),
        (r"/ffn_1/intermediate/output/dense/", "/ffn_output/"),
        (r"/ffn_1/intermediate/dense/", "/ffn/"),
        (r"^pooler/dense/", "pooler/"),
    ),
}
# The last part of a variable's name, and of the tensor's.
LAST = {
    "kernel": "weight", "gamma": "weight", "beta": "bias",
    "output_weights": "weight", "output_bias": "bias",
    "word_embeddings": "word_embeddings.weight",
    "position_embeddings": "position_embeddings.weight",
    "token_type_embeddings": "token_type_embeddings.weight",
}  # fmt: skip
# Heads of fine-tuned classifiers have no part before.
CLASSIFIER = {"output_weights": "classifier.weight", "output_bias": "classifier.bias"}


def configuration(folder: Path, kind: str) -> Path | None:
    """Return the configuration of a checkpoint, "bert" or "albert", if there is one."""
    path = folder / f"{kind}_config.json"
    return path if path.is_file() else None


def read_configuration(path: Path, kind: str) -> dict[str, Any]:
    """Return a configuration with the activation by transformers' name."""
    config = read_json(path)
    if kind == "albert" and config.get("hidden_act") == "gelu":
        config["hidden_act"] = "gelu_new"
    return config


def read(folder: Path, kind: str) -> dict[str, Tensor]:
    """Return the weights of the folder's only checkpoint by transformers' names, without prefix.

    Args:
        kind: "bert" or "albert".

    Raises:
        BundleError: there is no checkpoint, or more than one, or it is damaged.
    """
    prefix = _prefix(folder)
    variables = _variables(prefix)
    return {
        renamed(name, kind): _turned(tensor) if name.endswith("/kernel") else tensor
        for name, tensor in variables.items()
        if not TRAINING.search(name)
    }


def renamed(name: str, kind: str) -> str:
    """Return transformers' name of the tensor in a variable, without the prefix of the network."""
    if name in CLASSIFIER:
        return CLASSIFIER[name]
    for pattern, replacement in RULES[kind]:
        name = re.sub(pattern, replacement, name)
    *parts, last = name.split("/")
    return ".".join([*parts, LAST.get(last, last)])


def _prefix(folder: Path) -> Path:
    """Return the path of the checkpoint, which its files' names begin with."""
    found = sorted(folder.glob("*.index"))
    if len(found) != 1:
        names = ", ".join(path.stem for path in found)
        raise BundleError(
            f"{folder} holds {len(found)} checkpoints of TensorFlow"
            + (f": {names}" if names else ""),
            "keep the configuration, the vocabulary and the files of one checkpoint there: "
            "NAME.index and NAME.data-00000-of-00001",
        )
    return found[0].with_suffix("")


def _variables(prefix: Path) -> Mapping[str, Tensor]:
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
    except (tf.errors.OpError, *UNREADABLE) as error:
        raise _unreadable(prefix, error) from None

    def load(name: str) -> np.ndarray:
        try:
            array: np.ndarray = reader.get_tensor(name)
        except (tf.errors.OpError, *UNREADABLE) as error:
            raise _unreadable(prefix, error) from None
        return array

    return {
        name: Tensor(tuple(shape), functools.partial(load, name)) for name, shape in shapes.items()
    }


def _unreadable(prefix: Path, error: Exception) -> BundleError:
    reason = str(getattr(error, "message", error)).strip().splitlines()[0]
    return BundleError(
        f"{prefix} cannot be read: {reason}",
        "copy it again, the .index and all .data files",
    )


def _turned(tensor: Tensor) -> Tensor:
    """Return a matrix with the outputs first, as PyTorch has it, from one of TensorFlow's."""
    return Tensor(tensor.shape[::-1], lambda: tensor.load().T)
