"""A start without TensorFlow's lines, which are dropped, and without losing any other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from zoo import starting

LOGGED = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795904033.029902    6343 port.cc:153] oneDNN custom operations are on.
E0000 00:00:1795904041.327899    6343 cuda_platform.cc:52] failed call to cuInit: INTERNAL
I0000 00:00:1795904033.356130    6343 cpu_feature_guard.cc:227] This TensorFlow binary is optimized
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow
2025-01-31 10:11:12.131415: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
"""
OTHERS = "Mine.\nF0000 00:00:1795904041.327899    6343 cpu.cc:52] built for AVX\n"


@pytest.fixture
def fresh(monkeypatch):
    """A process that has not imported TensorFlow, as far as `starting` can see."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.delenv(starting.LOG_LEVEL, raising=False)


def test_what_tensorflow_logs_is_dropped_and_nothing_else(fresh, capfd):
    with starting.quietly():
        os.write(2, (LOGGED + OTHERS).encode())
    assert capfd.readouterr().err == OTHERS
    assert os.environ[starting.LOG_LEVEL] == "3"
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_all_lines_are_shown_if_it_fails(fresh, capfd):
    def fail() -> None:
        with starting.quietly():
            os.write(2, (LOGGED + OTHERS).encode())
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capfd.readouterr().err == LOGGED + OTHERS


def test_a_users_own_setting_stays(fresh, capfd, monkeypatch):
    monkeypatch.setenv(starting.LOG_LEVEL, "0")
    with starting.quietly():
        os.write(2, LOGGED.encode())
    assert capfd.readouterr().err == LOGGED
    monkeypatch.setenv(starting.LOG_LEVEL, "1")
    with starting.quietly():
        os.write(2, LOGGED.encode())
    assert capfd.readouterr().err == ""
    assert os.environ[starting.LOG_LEVEL] == "1"


def test_nothing_is_set_where_tensorflow_is_imported(fresh, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", os)
    with starting.quietly():
        os.write(2, LOGGED.encode())
    assert capfd.readouterr().err == LOGGED
    assert starting.LOG_LEVEL not in os.environ


def test_a_plain_start_of_python_prints_nothing_but_the_result(tiny_bundle):
    code = f"""
import zoo
print(type(zoo.load({str(tiny_bundle)!r}).predict("I am cold.", max_length=4)).__name__)
from zoo.decoding import sampling
sampling.prepare(sampling.Strategy(None, False))
"""
    environment = {name: each for name, each in os.environ.items() if name != starting.LOG_LEVEL}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=240, env=environment
    )
    assert (done.stdout, done.stderr) == ("str\n", "")
