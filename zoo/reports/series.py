"""Line charts, such as an experiment's metric over a number of its recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

SIZE = (7.0, 4.2)  # inches
RESOLUTION = 150  # dots per inch
Points = Sequence[tuple[float, float]]


def draw(
    lines: Mapping[str, Points],
    out: Path,
    *,
    across: str,
    up: str,
    title: str,
    scale: str = "log",
    names: Mapping[tuple[float, float], str] | None = None,
) -> Path:
    """Draw one line for each series of (x, y); return the path.

    Args:
        scale: "log" or "linear", of the axis of x.
        names: names of points, written at them.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    plot(axes, {name: sorted(points) for name, points in lines.items()}, across, up)
    for x, y in (point for points in lines.values() for point in points):
        text = axes.annotate(
            f"{(names or {}).get((x, y), '')} {y:.1f}".strip(), (x, y),
            textcoords="offset points", xytext=(4, 5), fontsize=8,
        )  # fmt: skip
        plain(text)
    ticks = sorted({x for points in lines.values() for x, _ in points})
    axes.set_xscale(scale)
    if scale == "log":
        axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        axes.minorticks_off()
    axes.margins(x=0.08, y=0.1)  # room for the numbers
    axes.set_ylim(bottom=0)
    figure.suptitle(title, fontsize=10)
    return save(figure, out)


def plot(axes: Axes, lines: Mapping[str, Points], across: str, up: str, marker: int = 4) -> None:
    """Plot one line for each series of (x, y), with a legend; `marker` is in points."""
    for name, points in lines.items():
        x, y = [x for x, _ in points], [y for _, y in points]
        axes.plot(x, y, marker="o", markersize=marker, label=name)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    plain(*axes.legend(frameon=False).get_texts())


def plain(*texts: Text) -> None:
    """Keep matplotlib from reading the dollar signs of texts as mathematics."""
    for text in texts:
        text.set_parse_math(False)


def save(figure: Figure, path: Path) -> Path:
    """Write a picture whole or not at all, and return its path."""
    with files.replacing(path) as aside:
        figure.savefig(aside, dpi=RESOLUTION)
    return path
