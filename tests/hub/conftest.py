"""A hub on loopback, and a cache of its own, for each test."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import hub_server
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from zoo.config import catalog


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
            "DOWNLOAD_CHUNK_SIZE": 1 << 14,
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
def small() -> dict[str, bytes]:
    """What a bundle looks like to somebody who only fetches it."""
    parts = {
        "recipe.toml": b"[model]\n" * 50,
        "model.safetensors": random.Random(0).randbytes(300_000),
    }
    listed = {
        name: {"bytes": len(content), "sha256": hub_server.sha256(content)}
        for name, content in parts.items()
    }
    manifest = {"format": 1, "paperzoo": "0.1.0", "files": listed}
    return parts | {"bundle.json": json.dumps(manifest).encode(), "README.md": b"# A card\n"}


ENTRY = """
# A line that stays.
[weights.far]
recipe = "vaswani2017-tatoeba-en-fr"
size = "starter"
hub = "user/repo"  # this one too
license = "Apache-2.0"
data_license = "none"
languages = ["en", "fr"]
origin = "trained here"
"""


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A function that adds to a registry of one paper, whose weights "far" are on the hub.

    Its weights "tatoeba-en-fr" are here without a network.
    """
    found = catalog.data_root() / "registry" / "vaswani2017.toml"
    folder = tmp_path / "root" / "registry"
    (folder / "bundles" / "vaswani2017.tatoeba-en-fr").mkdir(parents=True)
    path = folder / "vaswani2017.toml"
    text = found.read_text("utf-8") + ENTRY

    def write(added: str = "") -> Path:
        path.write_text(text + added, "utf-8")
        catalog.refresh()
        return path

    write()
    monkeypatch.setattr(catalog, "data_root", lambda: tmp_path / "root")
    return write


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
