"""A user's examples and those of a corpus, in the form that each task measures and trains on."""

from __future__ import annotations

import pytest

from zoo.config import recipe as recipes
from zoo.config.tasks import task_class
from zoo.data.columns import TableOptions
from zoo.errors import DataError, InputError, OptionError
from zoo.training import measuring, prepare

TRANSLATE, GENERATE, CLASSIFY = (
    recipes.load(name)
    for name in ("vaswani2017-tatoeba-en-fr", "ulmfit2018-imdb-lm", "ulmfit2018-imdb")
)


def read(recipe, data, targets=None):
    return task_class(recipe.task).read(recipe, data, targets)


@pytest.fixture(autouse=True)
def corpora(monkeypatch, corpora_folder):
    monkeypatch.setenv("ZOO_DATA", str(corpora_folder))


# A user's


def test_columns_are_found_by_the_names_of_the_task(tmp_path):
    table = {"fr": ["Va !"], "en": ["Go."], "text": ["Stay."], "label": [1], "sentence": ["No."]}
    assert read(TRANSLATE, {n: table[n] for n in ("fr", "en")}) == [("Go.", "Va !")]
    assert read(CLASSIFY, table) == [("Stay.", "1")]
    assert read(GENERATE, table) == [("Stay.", "")]
    del table["text"]
    assert read(CLASSIFY, table) == [("No.", "1")]
    path = tmp_path / "mine.csv"
    path.write_text("label,text\npos,Go.\n", "utf-8")
    assert read(CLASSIFY, path) == [("Go.", "pos")]
    assert read(GENERATE, path) == [("Go.", "")]


def test_columns_and_delimiters_may_be_named(tmp_path, capsys):
    path = tmp_path / "mine.csv"
    path.write_text("a;b;c\nx;Va !;Go.\n", "utf-8")
    named = TableOptions.of(source_column="c", target_column="b")
    found = measuring.find(TRANSLATE, path, table=named, tell=True)
    assert found == ({"data": "mine.csv"}, [("Go.", ["Va !"])])
    said = "mine.csv: 1 row, parted by semicolon; source: 'c', target: 'b'\n"
    assert capsys.readouterr() == ("", said)
    assert measuring.find(TRANSLATE, path, table=named) == found
    assert capsys.readouterr().err == ""
    for data in (None, tmp_path):
        with pytest.raises(OptionError, match="are for a table of your own"):
            measuring.find(TRANSLATE, data, table=TableOptions.of(delimiter=";"))


def test_lists():
    assert read(CLASSIFY, ["Go."], [3]) == [("Go.", "3")]
    assert read(GENERATE, ["Go.", "No."]) == [("Go.", ""), ("No.", "")]
    with pytest.raises(DataError, match="on texts alone, and there are labels"):
        read(GENERATE, ["Go."], ["pos"])
    with pytest.raises(DataError, match="row 1: the label is missing"):
        read(CLASSIFY, ["Go."], [None])


def test_another_corpus_is_measured_by_its_name_or_its_folder(corpora_folder):
    by_name, examples = measuring.find(TRANSLATE, "europarl-en-fr")
    assert by_name == {"data": "europarl-en-fr", "split": "test"}
    by_folder, same = measuring.find(TRANSLATE, corpora_folder / "europarl-en-fr")
    assert by_folder == by_name
    assert same == examples
    own, _ = measuring.find(TRANSLATE, corpora_folder)
    assert own["data"] == TRANSLATE.data.corpus


def test_a_users_examples_are_named_by_their_file(tmp_path):
    pairs = [("Go.", "Va !"), ("No.", "Non."), ("Go.", "Pars !")]
    found = [("Go.", ["Va !", "Pars !"]), ("No.", ["Non."])]
    assert measuring.find(TRANSLATE, pairs) == ({"data": "examples"}, found)
    rows = [("Go.", "pos"), ("Go.", "neg")]
    assert measuring.find(CLASSIFY, rows) == ({"data": "examples"}, rows)
    path = tmp_path / "mine.txt"
    path.write_text("Go.\nNo.\n", "utf-8")
    assert measuring.find(GENERATE, path) == ({"data": "mine.txt"}, [("Go.", ""), ("No.", "")])


# A corpus'


@pytest.mark.parametrize("recipe", [TRANSLATE, GENERATE, CLASSIFY], ids=lambda each: each.task)
def test_a_corpus_is_found_by_itself_or_in_a_folder(recipe, corpora_folder, monkeypatch):
    corpus = recipe.data.corpus
    about, found = measuring.find(recipe)
    assert about == {"data": corpus, "split": "test"}
    assert len(found) == 20
    for text, other in found:
        assert text
        assert bool(other) == (recipe.task != "generate")
        assert isinstance(other, list) == (recipe.task == "translate")
    monkeypatch.delenv("ZOO_DATA")
    for folder in (corpora_folder, corpora_folder / corpus, str(corpora_folder)):
        assert measuring.find(recipe, folder) == (about, found)
    about, training = measuring.find(recipe, corpora_folder, split="train")
    assert about["split"] == "train"
    assert training


def test_an_evaluation_is_of_so_many_rows(corpora_folder):
    recipe = CLASSIFY.changed({"evaluate.limit": 6})
    _, found = measuring.find(recipe)
    assert len(found) == 6
    assert [label for _, label in found].count("pos") == 3  # drawn about equally
    assert measuring.find(recipe) == ({"data": "imdb", "split": "test"}, found)


def test_what_was_prepared_is_measured_on_if_it_is_of_the_task(tmp_path):
    smoke = CLASSIFY.smoke()
    made = prepare.prepare(smoke, tmp_path / "data")
    about, found = measuring.find(smoke, tmp_path / "data")
    assert about == {"data": "imdb", "split": "test"}
    assert found == made.test
    assert {label for _, label in found} == {"neg", "pos"}
    with pytest.raises(
        DataError, match=r"was prepared to classify en, .* is there to translate en to fr"
    ):
        measuring.find(TRANSLATE, tmp_path / "data")
    with pytest.raises(DataError, match=r"prepared to classify en, .* is there to generate en"):
        measuring.find(GENERATE, tmp_path / "data")


def test_a_model_of_a_users_examples_has_no_corpus():
    for recipe in (TRANSLATE, CLASSIFY):
        with pytest.raises(InputError, match=r"trained on 'mine\.csv', which is no corpus"):
            measuring.find(recipe.changed({"data.corpus": "mine.csv"}))
