"""The pictures are real ones, of a sensible size, and say what the model said."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from zoo import figures
from zoo.errors import NotSupported, OptionError
from zoo.tasks.translate import Alignment

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
