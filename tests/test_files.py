"""Files and folders written aside: whole or as they were, and what a kill left is removed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from zoo import files

WRITER = textwrap.dedent("""
    import pathlib, sys
    from zoo import files
    with getattr(files, sys.argv[1])(pathlib.Path(sys.argv[2])) as aside:
        print(aside, flush=True)
        sys.stdin.read()
""")
HELPERS = pytest.mark.parametrize("helper", ["replacing", "replacing_folder"])


def write(helper: str, path: Path, text: str) -> None:
    with getattr(files, helper)(path) as aside:
        (aside if helper == "replacing" else aside / "a").write_text(text, "utf-8")


def read(path: Path) -> str:
    return (path / "a" if path.is_dir() else path).read_text("utf-8")


@pytest.fixture
def writer():
    """A function that starts a process which writes a path aside; return it and where."""
    started = []

    def start(helper: str, path: Path) -> tuple[subprocess.Popen, Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, helper, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.communicate()


@HELPERS
def test_it_is_written_whole_or_stays_as_it_was(helper, tmp_path):
    path = tmp_path / "it.csv"
    write(helper, path, "one")
    write(helper, path, "two")
    assert read(path) == "two"
    with pytest.raises(KeyboardInterrupt), getattr(files, helper)(path):
        raise KeyboardInterrupt
    assert read(path) == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_written_with_its_suffix(tmp_path):
    with files.replacing(tmp_path / "it.csv") as aside:
        assert aside.suffix == ".csv"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no lock of a folder")
@HELPERS
def test_what_a_killed_process_left_goes_and_what_another_writes_stays(helper, tmp_path, writer):
    path = tmp_path / "it[1].csv"
    killed, left = writer(helper, path)
    other, beside = writer(helper, path)
    assert left.exists()
    killed.kill()
    killed.communicate()
    write(helper, path, "mine")
    assert read(path) == "mine"
    assert not left.exists()
    assert beside.exists()
    other.communicate()  # the end of its input: it goes on, and the last one stands
    assert list(tmp_path.iterdir()) == [path]
    assert other.returncode == 0


def test_two_at_once_in_one_process_do_not_meet(tmp_path):
    path = tmp_path / "it"
    with files.replacing_folder(path) as first:
        (first / "a").write_text("first")
        write("replacing_folder", path, "second")
        assert read(path) == "second"
    assert read(path) == "first"


def test_a_kill_between_the_renames_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / "it"
    write("replacing_folder", path, "old")
    path.rename(tmp_path / ".it.previous")  # what such a kill leaves
    files.recover(path)
    assert read(path) == "old"
    rename = Path.rename

    def refused(self, to):
        if ".writing-" in self.name:
            raise OSError("refused")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match="refused"):
        write("replacing_folder", path, "new")
    assert read(path) == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_of_others_are_taken_over(tmp_path):
    path = tmp_path / "it"
    write("replacing_folder", path, "old")
    seen = []

    def adopt(old: Path, new: Path) -> None:
        seen.append((read(old), read(new)))

    with files.replacing_folder(path, adopt) as aside:
        (aside / "a").write_text("new")
    assert seen == [("old", "new")]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_keeps_pointing_to_its_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write("replacing_folder", tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "real") == "new"
