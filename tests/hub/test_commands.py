"""The verbs of the hub from a shell: what they print, and one message for what goes wrong."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest

from zoo.cli import main

REPO = "hf://user/repo"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def run(capsys, monkeypatch):
    """Call the command line in this process; return exit code, standard output, standard error."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with warnings.catch_warnings(), pytest.raises(SystemExit) as done:
            main.main([str(each) for each in arguments])
        return int(done.value.code or 0), *capsys.readouterr()

    return call


def test_download_verify_cache(run, hub, small):
    commit = hub.add("user/repo", small)
    code, out, _ = run("download", REPO)
    assert code == 0
    assert out.rstrip().endswith(commit)
    assert run("verify", REPO)[:2] == (0, f"{REPO}: 4 files as the hub reported: not pinned\n")
    code, out, _ = run("cache")
    assert code == 0
    header, row, total = out.splitlines()
    assert header.split() == ["REPOSITORY", "COMMIT", "FETCHED", "CONVERTED", "NAME"]
    size = f"{sum(map(len, small.values())) / 1000:.1f}"
    assert row.split() == ["user/repo", commit, size, "kB", "-", REPO]
    assert total.split() == ["total", size, "kB", "0", "B"]
    assert run("cache", "--delete", "user/repo")[1] == f"user/repo: {size} kB deleted\n"
    assert len(run("cache")[1].splitlines()) == 2


def test_verify_tells_each_and_fails_at_the_end(run, hub, small, tiny_bundle):
    code, out, err = run("verify", REPO, tiny_bundle)
    assert code == 1
    assert f"{REPO}: hf://user/repo was not fetched yet" in out
    assert "5 files as its manifest says" in out
    assert err.startswith("error: 1 model not as published")


def test_errors_are_one_message(run, hub):
    code, out, err = run("download", REPO)
    assert (code, out) == (1, "")
    assert err.startswith("error: there is no repository user/repo on http")
    assert len(err.splitlines()) == 2


def test_pin_and_the_warning_of_what_is_not_pinned(run, hub, small, registry):
    hub.add("user/repo", small)
    code, _, err = run("download", "vaswani2017.far")
    assert code == 0
    assert err.startswith("warning: vaswani2017.far was never pinned")
    code, out, _ = run("pin", "vaswani2017.far")
    assert code == 0
    assert out.endswith("registry/vaswani2017.toml\n")
    assert run("verify", "vaswani2017.far")[1].endswith("4 files as the registry says\n")


def test_push_prints_what_the_registry_needs(run, hub, tiny_bundle, monkeypatch):
    code, out, _ = run("push", tiny_bundle, "user/repo", "--dry-run")
    assert code == 0
    assert out.startswith("would be sent to user/repo, ")
    assert 'zoo.load("hf://user/repo")' in out
    assert hub.requests == []
    monkeypatch.setenv("HF_TOKEN", "hf_writer")
    code, out, err = run("push", tiny_bundle, "user/repo", "--private")
    assert (code, err) == (0, "")  # no bars where there is no terminal
    commit = hub.repositories["user/repo"].branches["main"]
    assert f"sent to user/repo at commit {commit}" in out
    assert f'revision = "{commit}"' in out
    assert hub.repositories["user/repo"].private


def test_info_of_a_repository_is_its_card(run, hub, files):
    hub.add("user/repo", files)
    code, out, _ = run("info", REPO)
    assert code == 0
    assert out.startswith("# ")


def test_the_verbs_import_no_keras(hub, small):
    hub.add("user/repo", small)
    code = (
        "import sys\nfrom zoo.cli.main import main\n"
        f"try: main(['download', '{REPO}'])\nexcept SystemExit as done: assert not done.code\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_shell_predicts_with_a_repository(run, hub, files):
    hub.add("user/repo", files)
    code, out, _ = run("predict", REPO, "je", "--max-length", 4)
    assert code == 0
    assert len(out.splitlines()) == 1
