"""Draw a model's attention, its training, its BLEU by source length, and comparisons of runs.

Drawn without a display, and written whole or not at all.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from zoo import files
from zoo.config.metrics import METRICS
from zoo.errors import DataError, NotSupported, OptionError, check_path, did_you_mean
from zoo.reports import series
from zoo.reports.marks import marked as marked
from zoo.reports.series import plain
from zoo.reports.series import save as _save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.data.columns import TableArguments
    from zoo.pretrained import Pretrained
    from zoo.tasks.translate import Alignment

# Inches for each piece, for the labels around the matrix, and for the largest picture.
CELL, AROUND, LARGEST = 0.36, 1.9, 40.0


def attention(
    pretrained: Pretrained,
    text: str,
    out: str | os.PathLike[str] = "attention.png",
    target: str | None = None,
) -> Path:
    """Draw which source pieces the decoder looked at; return the picture's path.

    Args:
        text: the source.
        out: the picture; its suffix is the format.
        target: the text to align with; None is the model's own output.

    Raises:
        NotSupported: the model is no translator, or one without attention.
        OptionError: matplotlib cannot write this format.
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
        out: the picture; its suffix is the format.

    Raises:
        NotSupported: the history lacks losses.
        OptionError: matplotlib cannot write this format.
    """
    return _save(draw_curve(history, title), _picture(out))


@dataclass(frozen=True)
class LengthBin:
    """A model's BLEU on the sources of one range of lengths, in words.

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
    **reading: Unpack[TableArguments],
) -> Path:
    """Draw BLEU by source length for several models (bahdanau2015, Figure 2); return the path.

    The rows of `length_bins` go into a .csv file beside the picture.

    Args:
        models: trained models by the names that the legend shows.
        data: as for `Pretrained.evaluate`.
        out: the picture; its suffix is the format.
        split, bins, beam_size, length_penalty, batch_size, reading: as for `length_bins`.

    Raises:
        OptionError: matplotlib cannot write this format, or something else lies at the .csv.
        NotSupported, OptionError, DataError: see `length_bins`.
    """
    path = _picture(out)
    table = path.with_suffix(".csv")
    header = ",".join(field.name for field in fields(LengthBin))
    if table.exists() and table.read_bytes()[: len(header)] != header.encode():
        raise OptionError(f"{table} exists and is no table of lengths", "name another picture")
    rows = length_bins(
        models, data, split=split, bins=bins, beam_size=beam_size, length_penalty=length_penalty,
        batch_size=batch_size, **reading,
    )  # fmt: skip
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
    **reading: Unpack[TableArguments],
) -> list[LengthBin]:
    """Return BLEU by source length: for each model a row for each bin, the shortest first.

    A length counts words between whitespace, so models with different tokenizers share the bins.

    Args:
        models: trained models by name.
        data: as for `Pretrained.evaluate`; all models must read the same sentences from it.
        split: of a corpus; None is the recipe's `evaluate.split`.
        bins: the number of bins, see `quantile_bins`; 4 are quarters.
        beam_size, length_penalty, batch_size: as for `Pretrained.predict`.
        reading: source_column and the others, as for `Pretrained.finetune`.

    Raises:
        NotSupported: a model does not translate.
        OptionError: no model, models of different languages, or an invalid option.
        DataError: the sentences cannot be read, differ between the models or are too few.
    """
    _check_comparable(models)
    first = next(iter(models))
    data = list(data) if isinstance(data, Iterator) else data  # each model reads it
    read = {name: model.examples(data, split=split, **reading)[1] for name, model in models.items()}
    examples = read[first]
    other = next((name for name in models if read[name] != examples), None)
    if other is not None:
        raise DataError(
            f"{first} and {other} would be measured on different sentences",
            "give one file of pairs, or the folder of one corpus, for all",
        )
    sources = [source for source, _ in examples]
    lengths = np.array([len(source.split()) for source in sources])
    bin_of = quantile_bins(lengths, bins)
    from zoo.tasks import metrics

    metric = models[first].recipe.spec.metrics[0]
    rows = []
    for name, model in models.items():
        outputs = model.task.translate_rows(
            sources, beam_size=beam_size, length_penalty=length_penalty, batch_size=batch_size
        )
        for number in range(bins):
            places = np.flatnonzero(bin_of == number)
            words = lengths[places]
            measured = metrics.translation(
                [outputs[i] for i in places],
                [examples[i][1] for i in places],
                model.recipe.data.target,
            )
            rows.append(
                LengthBin(
                    name, int(words.min()), int(words.max()), round(float(words.mean()), 2),
                    len(places), float(measured[metric]),
                )
            )  # fmt: skip
    return rows


def quantile_bins(lengths: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each length, an int of [0, bins): [sentences].

    The edges are the quantiles 1/bins, 2/bins, ...; a length on an edge falls below it, so equal
    lengths share a bin and bins may differ in size.

    Raises:
        OptionError: bins is less than 1.
        DataError: too few lengths, or too few different ones.
    """
    if bins < 1:
        raise OptionError(f"bins is {bins}", "bins is at least 1")
    fewer = f"give more sentences, or fewer than {bins} bins"
    if len(lengths) < bins:
        raise DataError(f"{len(lengths)} sentences do not fill {bins} bins", fewer)
    edges = np.quantile(lengths, np.arange(1, bins) / bins)
    bin_of = np.searchsorted(edges, lengths, side="left")
    if len(set(bin_of.tolist())) < bins:
        raise DataError(
            f"the sentences' lengths ({lengths.min()} to {lengths.max()} words) are too much "
            f"alike for {bins} bins",
            fewer,
        )
    return bin_of


def _check_comparable(models: Mapping[str, Pretrained]) -> None:
    """Raise unless all models translate between the same languages."""
    if not models:
        raise OptionError("there is no model to draw", "give at least one")
    pairs: dict[str, tuple[str, str]] = {}
    for name, model in models.items():
        if not METRICS[model.recipe.spec.metrics[0]].references:
            raise NotSupported(
                f"{name} does not translate, its task is {model.recipe.task}",
                "leave it out: BLEU by length is for translations",
            )
        pairs[name] = (model.recipe.data.source, model.recipe.data.target)
    first, *others = pairs
    for name in others:
        if pairs[name] != pairs[first]:
            shown = ", ".join(f"{x} translates {' to '.join(pairs[x])}" for x in (first, name))
            raise OptionError(shown, "compare models of the same two languages, as in NAME.TAG")


def comparison(
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    bars: Mapping[str, Mapping[str, tuple[float, float | None]]],
    out: str | os.PathLike[str] = "comparison.png",
    title: str = "",
) -> Path:
    """Draw the runs of an experiment beside each other; return the picture's path.

    Args:
        histories: the rows of history.csv by the name of the run; {} draws no curves.
        bars: by metric and run, the measured number and the one that a paper reports, or None.

    Raises:
        OptionError: matplotlib cannot write this format.
    """
    return _save(draw_comparison(histories, bars, title), _picture(out))


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
    plain(*axes.get_xticklabels(), *axes.get_yticklabels())
    figure.colorbar(image, ax=axes, label="attention, each row sums to 1")
    plain(figure.suptitle(title, fontsize=10))
    return figure


def draw_curve(history: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Return the losses of a history over its steps, one line each."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for row in history for name in row))
    losses = [name for name in names if "loss" in name]
    if not losses:
        raise NotSupported(
            "there is no training curve: the history lacks losses",
            "a bundle that `zoo train` or `finetune` wrote has one in history.csv",
        )
    across = next((name for name in ("step", "epoch") if name in names), None)
    figure = Figure(figsize=series.SIZE, layout="constrained")
    axes = figure.add_subplot()
    lines = {name: _points(history, name, across) for name in losses}
    series.plot(axes, lines, "updates" if across == "step" else across or "row", "loss, nats", 3)
    plain(axes.set_title(title, fontsize=10))
    return figure


def draw_length(rows: Sequence[LengthBin], title: str) -> Figure:
    """Return BLEU over the mean length of each bin, one line for each model."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=series.SIZE, layout="constrained")
    axes = figure.add_subplot()
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        lines.setdefault(row.model, []).append((row.mean_length, row.bleu))
    across = "source length in words: mean of the bin (shortest to longest)"
    series.plot(axes, lines, across, "BLEU")
    shared = [row for row in rows if row.model == rows[0].model]
    axes.set_xticks(
        [row.mean_length for row in shared],
        [f"{row.mean_length:.1f}\n({row.shortest} to {row.longest})" for row in shared],
        fontsize=8,
    )
    axes.set_ylim(bottom=0)
    plain(axes.set_title(title, fontsize=10))
    return figure


def draw_comparison(
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    bars: Mapping[str, Mapping[str, tuple[float, float | None]]],
    title: str,
) -> Figure:
    """Return the validation losses over the updates, and bars by metric; pale: reported numbers.

    Bars may have names without a history. Without any history there are bars alone.
    """
    from matplotlib.figure import Figure

    lines = {name: _points(history, "val_loss", "step") for name, history in histories.items()}
    inches = max(series.SIZE[0], (5.0 if lines else 2.4) + 2.6 * len(bars))
    figure = Figure(figsize=(inches, 4.2), layout="constrained")
    widths = [2.0] * bool(lines) + [1.0] * len(bars)
    panels = list(figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0])
    if lines:
        # The nats are per piece or per sentence, as the recipe has it.
        series.plot(panels.pop(0), lines, "updates", "validation loss, nats", 3)
    names = dict.fromkeys([*histories, *(name for values in bars.values() for name in values)])
    colours = {name: f"C{i % 10}" for i, name in enumerate(names)}  # those of `series.plot`
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
        plain(panel.set_title(metric, fontsize=10), *panel.get_xticklabels())
    plain(figure.suptitle(textwrap.fill(title, int(13 * inches)), fontsize=10))
    return figure


def _points(
    history: Sequence[Mapping[str, Any]], name: str, across: str | None
) -> list[tuple[float, float]]:
    """Return a column's numbers over the column `across`, or over the number of the row."""
    # A history that was read from a file holds text.
    return [
        (float(row[across]) if across else i, float(row[name]))
        for i, row in enumerate(history, start=1)
        if row.get(name) not in (None, "")
    ]


def _picture(out: str | os.PathLike[str]) -> Path:
    """Return the path of a picture; check its suffix and folder before a model is loaded."""
    from matplotlib.backend_bases import FigureCanvasBase

    check_path("out", out)
    path = Path(out).expanduser()
    formats = FigureCanvasBase.get_supported_filetypes()
    kind = path.suffix.lower().removeprefix(".")
    if kind not in formats:
        problem = f"of the kind '{path.suffix}'" if kind else "without a suffix"
        raise OptionError(f"{path}: no picture {problem} can be drawn", did_you_mean(kind, formats))
    series.check_folder(path)
    return path
