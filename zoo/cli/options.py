"""Arguments and options that several commands have."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.errors import OptionError

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

# How to read a user's table, see `zoo.data.columns.TableArguments`.
TABLE: dict[str, Any] = {
    "text_column": Annotated[str | None, typer.Option(help="Column of texts.", metavar="NAME")],
    "label_column": Annotated[str | None, typer.Option(help="Column of labels.", metavar="NAME")],
    "source_column": Annotated[str | None, typer.Option(help="Column of sources.", metavar="NAME")],
    "target_column": Annotated[str | None, typer.Option(help="Column of targets.", metavar="NAME")],
    "column": Annotated[
        list[str] | None,
        typer.Option(help="Any column of the task, as in premise=first.", metavar="COLUMN=NAME"),
    ],
    "delimiter": Annotated[
        str | None,
        typer.Option(help="Between columns: a character, comma, semicolon, tab or pipe."),
    ],
    "header": Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether the first row holds names."),
    ],
}


def with_table(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `TABLE`, which it gets as the dict `reading`.

    The dict holds arguments of the verbs that read a user's table.
    """

    @functools.wraps(command)
    def with_options(**values: Any) -> None:
        chosen = {name: values.pop(name) for name in TABLE}
        chosen["columns"] = _columns(chosen.pop("column"))
        command(**values, reading=chosen)

    own = inspect.signature(command, eval_str=True)
    parameters = [
        *(parameter for name, parameter in own.parameters.items() if name != "reading"),
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for name, kind in TABLE.items()
        ),
    ]
    with_options.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_options


def _columns(assignments: list[str] | None) -> dict[str, list[str]]:
    """Return the columns that --column names, by role.

    Raises:
        OptionError: one is not written as COLUMN=NAME.
    """
    named: dict[str, list[str]] = {}
    for assignment in assignments or []:
        role, equals, name = assignment.partition("=")
        if not (role and equals and name):
            raise OptionError(
                f"--column {assignment} is not COLUMN=NAME", "as in --column premise=first"
            )
        named.setdefault(role, []).append(name)
    return named
