"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.errors import OptionError

if TYPE_CHECKING:
    from zoo.data.columns import TableArguments

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
SplitSentences = Annotated[bool | None, typer.Option(help="Translate sentence by sentence.")]
BatchSize = Annotated[int | None, typer.Option(help="Texts decoded together.")]

# How to read a user's table.
TextColumn = Annotated[str | None, typer.Option(help="Column of texts.", metavar="NAME")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of labels.", metavar="NAME")]
SourceColumn = Annotated[str | None, typer.Option(help="Column of sources.", metavar="NAME")]
TargetColumn = Annotated[str | None, typer.Option(help="Column of targets.", metavar="NAME")]
Column = Annotated[
    list[str] | None,
    typer.Option(help="Any column of the task, as in premise=first.", metavar="COLUMN=NAME"),
]
Delimiter = Annotated[
    str | None, typer.Option(help="Between columns: a character, comma, semicolon, tab or pipe.")
]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="Whether the first row holds names.")
]


def table_arguments(
    text: str | None,
    label: str | None,
    source: str | None,
    target: str | None,
    columns: list[str] | None,
    delimiter: str | None,
    header: bool | None,
) -> TableArguments:
    """Return the arguments of the verbs for these options.

    Raises:
        OptionError: a column is not written as COLUMN=NAME.
    """
    named: dict[str, list[str]] = {}
    for assignment in columns or []:
        role, equals, name = assignment.partition("=")
        if not (role and equals and name):
            raise OptionError(
                f"--column {assignment} is not COLUMN=NAME", "as in --column premise=first"
            )
        named.setdefault(role, []).append(name)
    return {
        "text_column": text, "label_column": label, "source_column": source,
        "target_column": target, "columns": named, "delimiter": delimiter, "header": header,
    }  # fmt: skip
