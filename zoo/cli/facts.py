"""The shell's commands that show what there is, none of which imports Keras."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo import hub
from zoo.cli.shell import print_table
from zoo.config import cards, catalog
from zoo.config import recipe as recipes
from zoo.errors import BundleError


def register(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    app.command("list")(list_models)
    app.command("recipes")(list_recipes)
    app.command()(info)


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
    print_table(rows, right=(3,))
    print("\n* what the bare name loads; `zoo info NAME` tells more")


def list_recipes(
    recipe: Annotated[
        str | None, typer.Argument(help="Print this recipe's file.", metavar="RECIPE")
    ] = None,
) -> None:
    """List the recipes that `zoo train` takes, with their trained weights, or print one."""
    if recipe is not None:
        recipes.load(recipe)  # for its errors
        print(recipes.path_of(recipe).read_text(encoding="utf-8"), end="")
        return
    weights = catalog.weights_by_recipe()
    rows = [("RECIPE", "PAPER", "TASK", "CORPUS", "TRAINED WEIGHTS")]
    for each in map(recipes.load, recipes.names()):
        trained = ", ".join(weights.get(each.name, "-"))
        rows.append((each.name, each.paper, each.task, each.data.corpus, trained))
    print_table(rows, right=())
    print("\n`zoo recipes RECIPE` prints one, `zoo train RECIPE` trains it")


def info(
    name: Annotated[
        str, typer.Argument(help="NAME, NAME.TAG, hf://USER/REPO or a folder.", metavar="NAME")
    ],
) -> None:
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
