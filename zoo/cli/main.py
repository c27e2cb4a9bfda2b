"""The command `zoo`: the package's verbs in a shell. Start-up does not import Keras."""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from zoo.cli import facts, figures, lines, options, shell
from zoo.cli import hub as hub_commands
from zoo.cli.options import (
    DASH,
    BatchSize,
    BeamSize,
    Data,
    LengthPenalty,
    Name,
    Split,
    SplitSentences,
)
from zoo.cli.shell import load as _load
from zoo.config import catalog
from zoo.errors import DataError, OptionError, ZooWarning
from zoo.version import __version__

app = typer.Typer(
    add_completion=False,
    help="Papers from n-grams to GPT: one name, one trained model, the same few verbs.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

RecipeName = Annotated[
    str, typer.Argument(help="A name of `zoo recipes`, or a file.", metavar="RECIPE")
]
TEXTS = f"Texts, a tab between those that belong together; standard input if none. {DASH}"


def _changes(example: str) -> Any:
    about = f"Change a key of the recipe, as in --set {example}; may be repeated."
    return typer.Option("--set", help=about, metavar="KEY=VALUE")


Changes = Annotated[list[str] | None, _changes("schedule.peak=5e-4")]
DataChanges = Annotated[list[str] | None, _changes("tokenizer.vocabulary=8000")]
OwnData = Annotated[
    Path | None,
    typer.Option(help="Your own corpus: a file, or a folder with train, valid and test."),
]
Smoke = Annotated[bool, typer.Option("--smoke", help="The seconds-long version.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a run stopped.")]
Dtype = Annotated[str | None, typer.Option(help="Keras dtype policy, as in mixed_bfloat16.")]


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Declare for --help the options that `main` has already parsed."""


facts.register(app)


@app.command()
def predict(
    name: Name,
    text: Annotated[list[str] | None, typer.Argument(help=TEXTS, metavar="TEXT")] = None,
    file: Annotated[Path | None, typer.Option(help="A UTF-8 file, one text a line.")] = None,
    context: Annotated[
        Path | None, typer.Option(help="A UTF-8 file of any length that the texts ask about.")
    ] = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    max_length: Annotated[int | None, typer.Option(help="Longest output, in pieces.")] = None,
    batch_size: BatchSize = None,
    num_return: Annotated[
        int | None, typer.Option(help="Outputs for each text, best first.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Draw words; 1 as they are.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw among so many words.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw among such a share.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the draws.")] = None,
    scores: Annotated[bool, typer.Option("--scores", help="All labels, as JSON.")] = False,
    no_answer: Annotated[
        bool, typer.Option("--no-answer", help="Let a question have no answer in its context.")
    ] = False,
    split_sentences: SplitSentences = None,
    form: Annotated[
        lines.Format, typer.Option("--format", help="jsonl writes each output as JSON.")
    ] = lines.Format.text,
    on_error: Annotated[
        lines.OnError, typer.Option(help="At a line that cannot be read; skip leaves it blank.")
    ] = lines.OnError.stop,
    dtype: Dtype = None,
) -> None:
    """Translate, continue, classify, tag or compare texts, answer questions; one output a line.

    A blank line gives a blank line. With --on-error skip, the exit code is 1 if a line was skipped.
    """
    if text and file is not None:
        raise OptionError("both TEXT and --file are given", "give one of them")
    source = None if text else lines.open_lines(file)
    about = None if context is None else lines.read_context(context)
    model = _load(name, dtype)
    task = model.recipe.task if about is None else None  # then each text is whole

    def answer(inputs: list[Any], part: int = 0) -> list[Any]:
        # A seed for each part of a file: equal prompts in two parts would go on alike.
        outputs: list[Any] = model.predict(
            inputs, beam_size=beam_size, seed=seed if seed is None else seed + part,
            length_penalty=length_penalty, max_length=max_length, batch_size=batch_size,
            num_return=num_return, temperature=temperature, top_k=top_k, top_p=top_p,
            scores=scores, split_sentences=split_sentences, context=about,
            no_answer=no_answer or None,
        )  # fmt: skip
        return outputs

    if source is None:
        for output in answer(shell.split_columns(text or [], task, None)):
            lines.show(output, form)
    elif lines.answer_all(source, task, answer, form, on_error):
        raise typer.Exit(1)


@app.command()
@options.with_table
def evaluate(
    name: Name,
    data: Data = None,
    split: Split = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    batch_size: BatchSize = None,
    stream: Annotated[
        bool | None, typer.Option(help="Language models: read all texts as one; else by the data.")
    ] = None,
    split_sentences: SplitSentences = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Recurrent models: learn from what was predicted.")
    ] = False,
    dynamic_rate: Annotated[float | None, typer.Option(help="Its learning rate; 0.03.")] = None,
    dynamic_chunk: Annotated[int | None, typer.Option(help="Tokens between steps; 10.")] = None,
    dtype: Dtype = None,
    *,
    reading: dict[str, Any],
) -> None:
    """Measure a model on its test set or on your own examples; prints JSON."""
    shell.check_data(data)
    model = _load(name, dtype)
    measured = model.evaluate(
        data, split=split, beam_size=beam_size, length_penalty=length_penalty,
        batch_size=batch_size, stream=stream, split_sentences=bool(split_sentences),
        dynamic=dynamic, dynamic_rate=dynamic_rate, dynamic_chunk=dynamic_chunk, **reading,
    )  # fmt: skip
    print(json.dumps(measured, indent=2, ensure_ascii=False))


@app.command()
@options.with_table
def finetune(
    name: Name,
    data: Annotated[
        Path, typer.Option(help="TSV, CSV or JSON lines with the columns of the task.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle.")],
    task: Annotated[str | None, typer.Option(help="Task; the model's own if not given.")] = None,
    validation: Annotated[float, typer.Option(help="Share of the rows held out.")] = 0.1,
    adapt: Annotated[
        bool | None, typer.Option(help="Go on with the texts before the labels; else as the paper.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows of a batch.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, dropout and order.")] = None,
    lora_rank: Annotated[
        int | None, typer.Option(help="Train matrices of this rank (LoRA), not all weights.")
    ] = None,
    changes: Changes = None,
    resume: Resume = False,
    *,
    reading: dict[str, Any],
) -> None:
    """Train a model further on your own examples."""
    parsed = shell.parse_changes(changes)
    model = _load(name)
    model.finetune(
        data, task=task, validation=validation, adapt=adapt, out=out, epochs=epochs,
        learning_rate=learning_rate, batch_size=batch_size, seed=seed, lora_rank=lora_rank,
        changes=parsed, resume=resume, **reading,
    )  # fmt: skip
    print(out)


@app.command()
def prepare(
    recipe: RecipeName,
    out: Annotated[Path, typer.Option(help="Folder for arrays and tokenizer.")],
    data: OwnData = None,
    changes: DataChanges = None,
    smoke: Smoke = False,
) -> None:
    """Write a recipe's tokenizer and tokenized data, ready for `zoo train --prepared`."""
    chosen = shell.load_recipe(recipe, changes, smoke, data)

    shell.import_keras()
    from zoo.training.prepare import prepare as prepare_data

    prepare_data(chosen, out)
    print(out)


@app.command()
def train(
    recipe: RecipeName,
    data: OwnData = None,
    prepared: Annotated[Path | None, typer.Option(help="Folder that `prepare` wrote.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/RECIPE.")] = None,
    changes: Changes = None,
    smoke: Smoke = False,
    resume: Resume = False,
) -> None:
    """Train a model from scratch; the run's folder holds its bundle."""
    chosen = shell.load_recipe(recipe, changes, smoke, data)
    if prepared is not None and not prepared.is_dir():
        raise DataError(f"there is no folder {prepared}", "`zoo prepare` writes one")
    shell.import_keras()
    from zoo.training import run

    print(run.train(chosen, out or Path("runs") / chosen.name, prepared=prepared, resume=resume))


@app.command()
def experiment(
    experiment: Annotated[
        str | None,
        typer.Argument(help="An experiment's name or its file; all if none.", metavar="NAME"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of results; runs/NAME.")] = None,
    changes: Changes = None,
    smoke: Smoke = False,
    resume: Resume = False,
    listed: Annotated[bool, typer.Option("--list", help="List experiments and claims.")] = False,
) -> None:
    """Remake a paper's claim: train variants of a recipe and compare them."""
    from zoo.reports import experiments

    if listed or experiment is None:
        if not listed and (out or changes or smoke or resume):
            raise OptionError("no experiment is named", "`zoo experiment --list` shows the names")
        for name in experiments.names():
            print(f"{name}: {experiments.load(name).claim}")
        return
    chosen, parsed = experiments.load(experiment), shell.parse_changes(changes)
    out = out or Path("runs") / chosen.name
    experiments.check(chosen, out, changes=parsed, smoke=smoke, resume=resume)
    shell.import_keras()
    experiments.run(chosen, out, changes=parsed, smoke=smoke, resume=resume)
    print((out.expanduser() / "results.md").read_text(encoding="utf-8"))
    print(out)


@app.command()
def convert(
    path: Annotated[
        Path, typer.Argument(help="A checkpoint: its folder, or one file.", metavar="PATH")
    ],
    paper: Annotated[str, typer.Option("--as", help="Whose model it is, as in vaswani2017.")],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle.")],
    dtype: Annotated[str, typer.Option(help="How weights are stored.")] = "float32",
) -> None:
    """Write a checkpoint of another library, which you have, as a bundle."""
    catalog.entry(paper)
    shell.import_keras()
    from zoo.convert import write

    print(write(path, paper, out, dtype))


@app.command()
def export(
    name: Name,
    folder: Annotated[
        Path, typer.Argument(help="Folder of the SavedModel, or FILE.arpa.", metavar="DIR")
    ],
) -> None:
    """Write a TensorFlow SavedModel that takes strings and gives strings or labels.

    A name that ends in .arpa or .arpa.gz is a file of n-grams, of a model that counts them.
    """
    model = _load(name)
    from zoo import export as exporting

    exporting.export(model, folder)
    print(folder)


@app.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="Only say whether it is stale.")] = False,
) -> None:
    """Make the tables of the README and of docs/ again, from what was measured."""
    from zoo.reports import docs as tables

    stale = ", ".join(page.name for page in tables.write(check=check))
    if stale and check:
        raise OptionError(f"tables are stale in {stale}", "run `zoo docs`")
    print(f"written: {stale}" if stale else "every table is up to date")


hub_commands.register(app)
figures.register(app)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; every error is one message on stderr and exit code 1."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)
    debug = "--debug" in words[:end]
    words = [word for word in words[:end] if word != "--debug"] + words[end:]
    if words == ["--version"]:
        print(f"paperzoo {__version__}")
        sys.exit(0)
    # TensorFlow writes lines of greeting to stderr unless this is set before its import.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("always", ZooWarning)
    warnings.showwarning = shell.show_warning
    code = 0
    try:
        shell.check_arguments(words)
        code = app(words or ["--help"], prog_name="zoo", standalone_mode=False) or 0
        sys.stdout.flush()
    except BrokenPipeError:
        # `zoo list | head -1`: the reader is gone; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        code = 130
    except Exception as failure:
        if debug:
            traceback.print_exc()
        print(f"error: {shell.explain(failure)}", file=sys.stderr)
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
