"""Import Keras and its backend without the lines that TensorFlow logs meanwhile."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

from zoo.errors import NotSupported, OptionError, did_you_mean

BACKENDS = ("tensorflow", "jax", "torch")
LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

# What TensorFlow's libraries log up to errors; a fatal line stays, as do all other lines.
_LOGGED = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|[IWE]\d{4} [\d:.]+ +\d+ \S+:\d+\] "
    rb"|\d{4}-\d\d-\d\d [\d:.]+: [IWE] "
    rb"|To enable the following instructions: "
)
_LOCK = threading.RLock()  # the file descriptor belongs to the whole process


def import_keras() -> None:
    """Import Keras and its backend without TensorFlow's log lines.

    TensorFlow logs nothing later on either, unless TF_CPP_MIN_LOG_LEVEL is set or TensorFlow is
    imported already.

    Raises:
        OptionError: KERAS_BACKEND is not a backend of this package.
        NotSupported: the backend is not installed.
    """
    if "keras" in sys.modules:
        return
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend not in BACKENDS:
        raise OptionError(
            f"KERAS_BACKEND names no backend: '{backend}'", did_you_mean(backend, BACKENDS)
        )
    with quietly():
        try:
            importlib.import_module("keras")
        except ModuleNotFoundError as failure:
            hint = f"pip install {failure.name}, or choose another KERAS_BACKEND"
            raise NotSupported(f"{failure.name} is not installed", hint) from failure


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Drop the log lines of a block that imports TensorFlow, which go to the file descriptor 2.

    All other lines appear after the block, and all lines if it fails. Nothing is dropped if the
    user asks for the lines, by TF_CPP_MIN_LOG_LEVEL=0, or if TensorFlow is imported already.
    """
    if "tensorflow" in sys.modules or os.environ.setdefault(LOG_LEVEL, "3") == "0":
        yield
        return
    with _LOCK, contextlib.ExitStack() as stack:
        try:
            aside = stack.enter_context(tempfile.TemporaryFile())
            kept = os.dup(2)
        except OSError:  # without standard error, or without a place for its lines
            yield
            return
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(aside.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            aside.seek(0)
            if lines := [line for line in aside if failed or not _LOGGED.match(line)]:
                os.write(2, b"".join(lines))
