"""Columns of a user's table: found by obvious names and by content, named, or asked for."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest

from zoo.config.recipe import load
from zoo.config.tasks import task_class
from zoo.data.columns import TableOptions, read_pairs, read_texts
from zoo.errors import DataError, OptionError

IMDB, TATOEBA, WRITER, RTE, STSB = (
    load(name)
    for name in ("ulmfit2018-imdb", "vaswani2017-tatoeba-en-fr", "ulmfit2018-imdb-lm", "gpt1-rte",
                 "gpt1-stsb")
)  # fmt: skip
TEXTS = [
    "I will be late tonight, sorry.",
    "You have won a free prize",
    "Call me when you can",
    "Cheap pills; only today",
    "See you at home",
]
LABELS = ["ham", "spam", "ham", "spam", "ham"]
LABELLED = list(zip(TEXTS, LABELS, strict=True))
PAIRS = [
    ("Where are you?", "Où es-tu ?"),
    ("Go on, please.", "Continue."),
    ("Thanks a lot", "Merci beaucoup"),
    ("It is red, I think.", "C'est rouge."),
    ("Yes it is.", "Oui."),
]


def turned(rows):
    return [(second, first) for first, second in rows]


@pytest.fixture
def write(tmp_path):
    """A function: write rows, perhaps below a header, and return the path."""

    def written(rows, header=(), delimiter=",", ending=".csv"):
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(
            [header, *rows] if header else rows
        )
        path = tmp_path / f"mine{ending}"
        path.write_text(out.getvalue(), "utf-8")
        return path

    return written


def classify(data, targets=None, fresh=True, **table):
    options = TableOptions.of(**table)
    return task_class("classify").read(IMDB, data, targets, fresh=fresh, table=options)


def translate(data, targets=None, **table):
    return task_class("translate").read(TATOEBA, data, targets, table=TableOptions.of(**table))


# Names


@pytest.mark.parametrize(
    "header",
    [
        ("message", "category"),
        ("review", "sentiment"),
        ("Tweet", "Class"),
        ("review text", "stars"),
        ("text", "anything"),
        ("anything", "label"),
    ],
)
def test_obvious_names_of_texts_and_labels(write, header):
    assert classify(write(LABELLED, header)) == LABELLED
    assert classify(write(turned(LABELLED), header[::-1])) == LABELLED
    columns = dict(zip(header[::-1], (LABELS, TEXTS), strict=True))
    assert classify(columns) == LABELLED
    pandas = pytest.importorskip("pandas")
    assert classify(pandas.DataFrame(columns)) == LABELLED


@pytest.mark.parametrize(
    "header",
    [("english", "french"), ("EN", "Français"), ("text_en", "text_fr"), ("src", "tgt"),
     ("eng", "fra"), ("sentence", "french")],
)  # fmt: skip
def test_obvious_names_of_languages(write, header):
    if header[0] == "sentence":  # what is left is the other
        assert translate(dict(zip(header, zip(*PAIRS, strict=True), strict=True))) == PAIRS
        return
    assert translate(write(PAIRS, header)) == PAIRS
    assert translate(write(turned(PAIRS), header[::-1], "\t", ".tsv")) == PAIRS
    rows = [(1, french, english) for english, french in PAIRS]
    assert translate(write(rows, ("id", *header[::-1]))) == PAIRS


def test_columns_of_other_languages_are_refused(write):
    for header in (("german", "english"), ("de", "en"), ("german", "italian")):
        with pytest.raises(DataError, match=f"found 2 columns: {', '.join(header)}"):
            translate(write(PAIRS, header))


def test_other_tasks_have_obvious_names_too(write):
    rows = [("It rains.", "It is wet.", "yes"), ("It rains.", "It is dry.", "no")]
    found = task_class("entail").read(
        RTE, write(rows, ("sentence_1", "sentence_2", "gold_label")), fresh=True
    )
    assert found == [((a, b), label) for a, b, label in rows]
    found = task_class("similarity").read(
        STSB, write([(b, 0.5, a) for a, b, _ in rows], ("text2", "score", "text1"))
    )
    assert found == [((a, b), 0.5) for a, b, _ in rows]
    questions = [{"question": "Grass is", "options": ["red", "green"], "answer": 1, "id": 3}]
    found = task_class("choose").read(RTE, questions)
    assert found == [(("Grass is", ("red", "green")), 1)]
    path = write([(text, 1) for text in TEXTS], ("review", "stars"))
    assert task_class("generate").read(WRITER, path) == [(text, "") for text in TEXTS]


# The first row


def test_a_first_row_that_may_be_a_header_is_asked_for(write):
    path = write(LABELLED, ("phrase_of_mine", "kind_of_it"))
    message = r"mine\.csv:1: is the first row a header\? 2 columns: phrase_of_mine, kind_of_it"
    with pytest.raises(DataError, match=rf"{message}\n.*text_column=.*header=False"):
        classify(path)
    assert classify(path, header=True) == LABELLED
    assert classify(path, header=False) == [("phrase_of_mine", "kind_of_it"), *LABELLED]
    assert classify(path, text_column="phrase_of_mine") == LABELLED
    with pytest.raises(DataError, match="is the first row a header"):
        classify(write([(text, i) for i, text in enumerate(TEXTS)], ("what", "much")))
    with pytest.raises(DataError, match="is the first row a header"):
        translate(write(PAIRS, ("column a", "column b")))
    with pytest.raises(DataError, match="is the first row a header"):
        read_texts(write([(text,) for text in TEXTS], ("something",)))


def test_a_first_row_of_words_is_an_example_among_its_like(write):
    words = [("dog", "chien"), ("cat", "chat"), ("house", "maison"), ("a", "un"), ("the", "le")]
    assert translate(write(words, delimiter="\t", ending=".tsv")) == words
    rows = [("Great movie", "pos"), ("Awful", "neg"), ("So so indeed, my friend", "neg"),
            ("Never again, I say", "neg"), ("I liked it very much", "pos")]  # fmt: skip
    assert classify(write(rows)) == rows
    spam = [("spam", "Win"), *turned(LABELLED)]  # "spam" is also the name of such a column
    assert classify(write(spam, delimiter="\t", ending=".tsv"))[0] == ("Win", "spam")


# Texts and labels


def test_labels_before_texts_are_told_apart(write):
    rows = turned(LABELLED)
    assert classify(write(rows, delimiter="\t", ending=".tsv")) == LABELLED
    assert classify(rows) == LABELLED
    assert classify({"a": LABELS, "b": TEXTS}) == LABELLED
    numbered = [(text, str(i % 2)) for i, text in enumerate(TEXTS)]
    assert classify(write(turned(numbered))) == numbered
    # A model's own labels need no further evidence.
    assert classify([("neg", "Bad.")], fresh=False) == [("Bad.", "neg")]


@pytest.mark.parametrize(
    ("data", "targets", "message"),
    [
        (turned(LABELLED)[:2], None, "the texts look like labels, and the labels like texts"),
        (LABELS, TEXTS, r"the texts look like labels.*\n.*put the texts first"),
        ({"text": LABELS, "label": TEXTS}, None, "text_column='label', label_column='text'"),
        ([(text, text[::-1]) for text in TEXTS], None, "labels look like texts.*5 different ones"),
        ([(f"This is {i}.", str(i)) for i in range(20)], None, "like numbers.*20 different"),
        ({"review": ["a"], "comment": ["b"], "label": ["c"]}, None, "'review' and 'comment' could"),
        ({"text": ["a"], "topic": ["b"], "stars": [1]}, None, "'topic' and 'stars' could each be"),
        ({"id": [1], "text": ["a"]}, None, "found 2 columns: id, text"),
        ({"id": [1], "foo": ["a"], "bar": ["b"]}, None, "found 3 columns: id, foo, bar"),
    ],
)  # fmt: skip
def test_what_could_be_meant_in_two_ways_is_asked(data, targets, message):
    with pytest.raises(DataError, match=message):
        classify(data, targets)


def test_lists_of_their_own_are_taken_at_their_word():
    labels = [f"a label of {i}" for i in range(5)]
    assert classify(TEXTS, labels) == list(zip(TEXTS, labels, strict=True))


def test_the_third_column_of_pairs_holds_labels():
    rows = [(label, text, text[::-1]) for text, label in LABELLED]
    with pytest.raises(DataError, match="the labels look like texts"):
        task_class("entail").read(RTE, rows, fresh=True)


# Named columns


def test_named_columns(write):
    rows = [(i, label, text, "x") for i, (text, label) in enumerate(LABELLED)]
    path = write(rows, ("id", "Kind", "what", "label"))
    assert classify(path, text_column="what", label_column="Kind") == LABELLED
    assert classify(path, columns={"text": "what"}, label_column="kind") == LABELLED
    assert [label for _, label in classify(path, text_column="what")] == ["x"] * 5
    assert read_texts(path, table=TableOptions.of(text_column="what")) == TEXTS
    with pytest.raises(DataError, match=r"mine\.csv:1: there is no column 'wat'\n.*'what'"):
        classify(path, text_column="wat", label_column="Kind")
    with pytest.raises(OptionError, match="there is no column 'premise'"):
        classify(path, columns={"premise": "what"})
    with pytest.raises(OptionError, match="the column 'what' is named twice"):
        classify(path, text_column="what", label_column="what")
    with pytest.raises(OptionError, match="the column of 'text' is named twice"):
        TableOptions.of(text_column="a", columns={"text": "b"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'txt_column'"):
        TableOptions.of(txt_column="a")
    # A user's own names are taken at their word.
    found = classify({"a": LABELS, "b": TEXTS}, text_column="a", label_column="b")
    assert found == turned(LABELLED)


def test_numbers_of_columns_without_names(write):
    rows = [(i, *pair) for i, pair in enumerate(PAIRS)]
    for data in (write(rows), rows):
        assert translate(data, source_column=3, target_column="2") == turned(PAIRS)
        with pytest.raises(DataError, match=r"there is no column '4'.*\n.*1 to 3"):
            translate(data, source_column=4, target_column=2)


def test_named_columns_of_pairs_and_answers(write):
    rows = [(b, a, label) for a, b, label in (("It rains.", "It is wet.", "yes"),) * 2]
    table = TableOptions.of(columns={"premise": "y", "hypothesis": "x"}, label_column="z")
    found = task_class("entail").read(RTE, write(rows, ("x", "y", "z")), table=table)
    assert found == [(("It rains.", "It is wet."), "yes")] * 2
    table = TableOptions.of(columns={"context": "q", "answers": ["a", "b", "c"], "label": "n"})
    rows = [("Grass is", "red", "green", "blue", 1)]
    found = task_class("choose").read(RTE, write(rows, "qabcn"), table=table)
    assert found == [(("Grass is", ("red", "green", "blue")), 1)]


def test_targets_belong_to_the_texts_of_a_table():
    columns = {"id": list(range(5)), "review": TEXTS}
    assert classify(columns, LABELS) == LABELLED
    assert classify({"a": LABELS, "b": TEXTS}, LABELS, text_column="b") == LABELLED


# Files


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiters_are_recognised(write, delimiter):
    for header in ((), ("text", "label"), ("message", "category")):
        rows = [(text.replace(",", ""), label) for text, label in LABELLED]
        assert classify(write(rows, header, delimiter)) == rows
    with_commas = [("One, two.", "a"), ("No.", "b"), ("Three, four, five.", "a"), ("Six.", "b")]
    assert classify(write(with_commas, (), delimiter)) == with_commas
    assert classify(write(with_commas, ("text", "label"), delimiter, ".tsv")) == with_commas


def test_delimiters_are_named(write):
    for name in ("^", "pipe", "semicolon", "\\t"):
        character = {"pipe": "|", "semicolon": ";", "\\t": "\t"}.get(name, name)
        assert translate(write(PAIRS, (), character), delimiter=name) == PAIRS
    with pytest.raises(DataError, match=r"comma and semicolon part its rows alike\n.*delimiter="):
        translate(write([("a;b", "c"), ("d;e", "f")]))
    for wrong in ("ab", "", '"', 3):
        with pytest.raises(OptionError, match="delimiter is"):
            TableOptions.of(delimiter=wrong)


def test_cells_of_any_length(write):
    rows = [("word " * 60_000, "a"), ("b", "b")]
    limit = csv.field_size_limit()
    assert classify(write(rows, ("text", "label"))) == rows
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na,b\n".encode("utf-16"), "is UTF-16.*\n.*iconv -f utf-16 "),
        ("text,label\na,b\n".encode("utf-16-le"), "NUL bytes"),
        (b"\x1f\x8b\x08\x00", r"compressed by gzip.*\n.*\.gz"),
        (b"PAR1abc", "a Parquet file.*\n.*read_parquet"),
    ],
)
def test_files_of_another_kind_have_a_hint(tmp_path, content, message):
    for name in ("x.csv", "x.tsv", "x.txt", "x.jsonl"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_pairs(tmp_path / name)


def test_archives_have_a_hint(tmp_path):
    for inside, message in (("xl/workbook.xml", "an Excel workbook.*\n.*CSV"),
                            ("[Content_Types].xml", "an Excel workbook"),
                            ("mine.csv", "a zip archive.*\n.*unzip")):  # fmt: skip
        with zipfile.ZipFile(tmp_path / "x.csv", "w") as archive:
            archive.writestr(inside, "a,b\n")
        with pytest.raises(DataError, match=message):
            read_pairs(tmp_path / "x.csv")


def test_an_archive_is_told_whatever_its_time(tmp_path):
    """20 seconds past a minute that 8 divides have a line feed in the archive's head."""
    for minute, second in ((40, 20), (41, 20), (40, 22)):
        inside = zipfile.ZipInfo("xl/workbook.xml", (2026, 11, 29, 21, minute, second))
        with zipfile.ZipFile(tmp_path / "x.csv", "w") as archive:
            archive.writestr(inside, "a,b\n")
        with pytest.raises(DataError, match="an Excel workbook"):
            read_pairs(tmp_path / "x.csv")


# The line


def test_one_line_says_what_was_taken(write):
    said: list[str] = []

    def read(data, targets=None, **table):
        options = TableOptions(**vars(TableOptions.of(**table)) | {"say": said.append})
        task_class("classify").read(IMDB, data, targets, fresh=True, table=options)
        return said.pop()

    counts = "(ham 3, spam 2)"
    assert read(write(LABELLED, ("message", "label"))) == (
        f"mine.csv: 5 rows; text: 'message', label {counts}"
    )
    assert read(write(turned(LABELLED), (), ";")) == (
        f"mine.csv: 5 rows, parted by semicolon; text: column 2, label: column 1 {counts}"
    )
    assert read(TEXTS, LABELS) == f"the lists: 5 rows; text, label {counts}"
    many = [f"label {i % 14}" for i in range(100)]
    assert read(["a b c d"] * 100, many).endswith("and 2 more labels)")
    assert said == []
