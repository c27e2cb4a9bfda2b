"""The shell's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo import hub
from zoo.cli import options, shell
from zoo.cli.options import BatchSize, BeamSize, Data, LengthPenalty, Name, Split
from zoo.errors import OptionError

Picture = Annotated[Path, typer.Option("-o", "--out", help="The picture.")]

app = typer.Typer(help="Draw a picture.", rich_markup_mode=None)


@app.callback()
def figure() -> None:
    """Draw a picture."""


@app.command("attention")
def figure_attention(
    name: Name,
    text: Annotated[str, typer.Argument(help="The source text.")],
    out: Picture = Path("attention.png"),
) -> None:
    """Draw which source pieces the decoder looked at."""
    model = shell.load(name)
    from zoo.reports import figures

    figures.attention(model, text, out)
    print(out)


@app.command("curve")
def figure_curve(
    name: Name,
    out: Picture = Path("curve.png"),
) -> None:
    """Draw how the training of a model went, from its history.csv."""
    model = shell.load(name)
    from zoo.reports import figures

    figures.curve(model.history, out, model.recipe.name)
    print(out)


@app.command("length")
def figure_length(
    names: Annotated[
        list[str], typer.Argument(help="NAME, NAME.TAG or folders of bundles.", metavar="NAME...")
    ],
    data: Data = None,
    out: Picture = Path("length.png"),
    split: Split = None,
    bins: Annotated[int, typer.Option(help="Parts of the data by length; 4 are quarters.")] = 4,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    batch_size: BatchSize = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    source_column: options.SourceColumn = None,
    target_column: options.TargetColumn = None,
    column: options.Column = None,
    delimiter: options.Delimiter = None,
    header: options.Header = None,
) -> None:
    """Draw BLEU by source length for several models; the same as CSV beside it."""
    shell.check_data(data)
    reading = options.table_arguments(
        text_column, label_column, source_column, target_column, column, delimiter, header
    )
    for name in names:
        hub.find(name)
        if names.count(name) > 1:
            raise OptionError(f"{name} is named twice", "name each model once")
    models = {name: shell.load(name) for name in names}
    from zoo.reports import figures

    figures.length(
        models, data, out, split=split, bins=bins, beam_size=beam_size,
        length_penalty=length_penalty, batch_size=batch_size, **reading,
    )  # fmt: skip
    print(out)
