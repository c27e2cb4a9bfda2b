"""names and tinyshakespeare are cut as the lectures and char-rnn cut them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.config.recipe import Data
from zoo.data import corpora
from zoo.data.corpora.cut import names, shakespeare
from zoo.errors import DataError


def here(corpus: str) -> bool:
    root = os.environ.get("ZOO_DATA")
    return bool(root) and (Path(root) / corpus).is_dir()


def test_every_name_is_in_one_split():
    lines = [f"name{i}" for i in range(20)]
    parts = [names(lines, split) for split in ("train", "valid", "test")]
    assert [len(part) for part in parts] == [16, 2, 2]
    assert sorted(name for part in parts for name in part) == sorted(lines)
    assert parts[0] != lines[:16]


def test_speeches_keep_all_characters():
    text = "".join(f"A{i}:\nSo, {i}.\nNo.\n\n" for i in range(40))
    parts = [shakespeare(text.split("\n")[:-2], split) for split in ("train", "valid", "test")]
    assert parts[0][0] == "A0:\nSo, 0.\nNo.\n"
    read = "\n".join(parts[0]) + "\n"
    assert text.startswith(read.rstrip("\n"))
    assert abs(len(read) / len(text) - 0.9) < 0.01
    joined = "".join(speech for part in parts for speech in part).replace("\n", "")
    assert joined == text.replace("\n", "")


def test_a_folder_without_the_file(tmp_path):
    with pytest.raises(DataError, match=r"has no names\.txt"):
        corpora.load(Data(corpus="names", language="en"), "train", labelled=False, folder=tmp_path)


@pytest.mark.skipif(not here("names"), reason="needs the corpus names")
def test_the_lectures_examples():
    """182,625, 22,655 and 22,866 letters and ends, as the notebooks print."""
    data = Data(corpus="names", language="en")
    counts = [
        sum(len(text) + 1 for text, _ in corpora.load(data, split, labelled=False))
        for split in ("train", "valid", "test")
    ]
    assert counts == [182625, 22655, 22866]


@pytest.mark.skipif(not here("tinyshakespeare"), reason="needs the corpus tinyshakespeare")
def test_the_whole_of_shakespeare():
    data = Data(corpus="tinyshakespeare", language="en")
    parts = [corpora.load(data, split, labelled=False, whole=True) for split in ("train", "test")]
    counts = [sum(len(text) + 1 for text, _ in part) for part in parts]
    assert abs(counts[0] - 1_003_854) < 4
    assert abs(counts[1] - 55_770) < 4
