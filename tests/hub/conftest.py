"""A hub on loopback, and a cache of its own, for each test."""

from __future__ import annotations

import os
from pathlib import Path

import hub_server
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session


def environment(hub: hub_server.Server, home: Path) -> dict[str, str]:
    """Return what a process needs to talk to that hub only."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "2",
    }


@pytest.fixture
def home(tmp_path) -> Path:
    """HF_HOME."""
    return tmp_path / "home"


@pytest.fixture
def hub(home, monkeypatch, waits):
    """A hub that this process and those that it starts talk to, nobody logged in."""
    with hub_server.Server() as server:
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_ASSETS_CACHE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment(server, home).items():
            monkeypatch.setenv(name, value)
        # The client reads its settings when it is imported, which it was by now.
        for name, value in {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_ASSETS_CACHE": str(home / "assets"),
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DOWNLOAD_TIMEOUT": 1,
            "HF_HUB_ETAG_TIMEOUT": 1,
        }.items():
            monkeypatch.setattr(constants, name, value)
        yield server
        close_session()


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """How long was waited between attempts; nobody really waits so long."""
    import time

    waited: list[float] = []
    sleep = time.sleep

    def short(seconds: float) -> None:
        waited.append(seconds)
        sleep(min(seconds, 0.01))

    monkeypatch.setattr(time, "sleep", short)
    return waited


@pytest.fixture
def files(tiny_bundle) -> dict[str, bytes]:
    """The files of the tiny bundle."""
    return {path.name: path.read_bytes() for path in tiny_bundle.iterdir()}


@pytest.fixture
def offline(hub, monkeypatch):
    """A function that sets HF_HUB_OFFLINE."""

    def switch() -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")

    return switch
