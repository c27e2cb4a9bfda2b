"""Files of texts line by line: what a line is, what is skipped, one line of output for each."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import sys
import warnings
from types import SimpleNamespace

import pytest
import typer

from zoo.cli import lines, main
from zoo.cli.lines import Format, Line, OnError, open_lines, written
from zoo.errors import DataError, InputError, OptionError, ZooWarning


class Model:
    """A model that shouts, and refuses texts with a question mark, as a real one names them."""

    def __init__(self, task: str = "translate") -> None:
        self.recipe = SimpleNamespace(task=task)
        self.calls: list[list] = []

    def predict(self, inputs, **options):
        self.calls.append(list(inputs))
        if options.get("beam_size") == 0:
            raise OptionError("beam_size is 0", "beam_size is at least 1")
        for number, given in enumerate(inputs, start=1):
            name = "the text" if len(inputs) == 1 else f"text {number}"
            if "?" in given:
                raise InputError(f"{name} asks", "say it")
            if "!" in given:
                warnings.warn(f"{name} is loud", ZooWarning, stacklevel=2)
        return [" ".join(given).upper() if isinstance(given, tuple) else given.upper()
                for given in inputs]  # fmt: skip


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """A function: predict the lines of a file; returns exit code, output, messages."""

    def predict(content: bytes, model=None, stdin=False, name="mine.txt", **options):
        monkeypatch.setattr(main, "_load", lambda name, dtype: model or Model())
        path = tmp_path / name
        path.write_bytes(content)
        if stdin:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        code = 0
        try:
            main.predict("any", file=None if stdin else path, **options)
        except typer.Exit as done:
            code = done.exit_code
        return code, *capsys.readouterr()

    return predict


@pytest.mark.parametrize("stdin", [False, True])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\nb\n", "A\nB\n"),
        (b"a\r\nb", "A\nB\n"),
        (b"\xef\xbb\xbfa\nb\n", "A\nB\n"),
        (b"a\n\n \t\nb\n", "A\n\n\nB\n"),
        (b"\n", "\n"),
        ("a\x0bb\x0cc\x1cd\x85e\u2028f\n".encode(), "A\x0bB\x0cC\x1cD\x85E\u2028F\n"),
        (b"a\rb\n", "A\\rB\n"),
    ],
)
def test_a_line_is_the_same_in_a_file_and_in_a_pipe(run, stdin, content, expected):
    assert run(content, stdin=stdin) == (0, expected, "")


def test_a_compressed_file_has_lines_too(run):
    assert run(gzip.compress(b"a\n\nb"), name="mine.txt.gz") == (0, "A\n\nB\n", "")


@pytest.mark.parametrize("stdin", [False, True])
def test_what_is_no_text_at_all_is_told_before_the_model_loads(run, monkeypatch, stdin):
    monkeypatch.setattr(lines, "PART", 2)
    for content, message in ((b"", "no rows"), ("a\n".encode("utf-16"), "is UTF-16"),
                             (b"PK\x03\x04", "zip archive")):  # fmt: skip
        with pytest.raises(DataError, match=message):
            run(content, model=3, stdin=stdin)


@pytest.mark.parametrize(
    ("line", "message"),
    [(b"b\xff", r"^mine\.txt:5 is not UTF-8"), (b"what?", r"^mine\.txt:5: the text asks\n.*skip")],
)
def test_a_line_that_cannot_be_read_stops_after_all_before_it(run, capsys, line, message):
    with pytest.raises(DataError, match=message):
        run(b"\n".join([b"a", b"", b"b", b"c", line, b"d", b"e"]))
    assert capsys.readouterr().out == "A\n\nB\nC\n"


def test_lines_that_cannot_be_read_are_skipped(run):
    content = b"a\nb\xff\n\nwhat?\nc!\nwho?"
    with pytest.warns(ZooWarning, match="^line 5: the text is loud$"):
        code, out, err = run(content, on_error=OnError.skip)
    assert (code, out) == (1, "A\n\n\n\nC!\n\n")
    assert err.splitlines() == [
        "warning: 3 of 6 lines skipped, without an output",
        "  mine.txt:2 is not UTF-8 (byte 0xff)",
        "  mine.txt:4: the text asks",
        "  mine.txt:6: the text asks",
    ]
    with pytest.warns(ZooWarning):
        code, out, _ = run(content, on_error=OnError.skip, form=Format.jsonl)
    assert code == 1
    assert [json.loads(line) for line in out.splitlines()] == ["A", None, None, None, "C!", None]
    many = b"what?\n" * 30 + b"a\n"
    code, out, err = run(many, on_error=OnError.skip)
    assert out == "\n" * 30 + "A\n"
    assert err.splitlines()[0] == "warning: 30 of 31 lines skipped, without an output"
    assert err.splitlines()[-1] == "  and 20 more"


def test_warnings_name_lines_of_the_file(run, monkeypatch):
    monkeypatch.setattr(lines, "PART", 3)
    with pytest.warns(ZooWarning, match="^line 6 is loud$"):
        assert run(b"a\nb\n\nc\n\nd!\n")[1] == "A\nB\n\nC\n\nD!\n"


def test_outputs_appear_part_by_part(monkeypatch, capsys):
    """Also of a file without an end: three parts of it are asked for here."""
    monkeypatch.setattr(lines, "PART", 2)
    parts = []

    def answer(inputs, part):
        parts.append((part, inputs, capsys.readouterr().out))
        if part == 2:
            raise KeyboardInterrupt
        return inputs

    endless = lines.Lines("mine", (f"{i}\n".encode() for i in itertools.count()))
    with pytest.raises(KeyboardInterrupt):
        lines.answer_all(endless, "translate", answer, Format.text, OnError.stop)
    assert parts == [(0, ["0", "1"], ""), (1, ["2", "3"], "0\n1\n"), (2, ["4", "5"], "2\n3\n")]


def test_good_lines_go_through_the_model_together(run):
    model = Model()
    run(b"a\n" * 100 + b"what?\n" + b"b\n" * 100, model, on_error=OnError.skip)
    assert len(model.calls) < 20


def test_tabs_part_the_texts_of_a_line(run):
    model = Model("entail")
    code, out, err = run(b"a\tb\na\n\nc\td\n", model, on_error=OnError.skip)
    assert (code, out) == (1, "A B\n\n\nC D\n")
    assert "mine.txt:2: 1 column, expected two texts" in err
    with pytest.raises(DataError, match=r"mine\.txt:2: 1 column"):
        run(b"a\tb\na\n", Model("entail"))


def test_a_wrong_option_is_no_fault_of_a_line(run):
    for on_error in OnError:
        with pytest.raises(OptionError, match=r"^beam_size is 0"):
            run(b"a\nb\n", beam_size=0, on_error=on_error)


def test_each_part_draws_by_its_own_seed(run, monkeypatch):
    monkeypatch.setattr(lines, "PART", 1)
    seeds = []
    model = Model()
    model.predict = lambda inputs, **options: seeds.append(options["seed"]) or inputs
    run(b"a\nb\nc\n", model, seed=7)
    run(b"a\n", model)
    assert seeds == [7, 8, 9, None]


@pytest.mark.parametrize(
    ("output", "text", "as_json"),
    [
        ("a", "a", '"a"'),
        ("a\nb\r\nc\rd\te", "a\\nb\\nc\\rd\te", '"a\\nb\\r\\nc\\rd\\te"'),
        (["é", "a\tb\nc"], "é\ta\\tb\\nc", '["é", "a\\tb\\nc"]'),
        (2.5, "2.5", "2.5"),
        ({"a": 0.5}, '{"a": 0.5}', '{"a": 0.5}'),
        (None, "", "null"),
    ],
)
def test_an_output_is_one_line(output, text, as_json):
    assert written(output, Format.text) == text
    assert written(output, Format.jsonl) == as_json
    assert json.loads(as_json) == output


def test_inputs_are_lazy(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes(b"a\nb\n")
    assert list(open_lines(path).inputs("translate")) == [Line(1, "a"), Line(2, "b")]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("text 2 has a character", "line 5 has a character"),
        ("texts 1, 3 (of 4) have characters", "lines 2, 9 have characters"),
        ("pairs 1, 2 and 7 more (of 4) have", "lines 2, 5 and 7 more have"),
        ("texts 1, 9 (of 4) have", "texts 1, 9 (of 4) have"),
    ],
)
def test_a_warning_of_inputs_names_their_lines(message, expected):
    places = [lines.Line(number) for number in (2, 5, 9, 10)]
    assert lines._numbered(message, places) == expected
