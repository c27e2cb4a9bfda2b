"""Test a paper's claim: train variants of one recipe alike and compare them. Imports no Keras."""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from zoo.config import catalog
from zoo.config import recipe as recipes
from zoo.config.recipe import Recipe
from zoo.config.tables import flat, parse, read_toml
from zoo.errors import (
    BundleError,
    CheckpointError,
    OptionError,
    RecipeError,
    UnknownName,
    did_you_mean,
)
from zoo.reports import comparison
from zoo.reports.claims import Experiment

SMOKE = "These are the seconds-long versions of the runs: the numbers say nothing."


def folder() -> Path:
    """Return the folder of the experiments that come with the package."""
    return catalog.data_root() / "experiments"


def names() -> list[str]:
    """Return the names of the experiments that come with the package."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def load(name: str | Path) -> Experiment:
    """Return the experiment of that name, or the one in that .toml file.

    Raises:
        UnknownName: no experiment of that name.
        RecipeError: the file cannot be read, or a key or value in it is wrong.
    """
    path = Path(name)
    if isinstance(name, str) and path.suffix != ".toml":
        path = folder() / f"{name}.toml"
        if name not in names():
            raise UnknownName(f"there is no experiment '{name}'", did_you_mean(name, names()))
    table = {"name": path.stem, **read_toml(path, RecipeError)}
    experiment = parse(Experiment, table, f"experiment {path.stem}", RecipeError)
    catalog.entry(experiment.paper)
    return experiment


# Running


def run(
    experiment: Experiment,
    out: Path | str,
    *,
    changes: Mapping[str, Any] | None = None,
    smoke: bool = False,
    resume: bool = False,
) -> Path:
    """Train the variants of an experiment, compare them, and return the folder of the results.

    Each run's bundle goes to `out`/VARIANT, the rest to `out`/VARIANT.run. A variant with a bundle
    is not trained again; one of trained weights or of other variants is only measured. The results
    are results.csv, results.md and the picture NAME.png.

    Args:
        changes: dotted keys to change in the recipes of all variants.
        smoke: train the seconds-long version of each.
        resume: continue runs that stopped half-way.

    Raises:
        OptionError: `out` holds something else, or the variants differ in a changed key.
        BundleError: a bundle or a run in `out` is of another recipe.
        CheckpointError: a run exists without `resume`, or `resume` is set without a run.
        UnknownName, RecipeError: see `Experiment.recipes`.
        NotSupported: a mixture of variants that are no language models.
        DataError, TrainingError: see `zoo.training.run.train`.
    """
    out = Path(out).expanduser()
    missing = check(experiment, out, changes=changes, smoke=smoke, resume=resume)
    from zoo import loading
    from zoo.interpolation import check_recipe
    from zoo.training import run

    models = {  # a wrong name is told before hours of training
        name: loading.load(variant.weights)
        for name, variant in experiment.variants.items()
        if variant.weights
    }
    known = experiment.recipes(changes, smoke) | {n: model.recipe for n, model in models.items()}
    for variant in experiment.variants.values():
        for part in variant.of if len(variant.of) > 1 else []:
            check_recipe(known[part])
    out.mkdir(parents=True, exist_ok=True)
    for name in experiment.runs:
        print(f"{name}: {'training' if name in missing else 'is trained'}", file=sys.stderr)
        if name in missing:
            continued = resume and (out / f"{name}.run").is_dir()
            run.train(missing[name], out / name, resume=continued)
    models |= {name: loading.load(out / name) for name in experiment.runs}
    return comparison.write(experiment, models, out, [SMOKE] if smoke else [])


def check(
    experiment: Experiment,
    out: Path | str,
    *,
    changes: Mapping[str, Any] | None = None,
    smoke: bool = False,
    resume: bool = False,
) -> dict[str, Recipe]:
    """Return the recipes of the variants that `run` would train: those not in `out` yet.

    All recipes and folders are checked before hours of training. Arguments and errors: see `run`.
    """
    variants = experiment.recipes(changes, smoke)
    if any(recipe.data.path is not None for recipe in variants.values()):
        from zoo.training.own_data import settled

        variants = {name: settled(recipe) for name, recipe in variants.items()}
    out = Path(out).expanduser()
    _check_folder(out, experiment, resume)
    return {
        name: recipe
        for name, recipe in variants.items()
        if not _is_finished(out, name, recipe, resume)
    }


# Folders


def _check_folder(out: Path, experiment: Experiment, resume: bool) -> None:
    """Raise unless the folder is new, empty or holds only this experiment."""
    if out.exists() and not out.is_dir():
        raise OptionError(f"{out} is a file", "name a folder")
    present = {path.name for path in out.iterdir()} if out.is_dir() else set()
    runs = {f"{name}{end}" for name in experiment.runs for end in ("", ".run")}
    results = {"results.csv", "results.md", f"{experiment.name}.png"}
    if runs and not present & runs:
        results = set()
    strange = sorted(name for name in present - runs - results if not name.startswith("."))
    if strange:
        raise OptionError(
            f"{out} holds something else than the experiment {experiment.name}: {strange[0]}",
            "name a new or an empty folder",
        )
    if resume and not present & runs:
        raise CheckpointError(f"there is no run to resume in {out}", "start it without --resume")


def _is_finished(out: Path, name: str, recipe: Recipe, resume: bool) -> bool:
    """Return whether a variant is trained and measured; raise what `run` does."""
    from zoo import bundle

    target, run = out / name, out / f"{name}.run"
    bundle.recover(target)
    bundle.check_writable(target)
    for path, may_differ in (
        (target / "recipe.toml", ()),
        (run / "data" / "recipe.toml", recipes.MAY_CHANGE if resume else ()),
    ):
        if path.is_file():
            _check_same(path, recipe, may_differ)
    # A run writes its bundle once before it measures it.
    if (target / bundle.MANIFEST).is_file() and bundle.read(target).metrics:
        return True
    if not resume and any((run / "checkpoints").glob("step-*")):
        raise CheckpointError(
            f"{run} already holds a run",
            "go on with --resume, choose another --out, or delete that folder",
        )
    return False


def _check_same(path: Path, recipe: Recipe, may_differ: Container[str] = ()) -> None:
    """Raise BundleError unless the recipe at `path` equals `recipe` but for some keys."""
    both = recipes.load(path), recipe
    present, expected = (flat(each.resolved().published().tables()) for each in both)
    for key in dict.fromkeys([*expected, *present]):
        if key not in may_differ and present.get(key) != expected.get(key):
            raise BundleError(
                f"{path.parent} is of another recipe: {key} is {present.get(key)!r}, "
                f"not {expected.get(key)!r}",
                "choose another --out, ask for that recipe with --set, or delete the folder",
            )
