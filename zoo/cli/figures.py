"""The shell's commands that draw pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zoo import hub
from zoo.cli import options, shell
from zoo.cli.options import DASH, BatchSize, BeamSize, Data, LengthPenalty, Name, Split
from zoo.errors import OptionError

Picture = Annotated[Path, typer.Option("-o", "--out", help="The picture.")]

figure_app = typer.Typer(help="Draw a picture.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    app.add_typer(figure_app, name="figure")


@figure_app.callback()
def figure() -> None:
    """Draw a picture."""


@figure_app.command()
def attention(
    name: Name,
    text: Annotated[str, typer.Argument(help=f"The source. {DASH}", metavar="TEXT")],
    out: Picture = Path("attention.png"),
) -> None:
    """Draw which source pieces the decoder looked at."""
    model = shell.load(name)
    from zoo.reports import figures

    figures.attention(model, text, out)
    print(out)


@figure_app.command()
def curve(
    name: Name,
    out: Picture = Path("curve.png"),
) -> None:
    """Draw how the training of a model went, from its history.csv."""
    model = shell.load(name)
    from zoo.reports import figures

    figures.curve(model.history, out, model.recipe.name)
    print(out)


@figure_app.command()
def marked(
    name: Name,
    texts: Annotated[list[str], typer.Argument(help=f"Texts. {DASH}", metavar="TEXT...")],
    out: Picture = Path("marked.svg"),
    width: Annotated[int, typer.Option(help="Characters of a line.", min=20)] = 80,
) -> None:
    """Draw texts with what a tagger marks in them."""
    model = shell.load(name)
    from zoo.reports import figures

    figures.marked(model, texts, out, width=width)
    print(out)


@figure_app.command()
@options.with_table
def length(
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
    *,
    reading: dict[str, Any],
) -> None:
    """Draw BLEU by source length for several models; the same as CSV beside it."""
    shell.check_data(data)
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
