"""What a trained model is on disk: see `zoo.bundle.storage`."""

from zoo.bundle.storage import (
    EDITABLE,
    MANIFEST,
    Bundle,
    arrays,
    build_model,
    check_dtype,
    check_writable,
    is_bundle,
    model_with,
    names,
    read,
    read_weights,
    reading,
    recover,
    rewrite,
    save_weights,
    variables,
    verify,
    write,
)

__all__ = [
    "EDITABLE", "MANIFEST", "Bundle", "arrays", "build_model", "check_dtype", "check_writable",
    "is_bundle", "model_with", "names", "read", "read_weights", "reading", "recover",
    "rewrite", "save_weights", "variables", "verify", "write",
]  # fmt: skip
