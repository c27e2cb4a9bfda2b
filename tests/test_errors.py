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
