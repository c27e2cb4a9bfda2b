"""Errors: one message, the next step under it."""

from __future__ import annotations

import pickle

import pytest

from zoo import errors


def test_message_and_hint():
    assert str(errors.DataError("bad.tsv:2: 3 columns", "write 2")) == (
        "bad.tsv:2: 3 columns\n  write 2"
    )
    assert str(errors.DataError("no rows")) == "no rows"


@pytest.mark.parametrize(
    "kind",
    [each for each in vars(errors).values() if isinstance(each, type)
     and issubclass(each, errors.ZooError)],
)  # fmt: skip
def test_every_error_is_documented_and_travels_between_processes(kind):
    assert kind.__doc__
    copy = pickle.loads(pickle.dumps(kind("message", "hint")))
    assert (type(copy), copy.message, copy.hint) == (kind, "message", "hint")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("naïve 日本 \U0001f600\n", ""),
        ("a\0b", "a NUL character at position 1"),
        ("abc\udce9", "a lone surrogate at position 3, '\\udce9'"),
        ("\ud83d\ude00", "a lone surrogate at position 0, '\\ud83d'"),  # two are no character
    ],
)
def test_a_text_is_unicode_without_nul(text, problem):
    assert errors.unwritable(text) == problem
    if not problem:
        errors.check_text("text 2", text)
        return
    with pytest.raises(errors.DataError) as caught:
        errors.check_text("text 2", text, errors.DataError)
    assert caught.value.message == f"text 2 has {problem}"
    assert "take it out" in caught.value.hint


@pytest.mark.parametrize("path", ["a\0b", "a\ud800"])
def test_a_path_is_one_that_a_file_can_have(path):
    errors.check_path("out", "été/日本")
    with pytest.raises(errors.OptionError, match=r"(?s)out is 'a.*no file can have this name"):
        errors.check_path("out", path)


def test_did_you_mean():
    assert errors.did_you_mean("bass", ["big", "base"]) == (
        "did you mean 'base'? valid choices: base, big"
    )
    assert errors.did_you_mean("xyz", ["big", "base"]) == "valid choices: base, big"
    assert errors.did_you_mean("xyz", []) == "there is none"


def test_numbers_have_their_noun():
    assert errors.counted(1, "column") == "1 column"
    assert errors.counted(0, "column") == "0 columns"


@pytest.mark.parametrize(("value", "text"), [(0, "at least 1"), (2.0, "whole"), (True, "whole")])
def test_counts_are_whole_numbers_from_one(value, text):
    errors.check_count("beam_size", 3)
    with pytest.raises(errors.OptionError, match=f"beam_size is {value}\n.*{text}"):
        errors.check_count("beam_size", value)


def test_paths_are_paths():
    errors.check_path("out", "x")
    with pytest.raises(errors.OptionError, match=r"out is None\n.*path of a folder"):
        errors.check_path("out", None)
