"""The pictures are real ones, of a sensible size, and say what the model said."""

from __future__ import annotations

import copy
import csv
import shutil
import struct
from dataclasses import asdict
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import sacrebleu

from zoo.data.marked import Marked
from zoo.errors import DataError, NotSupported, OptionError
from zoo.reports import figures
from zoo.tasks import metrics
from zoo.tasks.translate import Alignment

SVG = "{http://www.w3.org/2000/svg}"
HISTORY = [
    {"step": "250", "loss": "4.5", "val_loss": "4.0", "seconds": "1"},
    {"step": "500", "loss": "3.5", "val_loss": "3.25", "seconds": "1"},
]


def size(path) -> tuple[int, int]:
    """Return width and height of a PNG, as its header says."""
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content[-8:-4] == b"IEND"
    return struct.unpack(">II", content[16:24])


def labels(axis) -> list[str]:
    return [each.get_text() for each in axis.get_ticklabels()]


def alignment(rows: int, columns: int) -> Alignment:
    matrix = np.random.default_rng(1).random((rows, columns)).astype(np.float32)
    matrix /= matrix.sum(axis=1, keepdims=True)
    return Alignment(matrix, [f"▁s{i}" for i in range(columns)], [f"▁t{i}" for i in range(rows)])


def test_attention_writes_a_picture(tmp_path, tiny_pretrained):
    path = figures.attention(tiny_pretrained, "I am going to work today.", tmp_path / "align.png")
    width, height = size(path)
    assert 400 < width < 4000
    assert 400 < height < 4000


def test_attention_goes_with_a_target(tmp_path, monkeypatch, tiny_pretrained):
    drawn = []
    monkeypatch.setattr(figures, "draw_attention", lambda *given: drawn.append(given))
    monkeypatch.setattr(figures, "_save", lambda figure, path: path)
    figures.attention(tiny_pretrained, "I am cold.", tmp_path / "a.png", "J'ai froid.")
    (shown, title), expected = drawn[0], tiny_pretrained.align("I am cold.", "J'ai froid.")
    assert (shown.source, shown.target) == (expected.source, expected.target)
    assert "".join(shown.target) == "▁J'ai▁froid.</s>"
    assert title.splitlines()[0] == "tiny"


def test_attention_shows_the_matrix_and_its_pieces():
    given = alignment(3, 5)
    figure = figures.draw_attention(given, "model\nsecond line")
    axes, bar = figure.axes
    assert labels(axes.xaxis) == given.source
    assert labels(axes.yaxis) == given.target
    np.testing.assert_array_equal(axes.images[0].get_array(), given.matrix)
    assert axes.images[0].get_clim() == (0.0, 1.0)
    assert "attention" in bar.get_ylabel()
    assert figure.get_suptitle().startswith("model")


def test_a_price_is_no_mathematics(tmp_path):
    given = Alignment(np.ones((1, 1), np.float32), ["▁$5$"], ["5$ \\frac$"])
    figure = figures.draw_attention(given, "$x$")
    figure.savefig(tmp_path / "a.png")  # matplotlib would fail on \frac$
    assert labels(figure.axes[0].xaxis) == ["▁$5$"]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (512, 3), (512, 512)])
def test_any_length_gives_a_picture_that_can_be_opened(rows, columns):
    figure = figures.draw_attention(alignment(rows, columns), "model")
    width, height = figure.get_size_inches()
    assert 3 < width <= figures.LARGEST + 1
    assert 3 < height <= figures.LARGEST
    points = figure.axes[0].get_yticklabels()[0].get_fontsize()
    assert points * rows / 72 <= height  # lines of type do not overlap


def test_curve(tmp_path):
    path = figures.curve(HISTORY, tmp_path / "curve.png", "model")
    assert min(size(path)) > 400
    axes = figures.draw_curve(HISTORY, "model").axes[0]
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines == {
        "loss": [[250, 4.5], [500, 3.5]],
        "val_loss": [[250, 4.0], [500, 3.25]],
    }
    assert axes.get_xlabel() == "updates"
    assert axes.get_title() == "model"


def test_curve_leaves_out_what_was_not_measured():
    rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.5, "validation_loss": 1.75}]
    axes = figures.draw_curve(rows, "").axes[0]
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 1]
    assert axes.get_xlabel() == "epoch"


@pytest.mark.parametrize("history", [[], [{"step": 1, "seconds": 2.0}]])
def test_no_curve(tmp_path, history):
    with pytest.raises(NotSupported, match="no training curve"):
        figures.curve(history, tmp_path / "curve.png")


@pytest.mark.parametrize(("name", "text"), [("a.pngg", "did you mean 'png'"), ("a", "suffix")])
def test_a_wrong_suffix_is_told_before_the_model_runs(tmp_path, name, text):
    with pytest.raises(OptionError, match=text):
        figures.attention(None, "I am cold.", tmp_path / name)


def test_other_formats(tmp_path):
    assert figures.curve(HISTORY, tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert b"<svg" in figures.curve(HISTORY, tmp_path / "a.svg").read_bytes()


def test_no_global_state(tmp_path):
    from matplotlib import pyplot

    figures.curve(HISTORY, tmp_path / "a.png")
    assert pyplot.get_fignums() == []


# BLEU by length


@pytest.fixture
def reader(tiny_pretrained, monkeypatch):
    """Makes models that answer with the references, changed if asked for; counts measurements."""
    answers = {}

    def add(change=lambda text: text):
        model = copy.copy(tiny_pretrained)
        model.task = copy.copy(tiny_pretrained.task)
        model.task.translate_rows = lambda texts, **_: [change(answers[text]) for text in texts]
        return model

    monkeypatch.setattr(metrics, "translation", counted := Counted(metrics.translation))
    return SimpleNamespace(add=add, answers=answers, counted=counted)


class Counted:
    """A function that remembers what it was called with."""

    def __init__(self, function):
        self.function, self.calls = function, []

    def __call__(self, *given):
        self.calls.append(given)
        return self.function(*given)


# Sources of 2 to 10 words; targets are longer, so that a word less leaves some BLEU.
LONG = [
    (" ".join(["word"] * n + [str(i)]), " ".join(f"mot{(i + each) % 9}" for each in range(n + 6)))
    for i, n in enumerate([1, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 9])
]


def forget(text: str) -> str:
    """Return a text without its second word from the end: no perfect translation."""
    parts = text.split()
    return " ".join([*parts[:-2], parts[-1]])


@pytest.mark.parametrize("bins", [1, 2, 3, 4, 7])
def test_bins_are_the_quantiles_of_numpy(bins):
    lengths = np.random.default_rng(0).integers(1, 60, size=500)
    which = figures.quantile_bins(lengths, bins)
    edges = [-np.inf, *np.quantile(lengths, [i / bins for i in range(1, bins)]), np.inf]
    assert which.shape == lengths.shape
    for place, length in zip(which, lengths, strict=True):
        assert edges[place] < length <= edges[place + 1]
    assert sorted(set(which)) == list(range(bins))


def test_equal_lengths_fall_together():
    which = figures.quantile_bins(np.array([3, 3, 3, 3, 3, 8, 9, 1]), 2)
    assert which.tolist() == [0, 0, 0, 0, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("lengths", "bins", "error", "text"),
    [
        ([1, 2, 3], 4, DataError, "3 sentences do not fill 4 bins"),
        ([5] * 9, 2, DataError, r"\(5 to 5 words\) are too much alike for 2 bins"),
        ([1, 2], 0, OptionError, "bins is 0"),
    ],
)
def test_bins_that_cannot_be(lengths, bins, error, text):
    with pytest.raises(error, match=text):
        figures.quantile_bins(np.array(lengths), bins)


def test_each_bin_has_the_bleu_of_its_sentences(reader):
    pairs = [*LONG, (LONG[3][0], "une autre phrase"), (LONG[7][0], "encore une autre")]
    reader.answers.update(LONG)
    rows = figures.length_bins({"all": reader.add(), "less": reader.add(forget)}, pairs)
    assert [row.model for row in rows] == ["all"] * 4 + ["less"] * 4
    sources = list(dict.fromkeys(source for source, _ in pairs))
    lengths = np.array([len(source.split()) for source in sources])
    edges = [0, *np.quantile(lengths, [0.25, 0.5, 0.75]), 100]
    for row, low, high in zip(rows[4:], edges[:-1], edges[1:], strict=True):
        inside = [s for s, n in zip(sources, lengths, strict=True) if low < n <= high]
        references = [[target for other, target in pairs if other == s] for s in inside]
        streams = [[each[i] if i < len(each) else None for each in references] for i in (0, 1)]
        outputs = [forget(reader.answers[s]) for s in inside]
        expected = sacrebleu.corpus_bleu(outputs, streams).score
        held = [len(s.split()) for s in inside]
        assert row.bleu == pytest.approx(expected, abs=1e-4)
        assert (row.shortest, row.longest) == (min(held), max(held))
        assert row.mean_length == pytest.approx(np.mean(held), abs=0.005)
        assert row.sentences == len(inside)
    assert {round(row.bleu) for row in rows[:4]} == {100}
    assert all(0 < row.bleu < 100 for row in rows[4:])


def test_every_sentence_is_in_one_bin(reader):
    reader.answers.update(LONG)
    rows = figures.length_bins({"all": reader.add()}, LONG, bins=3)
    measured = [output for outputs, _, _ in reader.counted.calls for output in outputs]
    assert {language for *_, language in reader.counted.calls} == {"fr"}
    assert sorted(measured) == sorted(reader.answers.values())
    assert sum(row.sentences for row in rows) == len(LONG)


def test_length_writes_a_picture_and_its_table(tmp_path, reader):
    reader.answers.update(LONG)
    models = {"all": reader.add(), "less": reader.add(forget)}
    path = figures.length(models, iter(LONG), tmp_path / "length.png", bins=2)
    assert min(size(path)) > 400
    assert sorted(each.name for each in tmp_path.iterdir()) == ["length.csv", "length.png"]
    with (tmp_path / "length.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    expected = figures.length_bins(models, LONG, bins=2)
    assert read == [{key: str(value) for key, value in asdict(row).items()} for row in expected]
    assert list(read[0]) == ["model", "shortest", "longest", "mean_length", "sentences", "bleu"]
    figures.length(models, LONG, tmp_path / "length.png", bins=3)  # a table of ours is replaced
    assert len((tmp_path / "length.csv").read_text("utf-8").splitlines()) == 7


def test_length_has_a_line_for_each_model():
    rows = [
        figures.LengthBin(model, low, low + 2, low + 1.25, 5, bleu)
        for model, values in (("$a$", (30.0, 20.0)), ("b", (10.0, 5.0)))
        for low, bleu in zip((2, 6), values, strict=True)
    ]
    axes = figures.draw_length(rows, "title").axes[0]
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines == {"$a$": [[3.25, 30], [7.25, 20]], "b": [[3.25, 10], [7.25, 5]]}
    assert [each.get_text() for each in axes.get_legend().get_texts()] == ["$a$", "b"]
    assert labels(axes.xaxis) == ["3.2\n(2 to 4)", "7.2\n(6 to 8)"]
    assert "length in words" in axes.get_xlabel()
    assert axes.get_ylabel() == "BLEU"


def test_length_passes_its_options_on(reader, tiny_pretrained):
    model, given = copy.copy(tiny_pretrained), {}
    model.task = copy.copy(tiny_pretrained.task)
    model.task.translate_rows = lambda texts, **options: given.update(options) or texts
    options = {"beam_size": 3, "length_penalty": 0.5, "batch_size": 2}
    figures.length_bins({"a": model}, LONG, bins=1, **options)
    assert given == options


def test_length_compares_only_what_can_be_compared(tmp_path, tiny_pretrained, corpora_folder):
    with pytest.raises(OptionError, match="there is no model"):
        figures.length({}, LONG, tmp_path / "a.png")
    other = copy.copy(tiny_pretrained)
    other.recipe = tiny_pretrained.recipe.changed({"data.source": "de", "data.target": "en"})
    with pytest.raises(OptionError, match="a translates en to fr, b translates de to en"):
        figures.length({"a": tiny_pretrained, "b": other}, LONG, tmp_path / "a.png")
    other.recipe = tiny_pretrained.recipe.model_copy(update={"task": "classify"})
    with pytest.raises(NotSupported, match="b does not translate, its task is classify"):
        figures.length({"a": tiny_pretrained, "b": other}, LONG, tmp_path / "a.png")
    other.recipe = tiny_pretrained.recipe
    other.examples = lambda data, split: ({}, [("Go.", ["Va !"])])
    with pytest.raises(DataError, match="a and b would be measured on different sentences"):
        figures.length({"a": tiny_pretrained, "b": other}, LONG, tmp_path / "a.png")
    german = tmp_path / "german"
    german.mkdir()
    for name in ("test_2016_flickr.de", "test_2016_flickr.en"):
        shutil.copyfile(corpora_folder / "multi30k" / name, german / name)
    with pytest.raises(DataError, match="has no split 'test'"):
        figures.length({"a": tiny_pretrained}, german, tmp_path / "a.png")
    assert not [*tmp_path.glob("a.*")]


def test_length_overwrites_no_other_table(tmp_path, tiny_pretrained):
    mine = tmp_path / "length.csv"
    mine.write_text("source,target\nGo.,Va !\n", encoding="utf-8")
    with pytest.raises(OptionError, match="is no table of lengths"):
        figures.length({"a": tiny_pretrained}, mine, tmp_path / "length.png")
    with pytest.raises(OptionError, match="there is no folder"):
        figures.length({"a": tiny_pretrained}, mine, tmp_path / "none" / "length.png")
    assert mine.read_text("utf-8").startswith("source")
    assert [*tmp_path.iterdir()] == [mine]


def test_a_picture_is_whole_or_not_there(tmp_path, monkeypatch):
    def fail(self, path, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(OSError, match="No space"):
        figures.curve(HISTORY, tmp_path / "a.png")
    assert not [*tmp_path.iterdir()]


# Several runs


def test_comparison_shows_histories_and_bars(tmp_path):
    histories = {"with": HISTORY, "without": [HISTORY[1]]}
    bars = {
        "BLEU": {"with": (30.0, 30.6), "without": (28.0, None)},
        "perplexity": {"with": (5.0, None), "without": (6.0, None)},
    }
    figure = figures.draw_comparison(histories, bars, "title")
    axes, bleu, perplexity = figure.axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines == {"with": [[250, 4.0], [500, 3.25]], "without": [[500, 3.25]]}
    assert [bar.get_height() for bar in bleu.patches] == [30.0, 30.6, 28.0]
    assert [bar.get_alpha() for bar in bleu.patches] == [None, 0.35, None]
    assert [bar.get_height() for bar in perplexity.patches] == [5.0, 6.0]
    assert {text.get_text() for text in bleu.texts} == {"30.00", "30.6", "28.00"}
    assert (bleu.get_title(), labels(bleu.xaxis)) == ("BLEU", ["with", "without"])
    assert min(size(figures.comparison(histories, bars, tmp_path / "a.png"))) > 400


@pytest.mark.parametrize("histories", [{}, {"alone": HISTORY}])
def test_what_is_only_measured_has_bars_and_no_curve(histories):
    bars = {"perplexity": {"alone": (5.0, None), "both": (4.0, None)}}
    *curves, panel = figures.draw_comparison(histories, bars, "title").axes
    assert len(curves) == len(histories)
    assert [bar.get_height() for bar in panel.patches] == [5.0, 4.0]
    one, other = (bar.get_facecolor() for bar in panel.patches)
    assert one != other


NAMES = "Angela Merkel met Emmanuel Macron in Paris."


def test_marks_are_drawn_as_a_terminal_shows_them(tmp_path):
    found = [
        {"label": "PER", "text": "Angela Merkel", "start": 0, "end": 13, "score": 0.9},
        {"label": "LOC", "text": "Paris", "start": 37, "end": 42, "score": 0.8},
    ]
    made = SimpleNamespace(
        predict=lambda texts: [Marked(text, [], found) for text in texts],
        recipe=SimpleNamespace(name="a tagger", task="tag"),
    )
    path = figures.marked(made, NAMES, tmp_path / "names.svg")
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    # Blanks do not break, so that they stay.
    shown = ["".join(each.itertext()).replace("\u00a0", " ") for each in root.iter(f"{SVG}text")]
    assert "a tagger" in shown[0].replace("&#160;", " ")
    assert shown[1:6] == ["Angela Merkel", " PER", " met Emmanuel Macron in ", "Paris", " LOC"]
    kinds = [each.get("class") for each in root.iter(f"{SVG}text")]
    assert len({kinds[1], kinds[2], kinds[4], kinds[5]}) == 4  # a colour each, labels dimmed
    assert "http" not in path.read_text(encoding="utf-8").replace("http://www.w3.org", "").replace(
        "https://www.textualize.io", ""
    )
    assert list(tmp_path.iterdir()) == [path]


def test_marks_that_cannot_be_drawn(tmp_path, tiny_pretrained):
    with pytest.raises(OptionError, match=r"these pictures are \.svg"):
        figures.marked(tiny_pretrained, NAMES, tmp_path / "names.png")
    with pytest.raises(OptionError, match="there is no folder"):
        figures.marked(tiny_pretrained, NAMES, tmp_path / "none" / "names.svg")
    with pytest.raises(NotSupported, match="the task 'translate' marks nothing"):
        figures.marked(tiny_pretrained, "I am cold.", tmp_path / "names.svg")
    assert not list(tmp_path.iterdir())
