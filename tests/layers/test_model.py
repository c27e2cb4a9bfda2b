"""Arguments that are declared once: the constructor, the config and the registry's check."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, fields

import keras
import numpy as np
import pytest

import zoo
from zoo.config import catalog
from zoo.errors import OptionError, RecipeError
from zoo.layers.model import PaperModel


@keras.saving.register_keras_serializable("paperzoo.tests")
class Pretend(PaperModel):
    """A language model of one layer."""

    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        vocabulary: int
        width: int = 4
        dropout: float = 0.25

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        self.table = keras.layers.Embedding(self.arguments.vocabulary, self.arguments.width)

    def build(self, input_shape=None) -> None:
        self.table.build()
        self.built = True

    def call(self, inputs):
        return self.table(inputs)


@keras.saving.register_keras_serializable("paperzoo.tests")
class PretendClassifier(Pretend):
    """What it becomes: the same arguments, one with another default, and one more."""

    @dataclass(frozen=True, kw_only=True)
    class Arguments(Pretend.Arguments):
        classes: int
        dropout: float = 0.5


def test_all_arguments_are_kept_with_their_defaults():
    made = PretendClassifier(vocabulary=9, classes=2, width=8)
    expected = {"vocabulary": 9, "width": 8, "dropout": 0.5, "classes": 2}
    assert vars(made.arguments) == expected
    assert expected.items() <= made.get_config().items()
    assert vars(Pretend(vocabulary=9).arguments) == {"vocabulary": 9, "width": 4, "dropout": 0.25}


def test_keras_own_arguments_are_keras():
    made = Pretend(vocabulary=9, name="mine", dtype="mixed_bfloat16")
    assert (made.name, made.dtype_policy.name) == ("mine", "mixed_bfloat16")
    assert "name" not in vars(made.arguments)


def test_config_rebuilds_it(tmp_path):
    made = PretendClassifier(vocabulary=9, classes=2, width=8, name="mine")
    again = PretendClassifier.from_config(made.get_config())
    assert again.get_config() == made.get_config()
    made.build()
    made.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is PretendClassifier
    assert loaded.get_config() == made.get_config()


def test_help_shows_them():
    shown = inspect.signature(PretendClassifier).parameters
    assert list(shown) == ["vocabulary", "width", "dropout", "classes"]
    assert {each.kind for each in shown.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert [field.name for field in fields(Pretend.Arguments)] == ["vocabulary", "width", "dropout"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({}, "missing 1 required .*'vocabulary'"), ({"vocabulary": 9, "widht": 3}, "widht")],
)
def test_missing_and_unknown_ones_are_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Pretend(**arguments)


def test_the_registrys_check_reads_the_same_fields(monkeypatch):
    entry = catalog.entry("merity2017")
    monkeypatch.setattr(catalog, "builder", lambda found, size: PretendClassifier)
    changes = {"width": 8, "classes": 3, "name": "mine"}
    assert changes.items() <= catalog.arguments(entry, None, changes).items()
    with pytest.raises(OptionError, match=r"no argument 'clases'\n.*did you mean 'classes'"):
        catalog.arguments(entry, None, {"clases": 3})


WRONG = [
    ("vocabulary", "9", "not a whole number"),
    ("vocabulary", 9.5, "not a whole number"),
    ("vocabulary", True, "not a whole number"),
    ("vocabulary", None, "not a whole number"),
    ("dropout", "much", "not a number"),
    ("dropout", [0.1], "not a number"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_an_argument_of_another_type_is_named(name, value, message):
    with pytest.raises(TypeError, match=re.escape(f"{name} is {value!r}, {message}")):
        Pretend(**{"vocabulary": 9, name: value})


def test_numbers_of_numpy_are_numbers():
    made = Pretend(vocabulary=np.int64(9), dropout=np.float32(0.5))
    assert (made.arguments.vocabulary, made.arguments.dropout) == (9, 0.5)
    assert type(made.arguments.vocabulary) is int
    assert Pretend(vocabulary=9, dropout=0).arguments.dropout == 0


def test_a_builder_and_a_recipe_name_it_too(tmp_path):
    with pytest.raises(OptionError, match="cannot be built so: width is '9', not a whole number"):
        zoo.build("graves2013", width="9")
    with pytest.raises(OptionError, match="clip is 'no', not a number"):
        zoo.build("graves2013", clip="no")
    with pytest.raises(RecipeError, match=r"bigram cannot be built so: order is 2\.5, not a"):
        zoo.train("bigram-names", tmp_path / "it", changes={"model.arguments.order": 2.5})
