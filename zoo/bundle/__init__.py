"""A trained model on disk: see `zoo.bundle.storage`."""

from zoo.bundle.manifest import EDITABLE, MANIFEST, WEIGHTS, names, verify, weights_hash
from zoo.bundle.storage import (
    Bundle,
    build_model,
    check_dtype,
    check_writable,
    is_bundle,
    model_with,
    read,
    reading,
    rewrite,
    write,
)  # fmt: skip
from zoo.bundle.stored import are_those_of, check_stored, file_hash, narrowed
from zoo.bundle.tensors import Tensors, read_weights
from zoo.bundle.weights import arrays, save_weights, variables
from zoo.files import recover

__all__ = [
    "EDITABLE", "MANIFEST", "WEIGHTS", "Bundle", "Tensors", "are_those_of", "arrays", "build_model",
    "check_dtype", "check_stored", "check_writable", "file_hash", "is_bundle", "model_with",
    "names", "narrowed", "read", "read_weights", "reading", "recover", "rewrite", "save_weights",
    "variables", "verify", "weights_hash", "write",
]  # fmt: skip
