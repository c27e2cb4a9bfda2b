"""Data sets and frames that a library read of files: the text that stands there, or an error."""

from __future__ import annotations

import json

import pytest

from zoo.config.recipe import load
from zoo.config.tasks import task_class
from zoo.errors import DataError, ZooWarning

datasets = pytest.importorskip("datasets")
pandas = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
IMDB = load("ulmfit2018-imdb")


def classify(data, targets=None, recipe=IMDB, fresh=True):
    return task_class("classify").read(recipe, data, targets, fresh=fresh)


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """A function: write a file and read it by datasets."""
    datasets.disable_progress_bars()

    def read(kind: str, text: str, **options):
        path = tmp_path / f"mine.{kind}"
        path.write_text(text, "utf-8")
        cache = str(tmp_path / "cache")
        return datasets.load_dataset(
            kind, data_files=str(path), split="train", cache_dir=cache, **options
        )

    return read


def test_strings_of_any_kind(dataset):
    rows = [("Good film", "a"), ("Bad film", "b")]
    made = dataset("csv", "text,label\n" + "".join(f"{t},{label}\n" for t, label in rows))
    assert made.features["text"].dtype == "large_string"
    assert classify(made) == rows


def test_dates_are_texts(dataset):
    rows = [("2024-05-06", "x"), ("2024-05-07", "y")]
    text = "".join(json.dumps({"text": t, "label": label}) + "\n" for t, label in rows)
    made = dataset("json", text)
    assert made.features["text"].dtype.startswith("timestamp")
    assert classify(made) == rows
    labels = "".join(json.dumps({"text": label, "label": t}) + "\n" for t, label in rows)
    assert classify(dataset("json", labels)) == [(b, a) for a, b in rows]
    times = text.replace('07"', '07T10:00:00"')
    with pytest.warns(ZooWarning, match="row 2: the text was read as a time.*2024-05-07T10:00:00"):
        assert classify(dataset("json", times))[1].given == "2024-05-07T10:00:00"
    frame = pandas.DataFrame({"text": ["a", "b"], "label": pandas.to_datetime(["2024-05-06"] * 2)})
    assert classify(frame)[0].wanted == "2024-05-06"


@pytest.mark.parametrize("word", ["NA", "null", "None", ""])
def test_what_a_reader_dropped_is_named_with_its_row(dataset, tmp_path, word):
    text = f"text,label\nGood film,a\n{word},b\nBad film,a\n"
    with pytest.raises(DataError, match=r"row 2: the text is missing\n.*path of the file.*keep"):
        classify(dataset("csv", text))
    with pytest.raises(DataError, match=r"row 2: the text is missing\n.*path of the file.*dtype"):
        classify(pandas.read_csv(tmp_path / "mine.csv"))
    if word:
        kept = [("Good film", "a"), (word, "b"), ("Bad film", "a")]
        assert classify(dataset("csv", text, keep_default_na=False)) == kept
        assert classify(tmp_path / "mine.csv") == kept
        frame = pandas.read_csv(tmp_path / "mine.csv", dtype=str, keep_default_na=False)
        assert classify(frame) == kept


def test_numbers_that_were_texts_are_refused(dataset):
    with pytest.raises(DataError, match=r"row 1: the text is float, not text\n.*path of the file"):
        classify(dataset("csv", "text,label\n007,a\n1.50,b\n"))
    with pytest.raises(DataError, match=r"row 1: the label is float.*\n.*beside a missing cell"):
        classify(dataset("csv", "text,label\na,1\nb,\nc,2\n"))


def test_names_of_classes_are_kept():
    texts, places = ["Good film", "Bad film", "So so"], [1, 0, 1]
    features = datasets.Features(
        {"text": datasets.Value("large_string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    made = datasets.Dataset.from_dict({"text": texts, "label": places}, features=features)
    expected = list(zip(texts, ["yes", "no", "yes"], strict=True))
    for data, targets in (
        (made, None),
        (made.to_iterable_dataset(), None),
        (made["text"], made["label"]),
        ({"text": made["text"], "label": made["label"]}, None),
        (made.remove_columns("label"), made["label"]),
    ):
        assert classify(data, targets) == expected
    # A model whose own labels are the numbers keeps them.
    numbers = IMDB.changed({"data.labels": ["0", "1"]})
    assert [e.wanted for e in classify(made, recipe=numbers, fresh=False)] == ["1", "0", "1"]
    hidden = datasets.Dataset.from_dict({"text": ["a"], "label": [-1]}, features=features)
    with pytest.raises(DataError, match="row 1: the label is missing"):
        classify(hidden)
