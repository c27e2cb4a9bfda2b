"""A trained model on disk: see `zoo.bundle.storage`."""

from zoo.bundle.manifest import EDITABLE, MANIFEST, names, verify
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
from zoo.bundle.weights import arrays, read_weights, save_weights, variables
from zoo.files import recover

__all__ = [
    "EDITABLE", "MANIFEST", "Bundle", "arrays", "build_model", "check_dtype", "check_writable",
    "is_bundle", "model_with", "names", "read", "read_weights", "reading", "recover", "rewrite",
    "save_weights", "variables", "verify", "write",
]  # fmt: skip
