"""The pictures: where a model looked, how its training went. Drawn without a display."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import NotSupported, OptionError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from zoo.pretrained import Pretrained
    from zoo.tasks.translate import Alignment

# Inches for each piece, and for what stands around the matrix; pictures end at LARGEST inches.
CELL, AROUND, LARGEST = 0.36, 1.9, 40.0
RESOLUTION = 150  # dots per inch


def attention(
    pretrained: Pretrained,
    text: str,
    out: str | os.PathLike[str] = "attention.png",
    target: str | None = None,
) -> Path:
    """Draw which source pieces the last decoder layer looked at; return the picture's path.

    Args:
        text: the source.
        out: the picture; its suffix says in which format.
        target: what to align the text with; None is the model's own output.

    Raises:
        NotSupported: the model has no attention.
        OptionError: the suffix is no format that can be drawn.
    """
    path = _picture(out)
    alignment = pretrained.align(text, target)
    title = f"{pretrained.recipe.name}\nattention of the last decoder layer, mean over heads"
    return _save(draw_attention(alignment, title), path)


def curve(
    history: Sequence[Mapping[str, Any]],
    out: str | os.PathLike[str] = "curve.png",
    title: str = "",
) -> Path:
    """Draw a training curve; return the picture's path.

    Args:
        history: rows of history.csv, as in `Pretrained.history`: each "step" with its losses.
        out: the picture; its suffix says in which format.

    Raises:
        NotSupported: the history has no losses.
        OptionError: the suffix is no format that can be drawn.
    """
    return _save(draw_curve(history, title), _picture(out))


def draw_attention(alignment: Alignment, title: str) -> Figure:
    """Return a heat map, sources from left to right, targets from top to bottom."""
    from matplotlib.figure import Figure

    rows, columns = alignment.matrix.shape
    size = [min(CELL * max(count, 6) + AROUND, LARGEST) for count in (columns, rows)]
    figure = Figure(figsize=(size[0] + 1.0, size[1]), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(alignment.matrix, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    # Below LARGEST every piece has CELL inches, enough for type of 10 points.
    points = 10 * min(1.0, (LARGEST - AROUND) / (CELL * max(rows, columns)))
    axes.set_xticks(range(columns), alignment.source, rotation=90, fontsize=points)
    axes.set_yticks(range(rows), alignment.target, fontsize=points)
    axes.set_xlabel("source pieces")
    axes.set_ylabel("target pieces")
    axes.xaxis.set_label_position("top")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    _plain(*axes.get_xticklabels(), *axes.get_yticklabels())
    figure.colorbar(image, ax=axes, label="attention, each row sums to 1")
    _plain(figure.suptitle(title, fontsize=10))
    return figure


def draw_curve(history: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Return the losses of a history over its steps, one line for each."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for row in history for name in row))
    losses = [name for name in names if "loss" in name]
    if not losses:
        raise NotSupported(
            "there is no training curve: the history holds no loss",
            "a bundle that `zoo train` or `finetune` wrote has one in history.csv",
        )
    across = next((name for name in ("step", "epoch") if name in names), None)
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name in losses:
        # The values of a history that was read from a file are text.
        points = [
            (float(row[across]) if across else i, float(row[name]))
            for i, row in enumerate(history, start=1)
            if row.get(name) not in (None, "")
        ]
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    axes.set_xlabel("updates" if across == "step" else across or "row")
    axes.set_ylabel("loss, nats per target piece")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _plain(axes.set_title(title, fontsize=10))
    return figure


def _plain(*texts: Text) -> None:
    """Keep dollar signs of a text from being read as mathematics."""
    for text in texts:
        text.set_parse_math(False)


def _picture(out: str | os.PathLike[str]) -> Path:
    """Return the path of a picture, after a look at its suffix; that costs less than a model."""
    from matplotlib.backend_bases import FigureCanvasBase

    path = Path(out).expanduser()
    formats = FigureCanvasBase.get_supported_filetypes()
    kind = path.suffix.lower().removeprefix(".")
    if kind not in formats:
        problem = f"of the kind '{path.suffix}'" if kind else "without a suffix"
        raise OptionError(f"{path}: no picture {problem} can be drawn", did_you_mean(kind, formats))
    return path


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=RESOLUTION)
    return path
