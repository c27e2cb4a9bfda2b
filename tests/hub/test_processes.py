"""Processes that are killed while they fetch, and several that fetch at once."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zoo import hub as hubs
from zoo.hub import records

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")

# How many moments to kill at; the release's check takes 20.
KILLS = int(os.environ.get("ZOO_TEST_KILLS", "4"))
FETCH = "import sys; from zoo import hub; print(hub.find(sys.argv[1]))"
LARGE = "model.safetensors"


def start(reference: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, reference]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> Path:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return Path(out.splitlines()[-1])


def wait_for(what) -> None:
    for _ in range(2400):
        if what():
            return
        threading.Event().wait(0.05)
    raise AssertionError("nothing happened for two minutes")


def is_right(folder: Path, files: dict[str, bytes]) -> bool:
    return {path.name: path.read_bytes() for path in folder.iterdir()} == files


@pytest.mark.timeout(1200)
def test_after_a_kill_at_any_moment_the_next_load_succeeds(hub, small, home):
    """Kills fall between the first request and somewhat after the last one."""
    draw = random.Random(0)
    seen = set()
    for number in range(KILLS):
        name = f"user/repo-{number}"
        hub.add(name, small)
        hub.fail("slow", "storage", times=1, seconds=0.01)
        begun = len(hub.requests)
        process = start(f"hf://{name}")
        wait_for(lambda: any(name in path for _, path, _ in hub.requests[begun:]))  # noqa: B023
        threading.Event().wait(draw.uniform(0, 1.5))
        process.kill()
        process.communicate()
        seen.add((process.returncode, len(hub.requests) - begun))
        hub.faults.clear()
        folder = hubs.find(f"hf://{name}")
        assert is_right(folder, small)
        left = folder.parent.parent / "blobs"
        assert not list(left.glob("*.incomplete"))
    assert any(code == -signal.SIGKILL for code, _ in seen)


@pytest.mark.timeout(600)
def test_two_processes_at_once_fetch_once(hub, small):
    commit = hub.add("user/repo", small)
    hub.fail("slow", "storage", seconds=0.02)
    both = [start("hf://user/repo") for _ in range(2)]
    folders = [finished(process) for process in both]
    assert folders[0] == folders[1]
    assert is_right(folders[0], small)
    assert hub.asked("GET", "storage") == 1
    record = records.read("user/repo", commit)
    assert record is not None
    assert record.is_whole


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_sees_sizes_and_rate(hub, small, terminal):
    hub.add("user/repo", small)
    hub.fail("slow", "storage", seconds=0.01)
    master, slave = os.openpty() if terminal else os.pipe()  # what is read, what is written
    if terminal:
        termios = pytest.importorskip("termios")
        termios.tcsetwinsize(slave, (24, 100))
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH, "hf://user/repo"], stdout=subprocess.DEVNULL, stderr=slave
    )
    os.close(slave)
    seen = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while part := os.read(master, 1 << 16):
            seen += part
    os.close(master)
    assert process.wait(timeout=120) == 0
    if terminal:
        assert re.search(rb"model.safetensors: 100%.*300k/300k .*B/s", seen)
    else:
        assert seen == b""
