"""Line charts, such as an experiment's metric over a number of its recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import files
from zoo.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

SIZE = (7.0, 4.2)  # inches
RESOLUTION = 150  # dots per inch
CLOSE = 0.8  # the least share of the highest y that points lie close together with
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
    digits: int = 1,
) -> Path:
    """Draw one line for each series of (x, y); return the path.

    The axis of y begins at 0, unless all points lie so close together that they would be one line.

    Args:
        scale: "log" or "linear", of the axis of x where points have no names.
        names: names of points, written at them; every x then has the same room.
        digits: of y after the point, at the points.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    ticks = sorted({x for points in lines.values() for x, _ in points})
    place = {x: ticks.index(x) if names else x for x in ticks}
    placed = {name: sorted((place[x], y) for x, y in points) for name, points in lines.items()}
    plot(axes, placed, across, up)
    for x, y in (point for points in lines.values() for point in points):
        named = {"ha": "center", "xytext": (0, 6)} if names else {"xytext": (4, 5)}
        text = axes.annotate(
            f"{(names or {}).get((x, y), '')}\n{y:.{digits}f}".strip(), (place[x], y),
            textcoords="offset points", fontsize=8, **named,
        )  # fmt: skip
        plain(text)
    if names:
        axes.set_xticks(list(place.values()), [f"{tick:.0f}" for tick in ticks])
    else:
        axes.set_xscale(scale)
        if scale == "log":
            axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
            axes.minorticks_off()
    axes.margins(x=0.1, y=0.15 if names else 0.1)  # room for the numbers
    heights = [y for points in lines.values() for _, y in points]
    if min(heights) < CLOSE * max(heights):
        axes.set_ylim(bottom=0, top=1.15 * max(heights) if names else None)
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


def check_folder(path: Path) -> None:
    """Raise OptionError unless the folder of a picture is there."""
    if not path.parent.is_dir():
        raise OptionError(f"{path}: there is no folder {path.parent}", "make it first")


def save(figure: Figure, path: Path) -> Path:
    """Write a picture whole or not at all, and return its path."""
    with files.replacing(path) as aside:
        figure.savefig(aside, dpi=RESOLUTION)
    return path
