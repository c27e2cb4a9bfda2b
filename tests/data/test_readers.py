"""Readers: the same pairs out of everything that holds pairs, and one message for what does not."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from zoo.data.columns import read_pairs, read_texts
from zoo.data.readers import read_lines
from zoo.errors import DataError

PAIRS = [("Hello, you.", "Bonjour à toi."), ("Thanks.", "Merci.")]
DICTS = [{"id": 7, "Target": target, "source": source} for source, target in PAIRS]


def write(path, text: str):
    data = text.encode("utf-8")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


TSV = "".join(f"{source}\t{target}\n" for source, target in PAIRS)
CSV = "".join(f'"{source}",{target}\n' for source, target in PAIRS)
JSONL = "".join(json.dumps(row) + "\n" for row in DICTS)


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bare.tsv", TSV),
        ("bare.txt", TSV),
        ("windows.tsv", TSV.replace("\n", "\r\n")),
        ("mark.tsv", "\ufeffsource\ttarget\n" + TSV),
        ("header.tsv", "Source \tTARGET\n" + TSV),
        ("swapped.tsv", "target\tid\tsource\n" + "".join(f"{t}\t7\t{s}\n" for s, t in PAIRS)),
        ("classes.tsv", "text\tlabel\n" + TSV),
        ("gaps.tsv", "\n" + TSV.replace("\n", "\n\n")),
        ("bare.csv", CSV),
        ("header.csv", "source,target\n" + CSV),
        ("more.csv", "label,x,text\n" + "".join(f'{t},,"{s}"\n' for s, t in PAIRS)),
        ("rows.jsonl", JSONL),
        ("rows.json", JSONL + "\n"),
        ("two.jsonl", "".join(json.dumps({"a": s, "b": t}) + "\n" for s, t in PAIRS)),
    ],
)
def test_files(tmp_path, name, text, gz):
    path = write(tmp_path / (name + gz), text)
    assert read_pairs(path) == PAIRS
    assert read_pairs(str(path)) == PAIRS


def test_columns_may_have_the_names_of_languages(tmp_path):
    path = write(tmp_path / "x.csv", "id,fr,en\n" + "".join(f'1,{t},"{s}"\n' for s, t in PAIRS))
    assert read_pairs(path, columns=[("source", "target"), ("en", "fr")]) == PAIRS


def test_quoted_cells_may_hold_line_ends(tmp_path):
    path = write(tmp_path / "x.csv", 'source,target\n"one\ntwo","un\n""deux"""\nthree,\n')
    with pytest.raises(DataError, match=r"x\.csv:5: the target is empty"):
        read_pairs(path)
    path = write(tmp_path / "x.csv", 'source,target\n"one\ntwo","un\n""deux"""\n')
    assert read_pairs(path) == [("one\ntwo", 'un\n"deux"')]


def test_cells_are_unicode_without_nul(tmp_path):
    rows = '{"source": "Hi.", "target": "Salut."}\n{"source": "Go.", "target": "V\\ud800a"}\n'
    path = write(tmp_path / "x.jsonl", rows)
    with pytest.raises(DataError, match=r"x\.jsonl:2: the target has a lone surrogate at pos.* 1"):
        read_pairs(path)
    path = write(tmp_path / "x.tsv", TSV + "Go.\tV\0a\n")
    with pytest.raises(DataError, match=r"x\.tsv:3: the target has a NUL character at position 1"):
        read_pairs(path)
    with pytest.raises(DataError, match="row 2: the text has a NUL"):
        read_texts(["Go.", "G\0o"])
    with pytest.raises(DataError, match="row 2: the label has a lone surrogate"):
        read_pairs(["Go.", "Stop."], ["a", "b\udce9"], [("text", "label")])


def test_things_in_memory():
    sources, targets = zip(*PAIRS, strict=True)
    assert read_pairs(sources, targets) == PAIRS
    assert read_pairs(np.array(sources), np.array(targets)) == PAIRS
    assert read_pairs(PAIRS) == PAIRS
    assert read_pairs([list(pair) for pair in PAIRS]) == PAIRS
    assert read_pairs(iter(PAIRS)) == PAIRS
    assert read_pairs(DICTS) == PAIRS
    assert read_pairs({"target": list(targets), "source": list(sources)}) == PAIRS
    assert read_pairs([{"translation": {"en": s, "fr": t}} for s, t in PAIRS]) == PAIRS
    assert read_pairs(["good", "bad"], [1, np.int64(0)]) == [("good", "1"), ("bad", "0")]
    with pytest.raises(DataError, match="row 1: the source is int, not text"):
        read_pairs([1, 0], ["good", "bad"])


def test_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(DICTS)
    assert read_pairs(frame) == PAIRS
    assert read_pairs(frame[["source", "Target"]].rename(columns=str.upper)) == PAIRS
    assert read_pairs(frame["source"], frame["Target"]) == PAIRS
    frame.loc[1, "Target"] = None
    with pytest.raises(DataError, match="row 2: the Target is missing"):
        read_pairs(frame)
    with pytest.raises(DataError, match="no rows in the frame"):
        read_pairs(frame[:0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_data_sets():
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list(DICTS)
    assert read_pairs(rows) == PAIRS
    assert read_pairs(rows.to_iterable_dataset()) == PAIRS
    with pytest.raises(DataError, match=r"(?s)has splits: train, test.*data\['train'\]"):
        read_pairs(datasets.DatasetDict(train=rows, test=rows))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("bad.tsv", "a\tb\na\tb\tc\n", r"bad\.tsv:2: 3 columns, expected 2"),
        ("bad.tsv", "a\tb\nalone\n", r"bad\.tsv:2: 1 column, expected 2"),
        ("bad.csv", "source,target,id\na,b,1\na,b\n", r"bad\.csv:3: 2 columns, expected 3"),
        ("wide.tsv", "a\tb\tc\n", r"wide\.tsv:1: found 3 columns: a, b, c"),
        ("text.txt", "one sentence\n", r"text\.txt:1: found 1 column: one sentence"),
        ("empty.tsv", "", r"no rows in empty\.tsv"),
        ("blank.tsv", "\n\n", r"no rows in blank\.tsv"),
        ("head.csv", "source,target\n", r"no rows in head\.csv"),
        ("hole.tsv", "a\tb\n \tb\n", r"hole\.tsv:2: the source is empty"),
        ("swap.csv", "target,source\nb,\n", r"swap\.csv:2: the source is empty"),
        ("q.csv", 'a,b\na,"b" c"\n', r"q\.csv:2: "),
        ("x.jsonl", '{"source": "a", "target": "b"}\n{"source"\n', r"x\.jsonl:2: not valid JSON"),
        ("x.jsonl", '{"source": "a", "target": "b"}\n[1]\n', r"x\.jsonl:2: list instead of an obj"),
        (
            "x.jsonl",
            '{"source": "a", "target": "b"}\n{"source": "a"}\n',
            "2: the target is missing",
        ),
        ("x.jsonl", '{"a": "a", "b": "b", "c": 1}\n', r"x\.jsonl: found 3 columns: a, b, c"),
        ("x.jsonl", '{"source": "a", "target": ["b"]}\n', r"the target is list, not text"),
        ("none.jsonl", "", r"no rows in none\.jsonl"),
    ],
)
def test_bad_files_say_where(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message):
        read_pairs(write(tmp_path / name, text))


def test_columns_without_names_are_called_by_the_first_pair_of_them():
    columns = [("text", "label"), ("sentence", "label")]
    for data, targets, message in (
        (["a", "b"], ["c"], r"2 texts, but 1 label\n.*each text needs one label"),
        (["a"], [None], "row 1: the label is missing"),
        ([("a", "b"), ("", "b")], None, "row 2: the text is empty"),
        (["a"], None, r"row 1: one str instead of a pair\n.*\(text, label\).*with the labels"),
    ):
        with pytest.raises(DataError, match=message):
            read_pairs(data, targets, columns=columns)
    assert read_pairs({"label": [1], "sentence": ["a"]}, columns=columns) == [("a", "1")]


def test_the_columns_that_would_do_are_named(tmp_path):
    with pytest.raises(DataError, match="'source' and 'target' or 'text' and 'label'"):
        read_pairs(write(tmp_path / "x.csv", "a,b,c\n"))


def test_what_is_not_utf_8_is_named_with_its_line(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("déjà\tvu\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"^latin\.txt:1: not UTF-8 \(byte 0xe9\)"):
        read_pairs(path)
    path.write_bytes(b"a\tb\n" * 3 + b"\xff\n")
    with pytest.raises(DataError, match=r"^latin\.txt:4: not UTF-8"):
        list(read_lines(path))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_pairs(tmp_path / "nowhere.tsv")
    with pytest.raises(DataError, match="is a folder"):
        read_pairs(tmp_path)
    (tmp_path / "x.tsv.gz").write_bytes(gzip.compress(TSV.encode() * 99)[:60])
    with pytest.raises(DataError, match="cannot be read"):
        read_pairs(tmp_path / "x.tsv.gz")
    (tmp_path / "y.tsv.gz").write_bytes(TSV.encode())
    with pytest.raises(DataError, match="cannot be read"):
        read_pairs(tmp_path / "y.tsv.gz")


@pytest.mark.parametrize(
    ("data", "targets", "message"),
    [
        (["a", "b"], ["c"], r"2 sources, but 1 target\n"),
        ("a", ["b"], "one text instead of a list"),
        ([], None, "no rows in the list"),
        ([], [], "no rows in the lists"),
        (["a", "b"], None, "row 1: one str instead of a pair"),
        ([("a", "b"), ("a", "b", "c")], None, "row 2: 3 columns, expected 2"),
        ([("a", None)], None, "row 1: the target is missing"),
        ([("a", float("nan"))], None, "row 1: the target is missing"),
        ([("a", "b"), ("", "b")], None, "row 2: the source is empty"),
        ({"a": ["x"], "b": ["y", "z"]}, None, "columns of different length: a 1, b 2"),
        ({"source": "a", "target": "b"}, None, "the column source is str, not a list"),
        ({"source": ["a"], "target": 3}, None, "the column target is int, not a list"),
        (3, None, "examples cannot be read from int"),
        (["a"], 3, "examples cannot be read from int"),
    ],
)
def test_bad_things_in_memory(data, targets, message):
    with pytest.raises(DataError, match=message):
        read_pairs(data, targets)


# Texts alone

TEXTS = ["Hello, you.", "Thanks."]


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain.txt", "Hello, you.\n\n \nThanks.\n"),
        ("plain", "Hello, you.\r\nThanks."),
        ("tabs.txt.old", "Hello, you.\nThanks."),
        ("bare.tsv", "Hello, you.\nThanks.\n"),
        ("header.tsv", "Text\nHello, you.\nThanks.\n"),
        ("more.tsv", "id\tTEXT\tlabel\n1\tHello, you.\t\n2\tThanks.\t0\n"),
        ("bare.csv", '"Hello, you."\nThanks.\n'),
        ("header.csv", 'label,text\n1,"Hello, you."\n,Thanks.\n'),
        ("rows.jsonl", "".join(json.dumps({"n": 1, "text": each}) + "\n" for each in TEXTS)),
        ("one.jsonl", "".join(json.dumps({"line": each}) + "\n" for each in TEXTS)),
    ],
)
def test_files_of_texts(tmp_path, name, text, gz):
    path = write(tmp_path / (name + gz), text)
    assert read_texts(path) == TEXTS
    assert read_texts(str(path)) == TEXTS


def test_texts_in_memory():
    assert read_texts(TEXTS) == TEXTS
    assert read_texts(tuple(TEXTS)) == TEXTS
    assert read_texts(iter(TEXTS)) == TEXTS
    assert read_texts(np.array(TEXTS)) == TEXTS
    assert read_texts({"a": TEXTS}) == TEXTS
    assert read_texts({"label": [0, 1], "text": TEXTS}) == TEXTS
    assert read_texts([{"text": each, "label": 3} for each in TEXTS]) == TEXTS
    assert read_texts(["a\tb\nc"]) == ["a\tb\nc"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_texts_of_frames_and_data_sets():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"label": [0, 1], "Text": TEXTS})
    assert read_texts(frame) == read_texts(frame["Text"]) == TEXTS
    with pytest.raises(DataError, match="the frame: found 2 columns: label, other"):
        read_texts(frame.rename(columns={"Text": "other"}))
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1]})
    assert read_texts(rows) == TEXTS
    with pytest.raises(DataError, match="has splits: train"):
        read_texts(datasets.DatasetDict(train=rows))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("wide.tsv", "a\tb\nc\td\n", r"wide\.tsv:1: found 2 columns: a, b"),
        ("cut.csv", "Thanks.\nHello, you.\n", r"cut\.csv:2: 2 columns, expected 1"),
        ("short.tsv", "id\ttext\n1\n", r"short\.tsv:2: 1 column, expected 2"),
        ("hole.csv", "text,label\n,1\n", r"hole\.csv:2: the text is empty"),
        ("x.jsonl", '{"text": "a"}\n{"other": "b"}\n', r"x\.jsonl:2: the text is missing"),
        ("x.jsonl", '{"text": 3}\n', r"x\.jsonl:1: the text is int, not text"),
        ("x.jsonl", '["a"]\n', r"x\.jsonl:1: list instead of an object"),
        ("x.jsonl", '{"a": "b", "c": "d"}\n', r"x\.jsonl: found 2 columns: a, c"),
        ("head.csv", "text\n", r"no rows in head\.csv"),
        ("none.txt", "\n\n", r"no rows in none\.txt"),
        ("none.jsonl", "", r"no rows in none\.jsonl"),
    ],
)
def test_bad_files_of_texts_say_where(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message):
        read_texts(write(tmp_path / name, text))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "no rows in the list"),
        (["a", None], "row 2: the text is missing"),
        (["a", float("nan")], "row 2: the text is missing"),
        (["a", " "], "row 2: the text is empty"),
        (["a", 2], "row 2: the text is int, not text"),
        ([True], "row 1: the text is bool, not text"),
        ([("a", "b")], "row 1: the text is tuple, not text"),
        ([{"text": "a"}, "b"], "row 2: str instead of an object"),
        ({"a": ["b"], "c": ["d"]}, "the columns: found 2 columns: a, c"),
        ({"text": "a"}, "the column text is str, not a list"),
        (3, "texts cannot be read from int"),
        (None, "texts cannot be read from NoneType"),
        ("nowhere.txt", "there is no file nowhere.txt"),
        (".", "is a folder"),
    ],
)
def test_bad_texts_in_memory(data, message):
    with pytest.raises(DataError, match=message):
        read_texts(data)
