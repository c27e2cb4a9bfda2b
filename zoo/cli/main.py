"""The command `zoo`: the package's verbs in a shell. Start-up does not import Keras."""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from zoo import hub
from zoo.cli import hub as hub_commands
from zoo.cli import shell
from zoo.config import cards, catalog
from zoo.config import recipe as recipes
from zoo.errors import BundleError, DataError, OptionError, ZooWarning
from zoo.version import __version__

if TYPE_CHECKING:
    from zoo.pretrained import Pretrained

app = typer.Typer(
    add_completion=False,
    help="Papers from n-grams to GPT: one name, one trained model, the same few verbs.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(help="NAME, NAME.TAG, hf://USER/REPO or a folder.")]
RecipeName = Annotated[str, typer.Argument(help="A recipe's name or its file.", metavar="RECIPE")]
TEXTS = "Texts, a tab between those that belong together; standard input if none."
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE, as in optimizer.learning_rate=5e-4.", metavar="K=V"),
]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of corpora (else ZOO_DATA or the hub), or a file of examples."),
]
Split = Annotated[str | None, typer.Option(help="Split of the corpus.")]
BeamSize = Annotated[int | None, typer.Option(help="Hypotheses kept; 1 is greedy.")]
LengthPenalty = Annotated[float | None, typer.Option(help="Alpha of the penalty.")]
BatchSize = Annotated[int | None, typer.Option(help="Texts decoded together.")]
SplitSentences = Annotated[bool | None, typer.Option(help="Translate sentence by sentence.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="The seconds-long version.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a run stopped.")]
Picture = Annotated[Path, typer.Option("-o", "--out", help="The picture.")]
Dtype = Annotated[str | None, typer.Option(help="Keras dtype policy, as in mixed_bfloat16.")]


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Declare for --help the options that `main` has already parsed."""


@app.command("list")
def list_models() -> None:
    """List the models, their trained weights and what these reach."""
    rows = [("NAME", "YEAR", "TASK", "PARAMETERS", "METRIC")]
    for name in catalog.names():
        entry = catalog.entry(name)
        year = str(entry.paper.year)
        for tag, weights in entry.weights.items():
            task = f"{catalog.task(entry, weights.size)} {'-'.join(weights.languages)}"
            shown = f"{name}.{tag}" + ("*" if tag == entry.default else "")
            count = f"{catalog.parameters(entry, tag):,}"
            metric = catalog.measured(catalog.metrics(entry, tag)) or weights.hub or "-"
            rows.append((shown, year, task, count, metric))
        if not entry.weights:
            count = f"{catalog.size(entry).params:,}"
            rows.append((name, year, entry.task, count, "no trained weights"))
    shell.print_table(rows, right=(3,))
    print("\n* what the bare name loads; `zoo info NAME` tells more")


@app.command()
def info(name: Name) -> None:
    """Show a paper's facts: sizes, weights, licences, metrics, how to cite."""
    if not catalog.is_path(name):
        print(cards.card(name))
        return
    folder = hub.find(name)
    if not (folder / "recipe.toml").is_file():
        raise BundleError(
            f"{folder} is no bundle: recipe.toml is missing", "`zoo list` shows the models by name"
        )
    paper = recipes.load(str(folder.resolve())).paper
    readme = folder / "README.md"
    if not readme.is_file():
        print(cards.card(paper))
        return
    text = readme.read_text(encoding="utf-8")
    if text.startswith("---\n"):  # front matter is for the hub
        text = text.partition("\n---\n")[2]
    print(text.strip())


@app.command()
def predict(
    name: Name,
    text: Annotated[list[str] | None, typer.Argument(help=TEXTS)] = None,
    file: Annotated[Path | None, typer.Option(help="A UTF-8 file, one text a line.")] = None,
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
    split_sentences: SplitSentences = None,
    dtype: Dtype = None,
) -> None:
    """Translate, continue, classify or compare texts; one output a line, in their order."""
    texts = shell.read_texts(text or [], file)
    model = _load(name, dtype)
    outputs: list[Any] = model.predict(
        shell.split_columns(texts, model.recipe.task, file), beam_size=beam_size, seed=seed,
        length_penalty=length_penalty, max_length=max_length, batch_size=batch_size,
        num_return=num_return, temperature=temperature, top_k=top_k, top_p=top_p, scores=scores,
        split_sentences=split_sentences,
    )  # fmt: skip
    for output in outputs:
        if scores:
            print(json.dumps(output, ensure_ascii=False))
        else:
            print("\n".join(output) if isinstance(output, list) else output)


@app.command()
def evaluate(
    name: Name,
    data: Data = None,
    split: Split = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    batch_size: BatchSize = None,
    split_sentences: SplitSentences = None,
    dtype: Dtype = None,
) -> None:
    """Measure a model on its test set or on your own examples; prints JSON."""
    shell.check_data(data)
    model = _load(name, dtype)
    measured = model.evaluate(
        data, split=split, beam_size=beam_size, length_penalty=length_penalty,
        batch_size=batch_size, split_sentences=bool(split_sentences),
    )  # fmt: skip
    print(json.dumps(measured, indent=2, ensure_ascii=False))


@app.command()
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
    changes: Changes = None,
    resume: Resume = False,
) -> None:
    """Train a model further on your own examples."""
    parsed = shell.parse_changes(changes)
    model = _load(name)
    model.finetune(
        data, task=task, validation=validation, adapt=adapt, out=out, changes=parsed, resume=resume
    )
    print(out)


@app.command()
def prepare(
    recipe: RecipeName,
    out: Annotated[Path, typer.Option(help="Folder for arrays and tokenizer.")],
    changes: Changes = None,
    smoke: Smoke = False,
) -> None:
    """Write a recipe's tokenizer and tokenized data, ready for `zoo train --prepared`."""
    chosen = shell.load_recipe(recipe, changes, smoke)

    shell.import_keras()
    from zoo.training.prepare import prepare as prepare_data

    prepare_data(chosen, out)
    print(out)


@app.command()
def train(
    recipe: RecipeName,
    prepared: Annotated[Path | None, typer.Option(help="Folder that `prepare` wrote.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/RECIPE.")] = None,
    changes: Changes = None,
    smoke: Smoke = False,
    resume: Resume = False,
) -> None:
    """Train a model from scratch; the run's folder holds its bundle."""
    chosen = shell.load_recipe(recipe, changes, smoke)
    if prepared is not None and not prepared.is_dir():
        raise DataError(f"there is no folder {prepared}", "`zoo prepare` writes one")
    shell.import_keras()
    from zoo.training import run

    print(run.train(chosen, out or Path("runs") / chosen.name, prepared=prepared, resume=resume))


@app.command()
def experiment(
    experiment: Annotated[
        str | None, typer.Argument(help="An experiment's name or its file; all if none.")
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
    path: Annotated[Path, typer.Argument(help="A checkpoint: its folder, or one file of it.")],
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
    folder: Annotated[Path, typer.Argument(help="Folder of the SavedModel.", metavar="DIR")],
) -> None:
    """Write a TensorFlow SavedModel that takes strings and gives strings."""
    model = _load(name)
    from zoo import export as exporting

    exporting.export(model, folder)
    print(folder)


figure_app = typer.Typer(help="Draw a picture.", rich_markup_mode=None)
app.add_typer(figure_app, name="figure")


@figure_app.callback()
def figure() -> None:
    """Draw a picture."""


@figure_app.command("attention")
def figure_attention(
    name: Name,
    text: Annotated[str, typer.Argument(help="The source text.")],
    out: Picture = Path("attention.png"),
) -> None:
    """Draw which source pieces the decoder looked at."""
    model = _load(name)
    from zoo.reports import figures

    figures.attention(model, text, out)
    print(out)


@figure_app.command("curve")
def figure_curve(
    name: Name,
    out: Picture = Path("curve.png"),
) -> None:
    """Draw how the training of a model went, from its history.csv."""
    model = _load(name)
    from zoo.reports import figures

    figures.curve(model.history, out, model.recipe.name)
    print(out)


@figure_app.command("length")
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
) -> None:
    """Draw BLEU by source length for several models; the same as CSV beside it."""
    shell.check_data(data)
    for name in names:
        hub.find(name)
        if names.count(name) > 1:
            raise OptionError(f"{name} is named twice", "name each model once")
    models = {name: _load(name) for name in names}
    from zoo.reports import figures

    figures.length(
        models, data, out, split=split, bins=bins, beam_size=beam_size,
        length_penalty=length_penalty, batch_size=batch_size,
    )  # fmt: skip
    print(out)


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


def _load(name: str, dtype: str | None = None) -> Pretrained:
    """Load a model; report a wrong name before Keras is imported, which takes seconds."""
    folder = hub.find(name)
    shell.import_keras()
    from zoo import pretrained

    return pretrained.load(folder, dtype=dtype)


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
