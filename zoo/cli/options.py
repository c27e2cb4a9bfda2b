"""The shell's arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[
    str, typer.Argument(help="NAME, NAME.TAG, hf://USER/REPO or a folder.", metavar="NAME")
]
DASH = "Put -- before a text that begins with -."
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of corpora (else ZOO_DATA or the hub), or a file of examples."),
]
Split = Annotated[str | None, typer.Option(help="Split of the corpus.")]
BeamSize = Annotated[int | None, typer.Option(help="Hypotheses kept; 1 is greedy.")]
LengthPenalty = Annotated[float | None, typer.Option(help="Alpha of the penalty.")]
BatchSize = Annotated[int | None, typer.Option(help="Texts decoded together.")]
