"""The picture of an experiment along an axis: a metric over a number, such as labels seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def draw(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    out: Path,
    *,
    across: str,
    up: str,
    title: str,
) -> Path:
    """Draw one line for each series of (x, y), x on a logarithmic axis; return the path."""
    from matplotlib.figure import Figure

    from zoo import files

    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name, points in lines.items():
        drawn = sorted(points)
        axes.plot(*zip(*drawn, strict=True), marker="o", markersize=4, label=name)
        for x, y in drawn:
            axes.annotate(f"{y:.1f}", (x, y), textcoords="offset points", xytext=(4, 5), fontsize=8)
    ticks = sorted({x for points in lines.values() for x, _ in points})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.margins(x=0.08, y=0.1)  # room for the numbers
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.suptitle(title, fontsize=10)
    with files.replacing(out) as aside:
        figure.savefig(aside, dpi=150)
    return out
