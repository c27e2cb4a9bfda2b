"""A trained model on disk: see `zoo.bundle.storage`."""

from zoo.bundle.manifest import EDITABLE, MANIFEST, WEIGHTS, names, verify
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
from zoo.bundle.weights import arrays, read_weights, save_weights, variables
from zoo.files import recover

__all__ = [
    "EDITABLE", "MANIFEST", "WEIGHTS", "Bundle", "are_those_of", "arrays", "build_model",
    "check_dtype", "check_stored", "check_writable", "file_hash", "is_bundle", "model_with",
    "names", "narrowed", "read", "read_weights", "reading", "recover", "rewrite", "save_weights",
    "variables", "verify", "write",
]  # fmt: skip
