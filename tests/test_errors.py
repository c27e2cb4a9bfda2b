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
