"""The pictures: where a model looked, how its training went, how good it is on long sentences.

Drawn without a display, and written whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import files
from zoo.errors import DataError, NotSupported, OptionError, did_you_mean

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
    """Draw which source pieces the decoder looked at; return the picture's path.

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
    title = f"{pretrained.recipe.name}\nattention of each target piece over the source"
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


@dataclass(frozen=True)
class LengthBin:
    """How well a model translates the sources of one range of lengths, which are in words.

    `bleu` is sacreBLEU's corpus BLEU of the bin's sentences with all of their references.
    """

    model: str
    shortest: int
    longest: int
    mean_length: float
    sentences: int
    bleu: float


def length(
    models: Mapping[str, Pretrained],
    data: Any = None,
    out: str | os.PathLike[str] = "length.png",
    *,
    split: str | None = None,
    bins: int = 4,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    batch_size: int | None = None,
) -> Path:
    """Draw BLEU by source length for several models (bahdanau2015, Figure 2); return the path.

    The rows of `length_bins` are written beside the picture, with the suffix .csv.

    Args:
        models: trained models by the names that the legend shows.
        data: what to measure them on, as for `Pretrained.evaluate`.
        out: the picture; its suffix says in which format.
        split, bins, beam_size, length_penalty, batch_size: as for `length_bins`.

    Raises:
        OptionError: the suffix is no format that can be drawn, or something else lies at the .csv.
        NotSupported, OptionError, DataError: see `length_bins`.
    """
    path = _picture(out)
    table = path.with_suffix(".csv")
    header = ",".join(field.name for field in fields(LengthBin))
    if table.exists() and table.read_bytes()[: len(header)] != header.encode():
        raise OptionError(f"{table} exists and is no table of lengths", "name another picture")
    rows = length_bins(
        models,
        data,
        split=split,
        bins=bins,
        beam_size=beam_size,
        length_penalty=length_penalty,
        batch_size=batch_size,
    )
    recipe = next(iter(models.values())).recipe.data
    title = f"{recipe.source} to {recipe.target}: BLEU by source length"
    _save(draw_length(rows, title), path)
    files.write_csv(table, [asdict(row) for row in rows])
    return path


def length_bins(
    models: Mapping[str, Pretrained],
    data: Any = None,
    *,
    split: str | None = None,
    bins: int = 4,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    batch_size: int | None = None,
) -> list[LengthBin]:
    """Return BLEU by source length: for each model a row for each bin, the shortest first.

    A length is in words, the parts between white space: models with different tokenizers share
    the bins.

    Args:
        models: trained models by name.
        data: as for `Pretrained.evaluate`; all models must read the same sentences from it.
        split: of a corpus, the recipe's `evaluate.split` if None.
        bins: how many, see `quantile_bins`; 4 are quarters.
        beam_size, length_penalty, batch_size: as for `Pretrained.predict`.

    Raises:
        NotSupported: a model does not translate.
        OptionError: no model, models of different languages, or a wrong option.
        DataError: the sentences cannot be read, differ between the models or are too few.
    """
    _check_comparable(models)
    names = list(models)
    data = list(data) if isinstance(data, Iterator) else data  # each model reads it
    read = {name: model.examples(data, split=split)[1] for name, model in models.items()}
    examples = read[names[0]]
    other = next((name for name in names if read[name] != examples), None)
    if other is not None:
        raise DataError(
            f"{names[0]} and {other} would be measured on different sentences",
            "give one file of pairs, or the folder of one corpus, for all",
        )
    sources = [source for source, _ in examples]
    lengths = np.array([len(source.split()) for source in sources])
    which = quantile_bins(lengths, bins)
    from zoo.tasks import metrics

    rows = []
    for name, model in models.items():
        outputs = model.predict(
            sources, beam_size=beam_size, length_penalty=length_penalty, batch_size=batch_size
        )
        for chosen in (np.flatnonzero(which == each) for each in range(bins)):
            held = lengths[chosen]
            measured = metrics.translation(
                [outputs[i] for i in chosen], [examples[i][1] for i in chosen]
            )
            shortest, longest, mean = int(held.min()), int(held.max()), round(float(held.mean()), 2)
            rows.append(
                LengthBin(name, shortest, longest, mean, len(chosen), float(measured["bleu"]))
            )
    return rows


def quantile_bins(lengths: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each length, an int of [0, bins) for each: [sentences].

    The edges are the quantiles 1/bins, 2/bins, ...; a length on an edge falls below it, so equal
    lengths fall together and bins may differ in size.

    Raises:
        OptionError: bins is less than 1.
        DataError: there are too few lengths, or too few different ones.
    """
    if bins < 1:
        raise OptionError(f"bins is {bins}", "bins is at least 1")
    fewer = f"give more sentences, or fewer than {bins} bins"
    if len(lengths) < bins:
        raise DataError(f"{len(lengths)} sentences do not fill {bins} bins", fewer)
    edges = np.quantile(lengths, np.arange(1, bins) / bins)
    which = np.searchsorted(edges, lengths, side="left")
    if len(set(which.tolist())) < bins:
        raise DataError(
            f"the sentences' lengths ({lengths.min()} to {lengths.max()} words) are too much "
            f"alike for {bins} bins",
            fewer,
        )
    return which


def _check_comparable(models: Mapping[str, Pretrained]) -> None:
    """Raise unless all models translate, and from and into the same languages."""
    if not models:
        raise OptionError("there is no model to draw", "give at least one")
    pairs: dict[str, tuple[str, str]] = {}
    for name, model in models.items():
        if model.recipe.evaluate.metric != "bleu":
            raise NotSupported(
                f"{name} does not translate, its task is {model.recipe.task}",
                "leave it out: BLEU by length is of translations",
            )
        pairs[name] = (model.recipe.data.source, model.recipe.data.target)
    first, *others = pairs
    for name in others:
        if pairs[name] != pairs[first]:
            shown = (f"{each} translates {' to '.join(pairs[each])}" for each in (first, name))
            raise OptionError(
                ", ".join(shown), "compare models of the same two languages, as in NAME.TAG"
            )


def comparison(
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    bars: Mapping[str, Mapping[str, tuple[float, float | None]]],
    out: str | os.PathLike[str] = "comparison.png",
    title: str = "",
) -> Path:
    """Draw several runs beside each other; return the picture's path.

    Args:
        histories: the rows of history.csv of each run, by its name.
        bars: for each metric, what it is for each run, and what a paper reports for it, if it does.

    Raises:
        OptionError: the suffix is no format that can be drawn.
    """
    path = _picture(out)
    return _save(draw_comparison(histories, bars, title), path)


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
        axes.plot(*_points(history, name, across), marker="o", markersize=3, label=name)
    axes.set_xlabel("updates" if across == "step" else across or "row")
    axes.set_ylabel("loss, nats")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _plain(axes.set_title(title, fontsize=10))
    return figure


def draw_length(rows: Sequence[LengthBin], title: str) -> Figure:
    """Return BLEU over the mean length of each bin, one line for each model."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    names = list(dict.fromkeys(row.model for row in rows))
    for name in names:
        points = [(row.mean_length, row.bleu) for row in rows if row.model == name]
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
    shared = [row for row in rows if row.model == names[0]]
    axes.set_xticks(
        [row.mean_length for row in shared],
        [f"{row.mean_length:.1f}\n({row.shortest} to {row.longest})" for row in shared],
        fontsize=8,
    )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("source length in words: mean of the bin (shortest to longest)")
    axes.set_ylabel("BLEU")
    axes.grid(alpha=0.3)
    _plain(*axes.legend(frameon=False).get_texts(), axes.set_title(title, fontsize=10))
    return figure


def draw_comparison(
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    bars: Mapping[str, Mapping[str, tuple[float, float | None]]],
    title: str,
) -> Figure:
    """Return the validation losses over the updates, and bars for each metric; pale: reported."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0 + 2.6 * len(bars), 4.2), layout="constrained")
    axes, *panels = figure.subplots(
        1, 1 + len(bars), width_ratios=[2.0] + [1.0] * len(bars), squeeze=False
    )[0]
    colours = {name: f"C{i % 10}" for i, name in enumerate(histories)}
    for name, history in histories.items():
        points = _points(history, "val_loss", "step")
        axes.plot(*points, marker="o", markersize=3, label=name, color=colours[name])
    axes.set_xlabel("updates")
    axes.set_ylabel("validation loss, nats")  # per piece or sentence, as the recipe has it
    axes.grid(alpha=0.3)
    _plain(*axes.legend(frameon=False).get_texts())
    for panel, (metric, values) in zip(panels, bars.items(), strict=True):
        paired = any(reported is not None for _, reported in values.values())
        width = 0.4 if paired else 0.6
        for i, (name, (value, reported)) in enumerate(values.items()):
            place = i - width / 2 if paired else i
            drawn = panel.bar(place, value, width, color=colours[name])
            panel.bar_label(drawn, fmt="%.2f", fontsize=8)
            if reported is not None:
                drawn = panel.bar(i + width / 2, reported, width, color=colours[name], alpha=0.35)
                panel.bar_label(drawn, fmt="%g", fontsize=8)
        panel.set_xticks(range(len(values)), list(values), rotation=30, fontsize=9)
        panel.margins(y=0.1)
        _plain(panel.set_title(metric, fontsize=10), *panel.get_xticklabels())
    _plain(figure.suptitle(title, fontsize=10))
    return figure


def _points(
    history: Sequence[Mapping[str, Any]], name: str, across: str | None
) -> tuple[list[float], list[float]]:
    """Return where a column of a history was measured, and what; else the number of the row."""
    # The values of a history that was read from a file are text.
    rows = [(i, row) for i, row in enumerate(history, start=1) if row.get(name) not in (None, "")]
    return [float(row[across]) if across else i for i, row in rows], [
        float(row[name]) for _, row in rows
    ]


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
    if not path.parent.is_dir():
        raise OptionError(f"{path}: there is no folder {path.parent}", "make it first")
    return path


def _save(figure: Figure, path: Path) -> Path:
    with files.replacing(path) as aside:
        figure.savefig(aside, dpi=RESOLUTION)
    return path
